"""Whatever is lost comes back within a second of the event: the loss matrix of the kernel, played.

Each row says what happens in the words of ``ip``, what must stand afterwards, and how it is undone.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.life.enis import ETH0, ETH1, ETH2, Eni
from tests.life.host import Host, same, until
from tests.life.witness import Witness

ONE_NIC = """\
ip rule 18010: from all oif eth1 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18011: from all oif eth1 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18012: from all oif eth1 lookup 18001 proto 83
ip rule 18014: from 172.16.1.5 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18014: from 172.16.1.6 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18015: from 172.16.1.5 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18015: from 172.16.1.6 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18016: from 172.16.1.5 lookup 18001 proto 83
ip rule 18016: from 172.16.1.6 lookup 18001 proto 83
ip -6 rule 18010: from all oif eth1 lookup 18001 suppress_prefixlength 0 proto 83
ip -6 rule 18011: from all oif eth1 lookup 254 suppress_prefixlength 0 proto 83
ip -6 rule 18012: from all oif eth1 lookup 18001 proto 83
ip -6 rule 18014: from fd00:1::5 lookup 18001 suppress_prefixlength 0 proto 83
ip -6 rule 18015: from fd00:1::5 lookup 254 suppress_prefixlength 0 proto 83
ip -6 rule 18016: from fd00:1::5 lookup 18001 proto 83
ip route 172.16.0.0/24 via 172.16.1.253 dev eth1 table 18001 proto 83 scope 0 src 172.16.1.5
ip route 172.16.1.0/24 dev eth1 table 18001 proto 83 scope 253 src 172.16.1.5
ip route default via 172.16.1.253 dev eth1 table 18001 proto 83 scope 0 src 172.16.1.5
ip route unreachable default table 18001 proto 83 scope 0 metric 4278198272
ip -6 route default via fd00:1::253 dev eth1 table 18001 proto 83 scope 0 src fd00:1::5 metric 1024 pref medium
ip -6 route fd00:1::/64 dev eth1 table 18001 proto 83 scope 0 src fd00:1::5 metric 1024 pref medium
ip -6 route unreachable default dev lo table 18001 proto 83 scope 0 metric 4278198272 pref medium"""
MANY = Eni(1, (5, 6, 7, 8, 9), (5, 6, 7, 8, 9))
"""So many addresses that the pair of rules comes with them that lets strangers' packets pass."""


def without(*patterns: str) -> Callable[[str], str]:
    """What stands, less the lines in which one of these is found."""
    gone = re.compile("|".join(patterns))
    return lambda full: "\n".join(line for line in full.splitlines() if not gone.search(line))


