"""The packets for random worlds: each destination with each source and mark, sent, bound to a NIC,
and coming in; above their addresses they have a bit of everything.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import cycle, product
from typing import Any

from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import IP, Family
from tests.kernel.lookup_worlds import ICMP, MARKS, NICS

V4, V6 = Family.V4, Family.V6

_DESTINATIONS: dict[Family, tuple[str, ...]] = {
    V4: (
        *("192.0.2.9", "192.0.2.7", "192.0.2.255", "198.51.100.9", "198.51.100.200"),
        *("203.0.113.9", "10.0.0.2", "172.16.5.5", "172.16.77.1", "8.8.8.8"),
        "203.0.114.1",
    ),
    V6: (
        *("2001:db8:1::9", "2001:db8:1::7", "2001:db8:2::9", "fd00:3::9", "2001:db8:7::7"),
        *("2001:db8:77::1", "fe80::99", "ff02::5", "2600::1"),
    ),
}
_SOURCES: dict[Family, tuple[str | None, ...]] = {
    V4: (
        None,
        "192.0.2.1",
        "192.0.2.7",
        "192.0.2.2",
        "10.10.10.10",
        "172.16.5.9",
        "203.0.113.1",
        "127.0.0.1",
    ),
    V6: (None, "2001:db8:1::1", "2001:db8:1::2", "fd00:3::1", "2001:db8:77::9"),
}
HEADERS: tuple[dict[str, Any], ...] = (
    {},
    {"proto": 6, "dport": 443, "sport": 40000},
    {"proto": 17, "dport": 53, "sport": 5000, "uid": 33},
    {"tos": 0x10},
    {"proto": 6, "sport": 443, "dport": 40000, "tos": 0xB8},
    {"proto": -1},
    {"dport": 443},
    {"proto": 17, "sport": 53, "dport": 5000, "tos": 0x30},
    {"proto": 6, "dport": 65535, "sport": 1, "uid": 2**32 - 2},
    {"uid": 1000, "tos": 0xC},
    {"sport": 80, "proto": 17},
)
"""What is above a packet's addresses and who sends it; protocol -1 is the family's ICMP."""


def packets(family: Family) -> Iterator[Packet]:
    """Every packet that is sent through a world."""
    headers = cycle(HEADERS)
    for packet in _plain_packets(family):
        header = next(headers)
        if header.get("proto") == -1:
            header = {**header, "proto": ICMP[family]}
        yield replace(packet, **header)


def _plain_packets(family: Family) -> Iterator[Packet]:
    addresses = product(_DESTINATIONS[family], _SOURCES[family], MARKS[:2])
    for number, (dst, src, mark) in enumerate(addresses):
        to, source = ip_address(dst), ip_address(src) if src else None
        yield Packet(to, source, mark=mark)
        nic = NICS[number % len(NICS)]
        yield Packet(to, source, oif=nic, mark=mark)
        if not to.is_multicast:
            yield Packet(to, source, iif=nic, mark=mark)


def addresses(family: Family) -> frozenset[IP]:
    """Every address that a packet bears."""
    words = (*_DESTINATIONS[family], *_SOURCES[family])
    return frozenset(ip_address(word) for word in words if word)
