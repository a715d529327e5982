"""Which sysctls a mode needs of a NIC: what is in force, what serves, what is only advised."""

from ipaddress import ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.net import Address, Link
from srcroutd.core.sysctl_needs import Mode, Needs, advice, is_met, needed, needs_of
from srcroutd.core.sysctls import (
    ALL,
    Knob,
    Sysctl,
    Values,
    in_force,
    is_plain,
    serves,
    typed,
    why_in_force,
)

FLUX = Needs("eth1", "source", beside=("eth0", "eth2"))
EVERYTHING = Needs("eth1", "connmark", ("eth0",), secondaries=True, static6=True)
NUMBERS = st.integers(-3, 9)


def values(every: dict[Knob, int] | None = None, **nics: dict[Knob, int]) -> dict[Sysctl, int]:
    """All knobs of ``all``, eth0, eth1 and eth2: 0, but for what is named."""
    found = {Sysctl(knob, nic): 0 for knob in Knob for nic in (ALL, "eth0", "eth1", "eth2")}
    for nic, numbers in {ALL: every or {}, **nics}.items():
        found |= {Sysctl(knob, nic): number for knob, number in numbers.items()}
    return found


def told(needs: Needs, seen: Values) -> list[str]:
    return [str(want) for want in needed(needs, seen)]


# --- names ---------------------------------------------------------------------------------------


def test_a_dot_in_a_name_is_a_slash_to_sysctl_and_stays_a_dot_in_the_path() -> None:
    vlan = Sysctl(Knob.ARP_IGNORE, "eth1.5")
    assert typed(vlan, 1) == "sysctl -w net.ipv4.conf.eth1/5.arp_ignore=1"
    assert vlan.path == ("ipv4", "conf", "eth1.5", "arp_ignore")
    six = Sysctl(Knob.KEEP_ADDR_ON_DOWN, "eth1")
    assert typed(six, -1) == "sysctl -w net.ipv6.conf.eth1.keep_addr_on_down=-1"


@pytest.mark.parametrize(
    "name",
    *[
        [
            "",
            ".",
            "..",
            "a/b",
            "../../kernel",
            "a:1",
            "a b",
            "a\n",
            "a\0",
            "x" * 16,
            "é" * 8,
            "\ud800",
        ]
    ],
)
def test_a_name_that_is_no_plain_file_name_never_gets_a_path(name: str) -> None:
    assert not is_plain(name)
    with pytest.raises(ValueError, match="cannot be the name of a NIC"):
        Sysctl(Knob.ARP_IGNORE, name)


@pytest.mark.parametrize("name", ["eth1", "eth1.5", "a;b$(x)", "-eth", "x" * 15, "\udcff", "..."])
def test_whatever_the_kernel_takes_for_a_name_is_one(name: str) -> None:
    assert is_plain(name)


def test_a_name_that_a_shell_would_act_on_is_quoted() -> None:
    assert (
        typed(Sysctl(Knob.ARP_IGNORE, "a;b$(x)'"), 1)
        == "sysctl -w 'net.ipv4.conf.a;b$(x)'\\''.arp_ignore=1'"
    )


# --- what is in force ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knob", "own", "every", "result"),
    [
        *(
            (Knob.RP_FILTER, *row)
            for row in ((1, 0, 1), (0, 1, 1), (2, 1, 2), (1, 2, 2), (0, 0, 0))
        ),
        *((Knob.ARP_IGNORE, *row) for row in ((1, 3, 3), (8, 3, 8), (0, 2, 2))),
        *((Knob.ARP_ANNOUNCE, *row) for row in ((2, 1, 2), (2, 3, 3))),
        *((Knob.SRC_VALID_MARK, *row) for row in ((1, 0, 1), (0, 1, 1), (0, 0, 0), (-1, 0, 1))),
        *((Knob.ARP_FILTER, *row) for row in ((0, 1, 1), (1, 0, 1))),
        *((Knob.PROMOTE_SECONDARIES, *row) for row in ((0, 1, 1), (1, 0, 1))),
        *((Knob.KEEP_ADDR_ON_DOWN, *row) for row in ((1, 0, 1), (-1, 0, 0), (0, 0, 0))),
        # "all" decides alone as soon as it is not 0.
        *((Knob.KEEP_ADDR_ON_DOWN, *row) for row in ((1, -1, 0), (-1, 1, 1), (0, 1, 1))),
    ],
)
def test_the_value_in_force_is_the_kernels(knob: Knob, own: int, every: int, result: int) -> None:
    assert in_force(knob, own, every) == result


