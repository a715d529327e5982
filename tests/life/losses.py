"""The loss matrix of the kernel as a table: what happens, in the words of ``ip``, what must stand a
second later, and how it is undone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.life.enis import ETH1


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
    """``before`` the start, what ``happens``, what ``stands`` then, how it comes ``back``."""

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
        in_turn(
            without(r"from 172\.16\.1\.5 "), with_words((r"src 172\.16\.1\.5", "src 172.16.1.6"))
        ),
        ("address add 172.16.1.5/24 dev eth1",),
        before=SECOND_FIRST,
    ),
    "all IPv4 addresses for a moment, as when a lease is renewed": Loss(
        ("address del 172.16.1.5/24 dev eth1", *ETH1.address_lines()[:2]),
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