def with_words(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """What stands, with words in place of others."""

    def changed(full: str) -> str:
        for old, new in pairs:
            full = re.sub(old, new, full)
        return full

    return changed


def in_turn(*changes: Callable[[str], str]) -> Callable[[str], str]:
    """One change after another."""

    def changed(full: str) -> str:
        for change in changes:
            full = change(full)
        return full

    return changed


def all_of_it(full: str) -> str:
    """All comes back, at once."""
    return full


@dataclass(frozen=True, slots=True)
class Loss:
    """``before`` the daemon starts, what ``happens``, what ``stands`` then, how it comes ``back``."""

    happens: tuple[str, ...]
    stands: Callable[[str], str] = all_of_it
    back: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


V4_OF_ETH1 = (r"ip rule 1801", r"ip route .* table 18001")
V6_OF_ETH1 = (r"-6 rule 1801", r"-6 route .* table 18001")
SECOND_FIRST = (
    "address flush dev eth1 scope global",
    "address add 172.16.1.6/24 dev eth1",
    *(line for line in ETH1.address_lines() if "172.16.1.6" not in line),
)

LOSSES = {
    "the last IPv4 address": Loss(
        ("address del 172.16.2.5/24 dev eth2",),
        without(r"ip rule 1802", r"ip route .* table 18002"),
        ("address add 172.16.2.5/24 dev eth2",),
    ),
    "the primary IPv4 address, which takes the secondary along": Loss(
        ("address del 172.16.1.5/24 dev eth1",),
        without(*V4_OF_ETH1),
        tuple(ETH1.address_lines()[:2]),
    ),
    "a secondary IPv4 address": Loss(
        ("address del 172.16.1.6/24 dev eth1",),
        without(r"from 172\.16\.1\.6 "),
        ("address add 172.16.1.6/24 dev eth1",),
    ),
    "a secondary that is the source of our routes": Loss(
        ("address del 172.16.1.5/24 dev eth1",),
        in_turn(without(r"from 172\.16\.1\.5 "), with_words((r"src 172\.16\.1\.5", "src 172.16.1.6"))),
        ("address add 172.16.1.5/24 dev eth1",),
        before=SECOND_FIRST,
    ),
    "the last IPv6 address": Loss(
        ("-6 address del fd00:1::5/64 dev eth1",),
        without(*V6_OF_ETH1),
        ("-6 address add fd00:1::5/64 dev eth1 nodad",),
    ),
    "the link goes down": Loss(
        ("link set eth1 down",),
        without(*V6_OF_ETH1, r"ip route (?!unreachable).* table 18001"),
        ("link set eth1 up", "-6 address add fd00:1::5/64 dev eth1 nodad"),
    ),
    "the link goes down and up in one go": Loss(
        ("link set eth1 down", "link set eth1 up", "-6 address add fd00:1::5/64 dev eth1 nodad"),
    ),
    "the carrier": Loss(("link set port1 down",), all_of_it, ("link set port1 up",)),
    "the link itself": Loss(
        ("link del eth1",),
        without(r"rule 1801", r"table 18001", r"172\.16\.1\.0/24", r"fd00:1::/64"),
        (*ETH1.plug_lines(), *ETH1.address_lines()),
    ),
    "the name": Loss(
        ("link set eth1 name ens5",),
        with_words((r"\beth1\b", "ens5")),
        ("link set ens5 name eth1",),
    ),
    "the IPv4 table": Loss(("route flush table 18001",)),
    "the IPv6 table": Loss(("-6 route flush table 18001",)),
    "an IPv4 route that somebody replaces": Loss(
        ("route replace default via 172.16.1.66 dev eth1 table 18001",)
    ),
    "an IPv4 route that somebody replaces with one like ours": Loss(
        ("route replace default via 172.16.1.66 dev eth1 table 18001 proto 83",)
    ),
    "an IPv6 route that somebody replaces": Loss(
        ("-6 route replace default via fd00:1::66 dev eth1 table 18001",)
    ),
    "an IPv6 route that somebody appends a nexthop to": Loss(
        ("-6 route append default via fd00:1::66 dev eth1 table 18001",)
    ),
    "an IPv4 route": Loss(("route del default via 172.16.1.253 table 18001",)),
    "an IPv4 route to the neighbours": Loss(("route del 172.16.1.0/24 table 18001",)),
    "an IPv4 route to another ENI": Loss(("route del 172.16.0.0/24 table 18001",)),
    "an IPv6 route": Loss(("-6 route del default via fd00:1::253 dev eth1 table 18001",)),
    "an IPv6 route to the neighbours": Loss(("-6 route del fd00:1::/64 table 18001",)),
    "the IPv4 guard": Loss(("route del unreachable default metric 4278198272 table 18001",)),
    "the IPv6 guard": Loss(("-6 route del unreachable default metric 4278198272 table 18001",)),
    "all rules of ours": Loss(("rule flush protocol 83", "-6 rule flush protocol 83")),
    "all of ours": Loss(
        (
            "rule flush protocol 83",
            "-6 rule flush protocol 83",
            *(f"{v6}route flush table {t}" for t in (18001, 18002) for v6 in ("", "-6 ")),
        )
    ),
    "every rule of the host, which then gets the kernel's own back": Loss(
        (
            "rule flush",
            "rule add from all lookup main pref 32766 protocol kernel",
            "rule add from all lookup default pref 32767 protocol kernel",
            "-6 rule flush",
            "-6 rule add from all lookup main pref 32766 protocol kernel",
        )
    ),
}


def test_what_stands_for_one_nic_is_this_and_nothing_more(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    bare.configure(ETH0, ETH1)
    bare.start()
    same(ONE_NIC, bare.ours())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_is_healed_within_a_second_after_the_loss_of(loss: Loss, host: Host) -> None:
    host.ip(*loss.before)
    daemon = host.start()
    full, theirs = host.ours(), host.theirs()
    host.ip(*loss.happens)
    host.healed(loss.stands(full))
    assert not host.dangling()
    if loss.back:
        host.ip(*loss.back)
        host.healed(full)
    if "address" not in " ".join(loss.happens) and "link" not in " ".join(loss.happens):
        same(theirs, host.theirs())
    daemon.wait_for(lambda: daemon.status.startswith("in sync"), "in sync", 1.0)


def test_is_healed_after_the_loss_of_any_single_rule(bare: Host) -> None:
    bare.plug(ETH0, MANY)
    bare.configure(ETH0, MANY)
    bare.start()
    full = bare.ours()
    rules = [line for line in full.splitlines() if "rule" in line]
    assert len(rules) == 2 * (3 + 2 + 3 * 5)
    with Witness() as witness:
        for line in rules:
            found = re.match(r"ip (-6 )?rule (\d+): (.*) proto 83", line)
            assert found
            bare.ip(f"{found[1] or ''}rule del pref {found[2]} {found[3]} protocol 83")
            bare.healed(full)
        signs = [line[0] for line in witness.ours()]
    assert signs == ["-", "+"] * len(rules)


def test_is_healed_after_the_loss_of_any_single_route(host: Host) -> None:
    host.start()
    full = host.ours()
    for line in full.splitlines():
        if found := re.match(r"ip (-6 )?route ((?:unreachable )?\S+) .*?(table \d+)", line):
            metric = re.search(r"metric \d+", line)
            host.ip(f"{found[1] or ''}route del {found[2]} {found[3]} {metric[0] if metric else ''}")
            host.healed(full)


def test_a_promoted_secondary_becomes_the_source_of_our_routes(host: Host) -> None:
    host.sysctl("ipv4/conf/eth1/promote_secondaries", "1")
    host.start()
    full = host.ours()
    host.ip("address del 172.16.1.5/24 dev eth1")
    expected = without(r"from 172\.16\.1\.5 ")(full)
    host.healed(expected.replace("src 172.16.1.5", "src 172.16.1.6"))
    host.ip("address add 172.16.1.5/24 dev eth1")
    host.healed(full)


def test_a_link_that_keeps_its_ipv6_addresses_when_it_goes_down_stays_guarded(host: Host) -> None:
    host.sysctl("ipv6/conf/eth1/keep_addr_on_down", "1")
    host.start()
    full = host.ours()
    host.ip("link set eth1 down")
    host.healed(without(r"route (?!unreachable).* table 18001")(full))
    host.ip("link set eth1 up")
    host.healed(full)


def test_an_address_moves_between_two_nics_of_one_subnet(bare: Host) -> None:
    twin = Eni(2, (15,), (), subnet=1)
    bare.plug(ETH0, ETH1, twin)
    bare.configure(ETH0, ETH1, twin)
    bare.start()
    full = bare.ours()
    bare.ip("address del 172.16.1.6/24 dev eth1", "address add 172.16.1.6/24 dev eth2")
    moved = [
        line.replace("rule 1801", "rule 1802").replace("18001", "18002")
        if "from 172.16.1.6 " in line and "lookup" in line
        else line
        for line in full.splitlines()
    ]
    bare.healed("\n".join(_in_order(moved)))
    bare.ip("address del 172.16.1.6/24 dev eth2", "address add 172.16.1.6/24 dev eth1")
    bare.healed(full)


def _in_order(lines: list[str]) -> list[str]:
    """As ``ours`` puts them: IPv4 rules by priority, then the rest as it is."""
    rules = [line for line in lines if line.startswith("ip rule")]
    rest = [line for line in lines if not line.startswith("ip rule")]
    return sorted(rules) + rest


def test_an_ipv6_address_counts_once_its_duplicate_check_is_over(host: Host) -> None:
    host.start()
    host.ip("-6 address add fd00:1::7/64 dev eth1")
    host.ip("-6 address add fd00:1::8/64 dev eth1 nodad")
    added = [f"ip -6 rule {18014 + step}: from fd00:1::{ip} " for step in (0, 1, 2) for ip in (7, 8)]
    until(lambda: all(line in host.ours() for line in added), 4.0, "\n".join(added))


def test_a_change_that_is_none_of_our_business_changes_nothing(host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    with Witness() as witness:
        host.ip("link set eth1 mtu 1400", "link set eth1 alias uplink", "link set eth1 promisc on")
        host.ip("link set eth1 txqueuelen 500", "link set lo mtu 1500", "link set eth1 mtu 1500")
        host.ip("link add br0 type bridge", "link set br0 up", "link del br0")
        time.sleep(0.3)
        assert not witness.ours()
    same(full, host.ours())
    assert daemon.generation == 1