def test_how_it_comes_about_is_told() -> None:
    seen = values({Knob.RP_FILTER: 1, Knob.KEEP_ADDR_ON_DOWN: -1}, eth1={Knob.RP_FILTER: 2})
    assert [why_in_force(Sysctl(knob, "eth1"), seen) for knob in Knob] == [
        "rp_filter is 2 in force: the larger of eth1 (2) and all (1)",
        "src_valid_mark is 0 in force: on if eth1 (0) or all (0) is not 0",
        "arp_ignore is 0 in force: the larger of eth1 (0) and all (0)",
        "arp_announce is 0 in force: the larger of eth1 (0) and all (0)",
        "arp_filter is 0 in force: on if eth1 (0) or all (0) is not 0",
        "promote_secondaries is 0 in force: on if eth1 (0) or all (0) is not 0",
        "keep_addr_on_down is 0 in force: all (-1) decides unless it is 0, whatever eth1 (0) says",
    ]
    assert why_in_force(Sysctl(Knob.KEEP_ADDR_ON_DOWN, "eth1"), values()).endswith(
        "all is 0, so eth1 (0) decides"
    )
    assert why_in_force(Sysctl(Knob.RP_FILTER, "eth9"), seen) == ""


# --- what a mode needs ---------------------------------------------------------------------------


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_mode_source_needs_nothing_of_a_nic_that_is_alone_in_its_subnet(rp_filter: int) -> None:
    assert told(Needs("eth1", "source"), values({Knob.RP_FILTER: rp_filter})) == []


@pytest.mark.parametrize("mode", ["source", "connmark"])
def test_a_nic_that_shares_its_subnet_speaks_for_itself_only(mode: Mode) -> None:
    assert told(Needs("eth1", mode, beside=("eth0",)), values()) == [
        "sysctl -w net.ipv4.conf.eth1.arp_ignore=1",
        "sysctl -w net.ipv4.conf.eth1.arp_announce=2",
    ]


@pytest.mark.parametrize(
    ("every", "own", "strict"),
    [(0, 0, False), (1, 0, True), (0, 1, True), (1, 2, False), (2, 1, False), (2, 0, False)],
)
def test_mode_connmark_needs_src_valid_mark_where_rp_filter_is_strict_and_nowhere_else(
    every: int, own: int, *, strict: bool
) -> None:
    seen = values({Knob.RP_FILTER: every}, eth1={Knob.RP_FILTER: own})
    wanted = ["sysctl -w net.ipv4.conf.eth1.src_valid_mark=1"] if strict else []
    assert told(Needs("eth1", "connmark"), seen) == wanted


def test_addresses_that_would_be_lost_with_another_or_with_the_link_are_kept() -> None:
    assert told(Needs("eth1", "source", secondaries=True, static6=True), values()) == [
        "sysctl -w net.ipv4.conf.eth1.promote_secondaries=1",
        "sysctl -w net.ipv6.conf.eth1.keep_addr_on_down=1",
    ]


def test_a_nic_is_not_silenced_about_an_address_that_it_alone_answers_for() -> None:
    borrowing = Needs("eth1", "source", beside=("eth0",), borrowed=("192.0.2.77",))
    assert told(borrowing, values()) == ["sysctl -w net.ipv4.conf.eth1.arp_announce=2"]
    (said,) = advice([borrowing, Needs("eth0", "source")], values())
    assert "192.0.2.77" in said.why
    assert said.commands == ("sysctl -w net.ipv4.conf.eth1.arp_ignore=1",)


def test_what_cannot_be_read_is_not_wanted() -> None:
    seen = values({Knob.RP_FILTER: 1})
    for missing in list(seen):
        partly = {sysctl: number for sysctl, number in seen.items() if sysctl != missing}
        wanted = {want.sysctl.knob for want in needed(EVERYTHING, partly)}
        lost = {want.sysctl.knob for want in needed(EVERYTHING, seen)} - wanted
        unread = missing.nic in {ALL, "eth1"} and serves_something(missing.knob)
        if missing.knob is Knob.RP_FILTER and missing.nic == ALL:
            assert lost == {Knob.SRC_VALID_MARK}
        else:
            assert (missing.knob in lost) == unread


def serves_something(knob: Knob) -> bool:
    """Whether some mode wants it."""
    return knob not in {Knob.RP_FILTER, Knob.ARP_FILTER}


@given(st.fixed_dictionaries(dict.fromkeys(values(), NUMBERS)), st.sampled_from(Knob))
def test_a_want_carried_out_is_met_and_only_ever_on_the_nic_itself(
    seen: dict[Sysctl, int], knob: Knob
) -> None:
    for want in needed(EVERYTHING, seen):
        assert want.sysctl.nic == "eth1"
        after = {**seen, want.sysctl: want.value}
        assert is_met(want, after)
        assert want in needed(EVERYTHING, after), "carrying it out must not end the need for it"
    effect = in_force(knob, seen[Sysctl(knob, "eth1")], seen[Sysctl(knob, ALL)])
    for want in needed(EVERYTHING, seen):
        if want.sysctl.knob is knob:
            assert is_met(want, seen) == serves(knob, effect)


