"""By which NIC an address' packets leave, asked of the kernel before and after a deletion.

Asked for are far away, and the far ends of the address' established TCP connections: whoever is
logged in is among them.
"""

import sys
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from srcroutd.core.adoption import TakenRule
from srcroutd.core.net import IP, Route, RouteType
from srcroutd.daemon.hands import SOMEWHERE
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.requests import Requests

PEERS = 256
"""Connections of one address that are asked about."""
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Ways:
    """By which NIC (ifindex, 0 for none) packets of ``ip`` leave to each peer; the first is far
    away.
    """

    ip: IP
    ways: tuple[tuple[IP, int], ...]

    def wrong(self, before: "Ways", nic: int) -> IP | None:
        """A peer that is not reached by ``nic`` nor as before; None if all is well."""
        was = dict(before.ways[1:])
        for peer, oif in self.ways:
            if oif not in {nic, was.get(peer, nic)}:
                return peer
        return None


async def ways(requests: Requests, one: TakenRule, peers: dict[IP, tuple[IP, ...]]) -> Ways:
    """Ask for one address."""
    far = SOMEWHERE[one.ip.version == 6]
    asked = (far, *peers.get(one.ip, ())[:PEERS])
    return Ways(one.ip, tuple([(peer, await _way(requests, peer, one.ip)) for peer in asked]))


async def _way(requests: Requests, peer: IP, ip: IP) -> int:
    for _ in range(3):
        try:
            answer = await requests.route_to(peer, ip)
        except TornDump:
            continue
        leaves = isinstance(answer, Route) and answer.type in {RouteType.UNICAST, RouteType.LOCAL}
        return answer.oif if isinstance(answer, Route) and leaves else 0
    return 0


def connections() -> dict[IP, tuple[IP, ...]]:
    """The far ends of established TCP connections by near end, in this network namespace."""
    found: dict[IP, dict[IP, None]] = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue  # no IPv6 in this kernel
        for line in lines:
            _, near, far, state, *_ = line.split()
            if state == _ESTABLISHED:
                found.setdefault(_address(near), {})[_address(far)] = None
    return {near: tuple(far) for near, far in found.items()}


def _address(text: str) -> IP:
    """``0A0110AC:0007``: words of four bytes in the machine's order, then the port (proc(5))."""
    digits = text.partition(":")[0]
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    ip = ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        return ip.ipv4_mapped
    return ip
