"""Rewritten sources as a table of nftables, in its own words; and back from a listing."""

import json
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.marking import MARK_BITS, MarkedNic, Marking, Mask
from srcroutd.core.marking_listing import expected, read_listing
from srcroutd.core.marking_nft import script, things
from srcroutd.core.marking_read import read_snats
from srcroutd.core.marking_snat import Snat

SMTP = Snat(
    255, "eth1", ip_address("192.0.2.5"), (ip_network("198.51.100.0/24"),), 6, (25, 25), (7, 9)
)
SIX = Snat(254, "eth2", ip_address("2001:db8::6"), outer=("eth0", "eth2"))

SCRIPT = """\
table inet srcroutd
delete table inet srcroutd
table inet srcroutd {
	chain egress {
		type route hook output priority mangle + 2; policy accept;
		ct status & confirmed == 0 tcp flags & (syn | ack) != syn accept
		ct status & confirmed == 0 oifname != "lo" \
ip daddr 198.51.100.0/24 tcp dport 25 meta skuid 7-9 ct mark & 0x00ff0000 == 0x00000000 \
ct mark set ct mark & 0xff00ffff | 0x00ff0000
		oifname != "eth1" ct direction original ct mark & 0x00ff0000 == 0x00ff0000 \
meta mark & 0x00ff0000 == 0x00000000 meta mark set meta mark & 0xff00ffff | 0x00ff0000
	}

	chain answers {
		type filter hook prerouting priority mangle + 2; policy accept;
		iifname "eth1" ct direction reply ct mark & 0x00ff0000 == 0x00ff0000 \
meta mark & 0x00ff0000 == 0x00000000 meta mark set meta mark & 0xff00ffff | 0x00ff0000
	}

	chain source {
		type nat hook postrouting priority srcnat - 1; policy accept;
		oifname "eth1" ct mark & 0x00ff0000 == 0x00ff0000 snat ip to 192.0.2.5
	}
}
"""


def test_one_rewritten_source_in_the_words_of_nft() -> None:
    told = [line.split(" comment ")[0] for line in script(Marking((), Mask(), (SMTP,))).split("\n")]
    assert "\n".join(told) == SCRIPT


def test_only_who_asks_for_containers_looks_at_what_comes_in() -> None:
    assert "chain forwarded" not in script(Marking((), Mask(), (SMTP,)))
    text = script(Marking((), Mask(), (SMTP, SIX)))
    found = text[text.index("chain forwarded") : text.index("chain answers")]
    assert 'iifname != "eth0" iifname != "eth2"' in found
    assert "192.0.2.5" not in found


def test_without_rewritten_sources_the_table_is_that_of_the_nics() -> None:
    text = script(Marking((MarkedNic("eth1", 1),), Mask()))
    assert not any(f"chain {name}" in text for name in ("egress", "answers", "source"))
    both = script(Marking((MarkedNic("eth1", 1),), Mask(), (SMTP,)))
    assert set(text.splitlines()) <= set(both.splitlines())


@pytest.mark.parametrize(
    ("nics", "snats"),
    [
        ((), ()),
        ((MarkedNic("eth1", 255),), (SMTP,)),
        ((), (Snat(256, "eth1", SMTP.source),)),
        ((), (Snat(255, "eth*", SMTP.source),)),
        ((), (Snat(255, "eth1", SMTP.source, outer=("eth*",)),)),
    ],
)
def test_a_table_that_contradicts_itself_cannot_be_made(
    nics: tuple[MarkedNic, ...], snats: tuple[Snat, ...]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        Marking(nics, Mask(), snats)


@st.composite
def rewritten(draw: st.DrawFn) -> Snat:
    four = draw(st.booleans())
    prefixes = ["198.51.100.0/24", "203.0.113.9/32"] if four else ["2001:db8:9::/48", "::1/128"]
    port = draw(st.none() | st.tuples(st.integers(1, 9), st.integers(9, 65534)))
    protocols = [0, 17, 47, 1 if four else 58]
    outer = draw(st.sampled_from([(), ("eth0",), ("eth0", "eth1")]))
    mask = draw(st.sampled_from([0, 0xF0, MARK_BITS]))
    return Snat(
        draw(st.integers(99, 255)),
        draw(st.sampled_from(["eth1", "eth2"])),
        ip_address("192.0.2.5" if four else "2001:db8::5"),
        tuple(map(ip_network, draw(st.lists(st.sampled_from(prefixes), unique=True)))),
        draw(st.sampled_from([6, 17])) if port else draw(st.sampled_from(protocols)),
        port,
        None if outer else draw(st.none() | st.just((0, 99))),
        0x10 if mask else 0,
        mask,
        outer,
    )


SNATS = st.lists(rewritten(), min_size=1, max_size=4, unique_by=lambda one: one.number)


@given(SNATS, st.sampled_from([0x00FF0000, 0xFF000000, 0x1FF]))
def test_a_listing_gives_back_what_was_put(snats: list[Snat], bits: int) -> None:
    marking = Marking((MarkedNic("eth1", 1),), Mask(bits), tuple(snats))
    answer = json.dumps({"nftables": things(marking)}).encode()
    assert read_listing(answer) == expected(marking)
    assert read_snats(read_listing(answer)) == (Mask(bits), tuple(snats))


@given(SNATS)
def test_no_rule_can_change_a_bit_outside_the_mask(snats: list[Snat]) -> None:
    mask = Mask()
    marking = Marking((), mask, tuple(snats))
    written = [
        part["mangle"]["value"]["|"]
        for thing in things(marking)
        for part in thing.get("rule", {}).get("expr", ())
        if "mangle" in part
    ]
    assert written
    for old, value in written:
        kept = old["&"][1] if "&" in old else MARK_BITS
        for before in (0, MARK_BITS, mask.bits, mask.others):
            after = before & kept | value
            assert after & mask.others == before & mask.others


def test_what_cannot_be_read_is_left_out() -> None:
    listing = expected(Marking((), Mask(), (SMTP,)))
    text = json.dumps({"nftables": things(Marking((), Mask(), (SMTP,)))})
    for old, new in (('"snat"', '"masquerade"'), ('"192.0.2.5"', '"mail.example"')):
        assert read_snats(read_listing(text.replace(old, new).encode()))[1] == ()
    assert read_snats(listing)[1] == (SMTP,)