@given(st.fixed_dictionaries(dict.fromkeys(values(), NUMBERS)))
def test_every_need_is_met_or_wanted_or_the_subject_of_advice(seen: dict[Sysctl, int]) -> None:
    strict = (
        in_force(
            Knob.RP_FILTER, seen[Sysctl(Knob.RP_FILTER, "eth1")], seen[Sysctl(Knob.RP_FILTER, ALL)]
        )
        == 1
    )
    said = " ".join(one.why for one in advice([EVERYTHING], seen) if one.nic == "eth1")
    wanted = {want.sysctl.knob for want in needed(EVERYTHING, seen)}
    for knob in (
        Knob.ARP_IGNORE,
        Knob.ARP_ANNOUNCE,
        Knob.PROMOTE_SECONDARIES,
        Knob.KEEP_ADDR_ON_DOWN,
    ):
        assert (knob in wanted) != (f"eth1.{knob.file}=" in said)
    assert (Knob.SRC_VALID_MARK in wanted) == strict


@pytest.mark.parametrize(
    ("knob", "every"),
    [
        *((Knob.ARP_IGNORE, number) for number in (3, 4, 7, 9)),
        (Knob.ARP_ANNOUNCE, 3),
        (Knob.KEEP_ADDR_ON_DOWN, -1),
    ],
)
def test_what_all_outweighs_is_told_and_not_done(knob: Knob, every: int) -> None:
    seen = values({knob: every})
    assert knob not in {want.sysctl.knob for want in needed(EVERYTHING, seen)}
    (said,) = (one for one in advice([EVERYTHING], seen) if one.nic == "eth1")
    assert f"has no effect while net.{knob.family}.conf.all.{knob.file} is {every}" in said.why
    assert said.commands == (f"sysctl -w net.{knob.family}.conf.all.{knob.file}=0",)


def test_a_neighbour_that_is_left_alone_is_named_with_what_to_type() -> None:
    (said,) = advice([FLUX, Needs("eth2", "source", beside=("eth0", "eth1"))], values())
    assert said.nic == "eth0"
    assert said.why == (
        "shares a subnet with eth1 and eth2 and answers ARP for addresses that are not its own; "
        "it is left alone, so it is not changed: manage it, or set it by hand"
    )
    assert said.commands == (
        "sysctl -w net.ipv4.conf.eth0.arp_ignore=1",
        "sysctl -w net.ipv4.conf.eth0.arp_announce=2",
    )


def test_a_neighbour_that_is_silent_already_is_not_named() -> None:
    seen = values(eth0={Knob.ARP_IGNORE: 2}, eth2={Knob.ARP_IGNORE: 1})
    assert advice([FLUX], seen) == ()
    assert advice([FLUX], values({Knob.ARP_IGNORE: 1})) == ()


# --- needs from links and addresses --------------------------------------------------------------

LINKS = {
    1: Link(1, "lo", "", up=True, loopback=True),
    **{n + 2: Link(n + 2, f"eth{n}", f"00:16:3e:00:00:0{n}", up=True) for n in range(3)},
}


def on(index: int, *texts: str) -> list[Address]:
    """Addresses of one NIC; all but the first are secondary."""
    return [Address(index, ip_interface(text), secondary=n > 0) for n, text in enumerate(texts)]


def test_nics_of_one_subnet_are_beside_each_other() -> None:
    addresses = [*on(2, "192.0.2.10/24"), *on(3, "192.0.2.20/25"), *on(4, "198.51.100.1/24")]
    assert needs_of(LINKS[3], "source", (LINKS, addresses)) == Needs(
        "eth1", "source", beside=("eth0",)
    )
    assert needs_of(LINKS[4], "connmark", (LINKS, addresses)) == Needs("eth2", "connmark")


def test_ipv6_does_not_count_and_neither_do_addresses_of_its_own() -> None:
    addresses = [*on(2, "2001:db8::1/64"), *on(3, "2001:db8::2/64", "192.0.2.6/24", "192.0.2.7/24")]
    assert needs_of(LINKS[3], "source", (LINKS, addresses), static6=True) == Needs(
        "eth1", "source", secondaries=True, static6=True
    )


@pytest.mark.parametrize("index", [1, 4])
def test_an_address_of_the_subnet_that_stands_elsewhere_is_borrowed(index: int) -> None:
    addresses = [*on(2, "192.0.2.10/24"), *on(3, "192.0.2.20/24"), *on(index, "192.0.2.77/32")]
    assert needs_of(LINKS[3], "source", (LINKS, addresses)) == Needs(
        "eth1", "source", beside=("eth0",), borrowed=("192.0.2.77",)
    )


def test_a_second_address_on_a_nic_beside_is_that_nics_own_affair() -> None:
    addresses = [*on(2, "192.0.2.10/24", "192.0.2.77/32"), *on(3, "192.0.2.20/24")]
    assert needs_of(LINKS[3], "source", (LINKS, addresses)).borrowed == ()
