"""The TCP connections that stand at some local ports, as sock_diag(7) tells them.

It needs no privilege and no /proc, so it works inside the unit's sandbox; the kernel picks the
ports, so a host with a hundred thousand connections answers as shortly as any other.
"""

import errno
import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv6Address
from struct import Struct

from srcroutd.core.net import IP, Family
from srcroutd.kernel.answers import read_dump
from srcroutd.kernel.errors import KernelLacks, TornDump
from srcroutd.kernel.wire import MESSAGE, NLM_F_DUMP, NLM_F_REQUEST, ip

MANY = 1000
"""Connections of one port and family that are read at most."""
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_TCP, _ESTABLISHED = 6, 1
_ASK = Struct("=BBBBI HH 16s16s I 8s")
"""inet_diag_req_v2: family, protocol, extensions, a hole, states; then inet_diag_sockid."""
_TOLD = Struct("=BBBB 2s2s 16s16s I 8s IIIII")
"""inet_diag_msg: family, state, timer, retransmissions; inet_diag_sockid (ports in network order,
addresses, the NIC it is bound to, a cookie); expiry, both queues, uid, inode.
"""
_PATIENCE_S = 2.0
"""The kernel answers at once, unless it has to load the module first."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An established connection, as the side that is here sees it. ``bound`` is an ifindex or 0."""

    local: IP
    port: int
    peer: IP
    peer_port: int
    uid: int = 0
    bound: int = 0


def connections_at(ports: Iterable[int]) -> tuple[Connection, ...]:
    """The established TCP connections at these local ports. Raises KernelLacks, TornDump."""
    found: set[Connection] = set()
    for port in set(ports):
        for family in Family:
            found.update(map(_connection, _dump(family, port)))
    return tuple(sorted(found, key=str))


def _dump(family: Family, port: int) -> list[bytes]:
    bodies: list[bytes] = []
    asked = _ASK.pack(
        *(family, _TCP, 0, 0, 1 << _ESTABLISHED, socket.htons(port), 0),
        *(bytes(16), bytes(16), 0, bytes(8)),
    )
    flags = NLM_F_REQUEST | NLM_F_DUMP
    header = MESSAGE.pack(MESSAGE.size + len(asked), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
    with closing(_open()) as opened:
        try:
            opened.send(header + asked)
            while (end := _more(opened, bodies)) is None and len(bodies) < MANY:
                pass
        except OSError as error:
            raise TornDump(f"sock_diag: {error.strerror or error}") from error
    if end == errno.ENOENT:
        raise KernelLacks("this kernel is built without CONFIG_INET_DIAG")
    return bodies


def _open() -> socket.socket:
    try:
        opened = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
        )
    except OSError as error:
        raise KernelLacks(f"there is no sock_diag here ({error.strerror})") from error
    opened.settimeout(_PATIENCE_S)
    opened.bind((0, 0))
    return opened


def _more(opened: socket.socket, bodies: list[bytes]) -> int | None:
    """Take in a datagram; the errno that the dump ended with, None while more is to come."""
    end = read_dump(opened.recv(1 << 16), 1, opened.getsockname()[0], bodies)
    return None if end is None else end.errno


def _connection(body: bytes) -> Connection:
    family, _, _, _, port, peer_port, local, peer, bound, *_, uid, _ = _TOLD.unpack_from(body)
    return Connection(
        _address(family, local),
        int.from_bytes(port),
        _address(family, peer),
        int.from_bytes(peer_port),
        uid,
        bound,
    )


def _address(family: int, packed: bytes) -> IP:
    """An address of a socket; an IPv4 one of an IPv6 socket is itself."""
    found = ip(packed[:4] if family == Family.V4 else packed)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
