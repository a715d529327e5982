"""Corners of the kernel that luck seldom meets: each a story with its end, checked with the kernel.

What is expected stands in the words of ``said``; the kernel is asked the same and may not differ.
"""

import subprocess
from dataclasses import dataclass
from errno import errorcode
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_compare import differences
from srcroutd.core.lookup_values import Beyond, End, Leaves, Packet, Refused, Rpdb, Spread
from srcroutd.core.net import table_name
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from tests.kernel.common import Tell
from tests.kernel.lookup_worlds import NICS, ask, settle

FAR4, FAR6 = "8.8.8.8", "2600::1"


@dataclass(frozen=True)
class Story:
    """``lines`` are for ``ip``, or a sysctl and its value; ``said`` is how it ends."""

    title: str
    lines: str
    packet: Packet
    said: str


def packet(dst: str, src: str = "", **more: Any) -> Packet:
    return Packet(ip_address(dst), ip_address(src) if src else None, **more)


BOTH_WAYS = """
    route add default via 192.0.2.254 dev eth2
    route add default via 192.0.2.253 dev eth1 table 100
    ipv4/conf/eth1/rp_filter 1
"""
"""Main leads out by eth2, table 100 by eth1, and eth1 is strict."""

TWO_TABLES_6 = """
    -6 route add default via 2001:db8:1::fe dev eth1 table 100
    -6 route add default via 2001:db8:2::fd dev eth1 table 100 metric 2000
    -6 rule add pref 5 lookup 100
    neigh replace 2001:db8:1::fe dev eth1 nud failed
"""

