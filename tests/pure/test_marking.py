"""Connection marks as values: the bits, the table as nft says it, and whether a listing is ours."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.desired import Nic, Settings
from srcroutd.core.marking import MARK_BITS, MarkedNic, Marking, Mask, unfit, unmarkable
from srcroutd.core.marking_listing import difference, expected, read_listing
from srcroutd.core.marking_nft import commands, removal, script, things
from srcroutd.core.modes.connmark import derive_connmark
from srcroutd.core.modes.source import derive_source
from srcroutd.core.numbering import Domain
from tests.pure.worlds import address, addressing, eni, nic

ETH1 = MarkedNic("eth1", 1)
ETH2 = MarkedNic("eth2", 2, strict=True)
BOTH = Marking((ETH2, ETH1))
RUNS = st.tuples(st.integers(1, 31), st.integers(0, 31)).map(
    lambda run: ((1 << run[0]) - 1) << run[1] & MARK_BITS
)

V4 = addressing("192.0.2.5", "192.0.2.6", subnet="192.0.2.0/24", gateway="192.0.2.253")
V6 = addressing("2001:db8:1::5", subnet="2001:db8:1::/64", gateway="2001:db8:1::1")


# --- the bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "highest", "why"),
    [
        (0x00FF0000, 98, ""),
        (0xFF000000, 255, ""),
        (0x0000007F, 98, ""),
        (0, 1, "0x0 is no mask of a mark: it needs one to 31 bits"),
        (1 << 32, 1, "0x100000000 is no mask of a mark: it needs one to 31 bits"),
        (-1, 1, "-0x1 is no mask of a mark: it needs one to 31 bits"),
        (MARK_BITS, 98, "0xffffffff is the whole mark, which the host's other programs need too"),
        (0x00FF00FF, 1, "0x00ff00ff has gaps; a mask is one run of bits, as 0x00ff0000 is"),
        (
            0x003F0000,
            98,
            (
                "0x003f0000 has marks for 63 NICs, and priorities and tables have room for 98; "
                "widen it to 7 bits or narrow those"
            ),
        ),
    ],
)
def test_a_mask_that_cannot_serve_is_refused_in_a_sentence(
    bits: int, highest: int, why: str
) -> None:
    assert unfit(bits, highest) == why


def test_the_default_mask_has_a_mark_for_each_seat() -> None:
    assert unfit(Mask().bits, Domain().seats[-1]) == ""
    assert [f"{Mask().value(seat):#x}" for seat in (1, 2, 98)] == ["0x10000", "0x20000", "0x620000"]


@given(bits=RUNS)
def test_marks_differ_and_lie_within_the_mask(bits: int) -> None:
    mask = Mask(bits)
    seats = range(1, min(mask.highest, 300) + 1)
    values = [mask.value(seat) for seat in seats]
    assert len(set(values)) == len(values)
    assert all(value and not value & mask.others for value in values)
    assert mask.bits | mask.others == MARK_BITS
    assert unfit(bits, mask.highest) == ""
    assert unfit(bits, mask.highest + 1)


@pytest.mark.parametrize("seat", [-1, 0, 256])
def test_a_seat_beyond_the_mask_has_no_mark(seat: int) -> None:
    with pytest.raises(ValueError, match="has no mark within 0x00ff0000"):
        Mask().value(seat)


@pytest.mark.parametrize(
    "nics",
    [
        (),
        (ETH1, MarkedNic("eth9", 1)),
        (ETH1, MarkedNic("eth1", 9)),
        (MarkedNic("eth1", 256),),
        (MarkedNic("eth*", 1),),
    ],
)
def test_a_marking_that_contradicts_itself_cannot_be_made(nics: tuple[MarkedNic, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Marking(nics)


@pytest.mark.parametrize("name", ["eth*", 'a"b', "@eth", "eth0\\*", "", "a" * 16, "größe", "a b"])
def test_a_name_that_nft_may_misread_is_told(name: str) -> None:
    assert repr(name) in unmarkable(name)


@pytest.mark.parametrize("name", ["eth1", "ens5", "enp1s0f0np0", "eth0.100", "br-lan", "wan_1"])
def test_the_names_that_nics_have_can_be_marked(name: str) -> None:
    assert unmarkable(name) == ""


def test_a_marking_is_the_same_in_any_order_and_tells_itself() -> None:
    assert Marking((ETH1, ETH2)) == BOTH
    assert str(BOTH) == "mask 0x00ff0000: eth1 0x00010000, eth2 0x00020000 strict"
    assert commands(Marking((ETH1, ETH2))) == commands(BOTH)


# --- the table ----------------------------------------------------------------------------------

SCRIPT = """\
table inet srcroutd
delete table inet srcroutd
table inet srcroutd {
	chain prerouting {
		type filter hook prerouting priority mangle + 1; policy accept;
		iifname "eth1" ct direction original ct mark & 0x00ff0000 == 0x00010000 accept
		iifname "eth1" ct direction original ct mark set ct mark & 0xff00ffff | 0x00010000 accept
		ct mark & 0x00ff0000 == 0x00000000 accept
		ct mark & 0x00ff0000 == 0x00010000 meta mark & 0x00ff0000 == 0x00000000 \
meta mark set meta mark & 0xff00ffff | 0x00010000
	}

	chain output {
		type route hook output priority mangle + 1; policy accept;
		ct mark & 0x00ff0000 == 0x00000000 accept
		oifname != "eth1" ct direction reply ct mark & 0x00ff0000 == 0x00010000 \
meta mark & 0x00ff0000 == 0x00000000 meta mark set meta mark & 0xff00ffff | 0x00010000
	}
}
"""


def test_one_nic_in_the_words_of_nft() -> None:
    told = [line.split(" comment ")[0] for line in script(Marking((ETH1,))).split("\n")]
    assert "\n".join(told) == SCRIPT


def test_only_a_strict_nic_marks_what_comes_in_for_containers() -> None:
    assert "chain rewritten" not in script(Marking((ETH1,)))
    text = script(BOTH)
    found = text[text.index("chain rewritten") : text.index("chain output")]
    assert 'iifname "eth2" ct direction original ct status dnat' in found
    assert "eth1" not in found


def test_one_transaction_takes_whatever_stands_there_away_first() -> None:
    table = {"table": {"family": "inet", "name": "srcroutd"}}
    told = commands(BOTH)["nftables"]
    assert told[:3] == [{"add": table}, {"delete": table}, {"add": table}]
    assert removal()["nftables"] == told[:2]
    assert told[3:] == [{"add": thing} for thing in things(BOTH)[1:]]


@given(bits=RUNS, seat=st.integers(1, 98))
def test_no_rule_can_change_a_bit_outside_the_mask(bits: int, seat: int) -> None:
    mask = Mask(bits)
    if seat > mask.highest:
        return
    written = [
        part["mangle"]["value"]["|"]
        for thing in things(Marking((MarkedNic("eth1", seat, strict=True),), mask))
        for part in thing.get("rule", {}).get("expr", ())
        if "mangle" in part
    ]
    assert len(written) == 4
    for old, value in written:
        kept = old["&"][1] if "&" in old else MARK_BITS
        for before in (0, MARK_BITS, mask.bits, mask.others):
            after = before & kept | value
            assert after & mask.others == before & mask.others
            if not before & mask.bits:
                assert after & mask.bits == mask.value(seat)


# --- the listing --------------------------------------------------------------------------------


def listed(marking: Marking, **metainfo: str) -> list[dict[str, Any]]:
    """As nft lists it: with handles, and who is speaking."""
    found: list[dict[str, Any]] = json.loads(json.dumps(things(marking)))
    for number, thing in enumerate(found):
        (body,) = thing.values()
        body["handle"] = number
    return [{"metainfo": {"version": "1.0.6", **metainfo}}, *found]


def answer(found: list[dict[str, Any]]) -> bytes:
    return json.dumps({"nftables": found}).encode()


def drift(found: list[dict[str, Any]], marking: Marking = BOTH) -> tuple[str, ...]:
    return difference(expected(marking), read_listing(answer(found)))


def test_handles_versions_and_the_order_of_chains_do_not_matter() -> None:
    found = listed(BOTH, version="9.9")
    chains = [thing for thing in found if "chain" in thing]
    others = [thing for thing in found if "chain" not in thing]
    for thing in found[1:]:
        next(iter(thing.values()))["handle"] += 1000
    assert drift([*others[:2], *reversed(chains), *others[2:]]) == ()
    assert not read_listing(answer(found)).foreign


def test_a_mask_at_the_top_is_listed_as_a_prefix_and_meant_all_the_same() -> None:
    marking = Marking((ETH1,), Mask(0xFF000000))
    text = answer(listed(marking)).decode()
    for of, value in (("ct", 0), ("ct", 0x01000000), ("meta", 0)):
        mark = f'{{"{of}": {{"key": "mark"}}}}'
        masked = f'{{"&": [{mark}, {0xFF000000}]}}, "right": {value}'
        assert masked in text
        prefix = f'{mark}, "right": {{"prefix": {{"addr": {value}, "len": 8}}}}'
        text = text.replace(masked, prefix)
    assert difference(expected(marking), read_listing(text.encode())) == ()
    other = text.replace('"len": 8', '"len": 7')
    assert difference(expected(marking), read_listing(other.encode()))


def test_what_is_missing_or_too_much_is_told_line_by_line() -> None:
    found = listed(BOTH)
    rule = next(thing for thing in found if "rule" in thing and thing["rule"]["chain"] == "output")
    assert drift([thing for thing in found if thing is not rule]) == (
        "- rule of output: began elsewhere",
    )
    extra = {"rule": {**rule["rule"], "comment": "mine", "handle": 99}}
    assert drift([*found, extra]) == ("+ rule of output: mine",)
    assert drift([*found, {"set": {"family": "inet", "table": "srcroutd", "name": "s"}}]) == (
        "+ set s",
    )
    found[1]["table"]["flags"] = "dormant"
    assert drift(found) == ("+ table inet srcroutd with flags", "- table inet srcroutd")


def test_rules_in_another_order_are_another_table() -> None:
    found = listed(BOTH)
    at = next(number for number, thing in enumerate(found) if "rule" in thing)
    found[at], found[at + 1] = found[at + 1], found[at]
    assert drift(found) == ("the rules stand in another order",)


def test_one_changed_number_is_a_difference() -> None:
    text = answer(listed(BOTH)).decode()
    for old, new in ((str(0xFF01FFFF), str(0xFF01FFFE)), ('"eth1"', '"eth3"'), ("-149", "-150")):
        assert old in text
        found = read_listing(text.replace(old, new, 1).encode())
        told = difference(expected(BOTH), found)
        assert {line[0] for line in told} == {"-", "+"}, told


def test_a_table_of_our_name_without_any_of_our_chains_is_a_strangers() -> None:
    table = {"table": {"family": "inet", "name": "srcroutd", "handle": 1}}
    where = {"family": "inet", "table": "srcroutd"}
    chain = {"chain": {**where, "name": "prerouting"}}
    hooked = {"chain": {**chain["chain"], "type": "nat", "hook": "prerouting", "prio": -100}}
    assert not read_listing(answer([table])).foreign
    assert read_listing(answer([table, chain])).foreign
    assert read_listing(answer([table, hooked])).foreign
    assert read_listing(answer([table, {"set": {**where, "name": "s"}}])).foreign
    ours = [thing for thing in listed(BOTH) if "rule" not in thing]
    assert not read_listing(answer([*ours, chain])).foreign


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"[]", b'{"nftables": 3}', b'{"nftables": [{"rule": 1}]}', b"[" * 99999]
)
def test_garbage_is_no_listing(garbage: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_listing(garbage)


# --- the rules for the mark ---------------------------------------------------------------------


def managed(settings: Settings | None = None) -> Nic:
    on_nic = [address(1, "192.0.2.5/24"), address(1, "2001:db8:1::5/64")]
    return nic(1, eni(1, V4, V6), on_nic, settings=settings)


def test_the_mark_has_three_tiers_before_everything_else_of_the_nic() -> None:
    wanted = derive_connmark(managed(Settings(ipv6=False)), Mask())
    assert [str(want.thing) for want in wanted.rules] == [
        "18010: from all fwmark 0x10000/0xff0000 lookup 18001 suppress_prefixlength 0",
        "18011: from all fwmark 0x10000/0xff0000 lookup main suppress_prefixlength 0",
        "18012: from all fwmark 0x10000/0xff0000 lookup 18001",
        "18010: from all oif eth1 lookup 18001 suppress_prefixlength 0",
        "18011: from all oif eth1 lookup main suppress_prefixlength 0",
        "18012: from all oif eth1 lookup 18001",
        "18014: from 192.0.2.5 lookup 18001 suppress_prefixlength 0",
        "18015: from 192.0.2.5 lookup main suppress_prefixlength 0",
        "18016: from 192.0.2.5 lookup 18001",
    ]
    assert {want.thing.protocol for want in wanted.rules} == {83}


def test_mode_connmark_keeps_everything_of_mode_source() -> None:
    source, marked = derive_source(managed()), derive_connmark(managed(), Mask())
    assert marked.routes == source.routes
    assert marked.rules[6:] == source.rules
    assert {want.thing.family for want in marked.rules[:6]} == {2, 10}
    assert marked.notes == source.notes


def test_a_family_without_an_address_gets_no_rule_for_the_mark() -> None:
    """Its table is empty: the rule would let marked packets out by another NIC."""
    wanted = derive_connmark(nic(1, eni(1, V4, V6), [address(1, "192.0.2.5/24")]), Mask())
    assert {want.thing.family for want in wanted.rules} == {2}


def test_the_jump_past_the_nic_comes_after_the_mark() -> None:
    many = [address(1, f"192.0.2.{host}/24") for host in range(5, 15)]
    wanted = derive_connmark(nic(1, eni(1, V4), many), Mask())
    jump = next(want.thing.priority for want in wanted.rules if "goto" in str(want.thing))  # type: ignore[union-attr]
    marks = [want.thing.priority for want in wanted.rules if "fwmark" in str(want.thing)]  # type: ignore[union-attr]
    assert max(marks) < jump