STORIES = [
    Story(
        "a local route in main makes an address ours, perhaps",
        "route add local default dev lo table main",
        packet(FAR4, "172.16.5.9"),
        "beyond: whether 172.16.5.9 is an address of this host",
    ),
    Story(
        "of two defaults of one metric the kernel takes the one whose gateway lives",
        "route append default via 192.0.2.253 dev eth1\n"
        "route append default via 192.0.2.254 dev eth1",
        packet(FAR4),
        "beyond: several defaults of one metric: the kernel takes the one whose gateway lives",
    ),
    Story(
        "a gateway that is this host itself is no next hop",
        "route add local 192.0.2.254/32 dev lo table 100\n"
        "route add default via 192.0.2.254 dev eth1 table 100\n"
        "rule add pref 5 lookup 100",
        packet(FAR4),
        "beyond: the gateway 192.0.2.254 lies in a local route",
    ),
    Story(
        "a rule by our own address takes part in the way back",
        f"{BOTH_WAYS}\nrule add pref 5 from 192.0.2.1 lookup 100",
        packet("192.0.2.1", FAR4, iif="eth1"),
        "local by lo table local",
    ),
    Story(
        "without that rule the strict filter drops",
        f"{BOTH_WAYS}\nrule add pref 5 from 192.0.2.2 lookup 100",
        packet("192.0.2.1", FAR4, iif="eth1"),
        "refused EINVAL EXDEV: rp_filter is strict: the way back to 8.8.8.8 leaves by eth2, "
        "not eth1",
    ),
    Story(
        "a mark takes part in the way back only where src_valid_mark says so",
        f"{BOTH_WAYS}\nrule add pref 5 fwmark 7 lookup 100\nipv4/conf/eth1/src_valid_mark 1",
        packet("192.0.2.1", FAR4, iif="eth1", mark=7),
        "local by lo table local",
    ),
    Story(
        "and else it does not",
        f"{BOTH_WAYS}\nrule add pref 5 fwmark 7 lookup 100",
        packet("192.0.2.1", FAR4, iif="eth1", mark=7),
        "refused EINVAL EXDEV: rp_filter is strict: the way back to 8.8.8.8 leaves by eth2, "
        "not eth1",
    ),
    Story(
        "the way back of what is forwarded comes in where it would go out",
        f"{BOTH_WAYS}\nipv4/ip_forward 1\nroute add 172.16.0.0/12 via 203.0.113.254 dev eth3\n"
        "rule add pref 5 iif eth3 lookup 100",
        packet("172.16.5.5", FAR4, iif="eth1"),
        "unicast by eth3 via 203.0.113.254 table main",
    ),
    Story(
        "a prefix with host bits counts as far as its length",
        "route add default via 192.0.2.253 dev eth1 table 100\n"
        "rule add pref 5 to 8.8.8.77/24 lookup 100",
        packet(FAR4),
        "unicast by eth1 via 192.0.2.253 table 100 src 192.0.2.1 (3)",
    ),
    Story(
        "and no further",
        "route add default via 192.0.2.253 dev eth1 table 100\n"
        "rule add pref 5 to 8.8.9.77/24 lookup 100",
        packet(FAR4),
        "refused ENETUNREACH: no rule leads to a route",
    ),
    Story(
        "without a source an IPv4 packet counts as one from 0.0.0.0",
        "route add default via 192.0.2.253 dev eth1 table 100\n"
        "rule add pref 5 from 0.0.0.0/8 lookup 100",
        packet(FAR4),
        "unicast by eth1 via 192.0.2.253 table 100 src 192.0.2.1 (3)",
    ),
    Story(
        "without a source an IPv6 packet meets no rule by source",
        "-6 route add default via 2001:db8:1::fd dev eth1 table 100\n"
        "-6 rule add pref 5 from ::/8 lookup 100",
        packet(FAR6),
        "refused ENETUNREACH: no rule leads to a route",
    ),
    Story(
        "the address whose peer is the gateway is the source",
        "route add 8.0.0.0/8 via 10.0.0.2 dev eth3",
        packet(FAR4),
        "unicast by eth3 via 10.0.0.2 table main src 10.0.0.1 (3)",
    ),
    Story(
        "a host shuns a gateway that does not answer",
        TWO_TABLES_6,
        packet(FAR6),
        "unicast by eth1 via 2001:db8:2::fd table 100 src 2001:db8:2::1 (3)",
    ),
    Story(
        "a router does not",
        f"{TWO_TABLES_6}\nipv6/conf/all/forwarding 1",
        packet(FAR6),
        "unicast by eth1 via 2001:db8:1::fe table 100 src 2001:db8:2::1 (3)",
    ),
    Story(
        "a host without another gateway takes even that one",
        f"{TWO_TABLES_6}\n-6 route del default metric 2000 table 100",
        packet(FAR6),
        "unicast by eth1 via 2001:db8:1::fe table 100 src 2001:db8:2::1 (3)",
    ),
    Story(
        "a socket bound to a NIC is not refused by a route of no NIC",
        "-6 route add unreachable default table 100\n-6 rule add pref 5 lookup 100\n"
        "-6 route add default via 2001:db8:1::fd dev eth1",
        packet(FAR6, oif="eth1"),
        "unicast by eth1 via 2001:db8:1::fd table main src 2001:db8:2::1 (3)",
    ),
    Story(
        "one bound to lo is, for that is where such routes hang",
        "-6 route add unreachable default table 100\n-6 rule add pref 5 lookup 100",
        packet(FAR6, oif="lo"),
        "refused EHOSTUNREACH: a route refuses it",
    ),
    Story(
        "everybody else is",
        "-6 route add unreachable default table 100\n-6 rule add pref 5 lookup 100\n"
        "-6 route add default via 2001:db8:1::fd dev eth1",
        packet(FAR6),
        "refused EHOSTUNREACH: a route refuses it",
    ),
    Story(
        "once the best metric fails all others compete, and the bound NIC decides",
        "-6 route add default dev eth4 table 100 metric 10\n"
        "-6 route add default dev eth2 table 100 metric 20\n"
        "-6 route add default dev eth1 table 100 metric 30\n"
        "-6 rule add pref 5 lookup 100\n"
        "-6 route add 2600::/16 via 2001:db8:1::fe dev eth1 table 100 metric 5\n"
        "-6 route add 2600::/16 dev eth2 table 100 metric 20\n"
        "-6 route add 2600::/16 dev eth1 table 100 metric 30\n"
        "neigh replace 2001:db8:1::fe dev eth1 nud failed",
        packet(FAR6, "2001:db8:1::1", oif="eth1"),
        "unicast by eth1 table 100 src 2001:db8:1::1 (1)",
    ),
    Story(
        "a router preference decides between equals, and is not modelled",
        "-6 route add default via 2001:db8:1::fd dev eth1 table 100 pref low\n"
        "-6 route append default dev eth2 table 100\n-6 rule add pref 5 lookup 100",
        packet(FAR6),
        "beyond: the route default via 2001:db8:1::fd dev eth1 table 100 has a router preference",
    ),
    Story(
        "alone it decides nothing",
        "-6 route add default via 2001:db8:1::fd dev eth1 table 100 pref low\n"
        "-6 rule add pref 5 lookup 100",
        packet(FAR6),
        "unicast by eth1 via 2001:db8:1::fd table 100 src 2001:db8:2::1 (3)",
    ),
    Story(
        "an address of the destination's label is a source before one of a longer common prefix",
        "address add fec1::1/64 dev eth4 nodad\n-6 route add fe00::/9 dev eth4\n"
        "address add 2002:c000:201::1/64 dev eth4 nodad\n"
        "address add 2600:1::1/64 dev eth4 nodad\n-6 route add 2003::/16 dev eth4",
        packet("2003::1"),
        "unicast by eth4 table main src 2600:1::1 (3)",
    ),
    Story(
        "what is on the link is spoken to from an address of that NIC only",
        "address del fe80::a2/64 dev eth2\naddress del 2001:db8:1::2/64 dev eth2\n"
        "-6 route add fe80::99/128 dev eth2",
        packet("fe80::99"),
        "unicast by eth2 table main (3)",
    ),
    Story(
        "and so is every multicast group, however far it reaches",
        "address del fe80::a2/64 dev eth2\naddress del 2001:db8:1::2/64 dev eth2\n"
        "-6 route add multicast ff05::/16 dev eth2 table local",
        packet("ff05::1"),
        "multicast by eth2 table local (3)",
    ),
    Story(
        "a lifetime and an mtu decide nothing",
        "-6 route add default via 2001:db8:1::fd dev eth1 expires 300 mtu 1400",
        packet(FAR6),
        "unicast by eth1 via 2001:db8:1::fd table main src 2001:db8:2::1 (3)",
    ),
    Story(
        "a route of a tos may be meant or not",
        "route add default via 192.0.2.253 dev eth1\n"
        "route add 8.8.8.0/24 tos 0x10 via 192.0.2.252 dev eth1",
        packet(FAR4),
        "beyond: the route 8.8.8.0/24 via 192.0.2.252 dev eth1 table main has a type of service",
    ),
    Story(
        "a rule by tunnels does not hide that its source differs",
        "route add default via 192.0.2.253 dev eth1\n"
        "rule add pref 5 from 192.0.2.2 tun_id 7 blackhole",
        packet(FAR4, "192.0.2.1"),
        "unicast by eth1 via 192.0.2.253 table main src 192.0.2.1 (1)",
    ),
    Story(
        "nor does it matter where it would find nothing",
        "route add default via 192.0.2.253 dev eth1\nrule add pref 5 tun_id 7 lookup 100",
        packet(FAR4, "192.0.2.1"),
        "unicast by eth1 via 192.0.2.253 table main src 192.0.2.1 (1)",
    ),
    Story(
        "where it would refuse it does",
        "route add default via 192.0.2.253 dev eth1\nrule add pref 5 tun_id 7 blackhole",
        packet(FAR4, "192.0.2.1"),
        "beyond: rule 5 selects by a tunnel id",
    ),
    Story(
        "a rule for VRFs matches nobody where there is none",
        "route add default via 192.0.2.253 dev eth1\nrule add pref 5 l3mdev",
        packet(FAR4, "192.0.2.1"),
        "unicast by eth1 via 192.0.2.253 table main src 192.0.2.1 (1)",
    ),
    Story(
        "a NIC without carrier is passed by where that is asked for",
        "route add 8.0.0.0/8 dev eth3\nroute add default via 192.0.2.253 dev eth1\n"
        "ipv4/conf/eth3/ignore_routes_with_linkdown 1\nrule add pref 5 nop",
        packet(FAR4),
        "unicast by eth1 via 192.0.2.253 table main src 192.0.2.1 (3)",
    ),
    Story(
        "and is taken otherwise",
        "route add 8.0.0.0/8 dev eth3\nroute add default via 192.0.2.253 dev eth1\n"
        "rule add pref 5 nop",
        packet(FAR4),
        "unicast by eth3 table main src 203.0.113.1 (3)",
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title.replace(" ", "-"))
def test_the_story_ends_as_told_and_as_in_the_kernel(story: Story, tell: Tell) -> None:
    check(story, tell)


def check(story: Story, tell: Tell) -> None:
    """Play a story in the namespace of this test, and compare its end with both."""
    indexes = settle()
    for line in filter(None, map(str.strip, story.lines.splitlines())):
        play(line)

    async def compare(requests: Requests) -> None:
        sent = story.packet
        about = {sent.dst} | ({sent.src} if sent.src else set())
        rpdb = await read_rpdb(requests, sent.family, about, NICS)
        found = walk(rpdb, sent)
        assert said(rpdb, found.end) == story.said
        assert differences(rpdb, found, await ask(requests, sent, indexes)) == ()

    tell(compare)


def play(line: str) -> None:
    """Carry out one line of a story."""
    if line.startswith("ipv"):
        name, _, value = line.partition(" ")
        (Path("/proc/sys/net") / name).write_text(value)
    else:
        subprocess.run(["ip", *line.split()], check=True)


def said(rpdb: Rpdb, end: End) -> str:
    """An end in one line."""
    match end:
        case Beyond(why=why):
            return f"beyond: {why}"
        case Refused(errnos=errnos, why=why):
            return f"refused {' '.join(sorted(errorcode[one] for one in errnos))}: {why}"
        case Leaves(route=route, oif=oif, gateway=gateway, source=source):
            words = [f"{route.type.name.lower()} by {rpdb.name(oif)}"]
            words += [f"via {gateway}"] if gateway else []
            words.append(f"table {table_name(route.table)}")
            words += [f"src {source.ip}"] if source and source.ip else []
            words += [f"({source.mechanism})"] if source else []
            return " ".join(words)
        case Spread(ways=ways):
            return " or ".join(said(rpdb, way) for way in ways)
