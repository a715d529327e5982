"""Counts packets on the wires of one machine, as the kernel's packet sockets see them (packet(7)).

One socket sees every interface of the namespace, in both directions, before routing on the way in.
What is counted is each IPv4 and IPv6 packet of ICMP echo, TCP and UDP, by (interface, direction,
kind, source, destination). If the kernel lost a packet for want of buffer, the counts say so: a
count is never a guess.
"""

import select
import socket
import struct
import threading
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from srcroutd.lab.calls import Answer

_ETH_P_ALL = 0x0003
_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER = 16 * 1024 * 1024
_HEAD = 64
_ECHO = {(1, 8): "ping", (1, 0): "pong", (58, 128): "ping", (58, 129): "pong"}
_TRANSPORT = {6: "tcp", 17: "udp"}

_Seen = tuple[str, str, str, str, str]


class Sniffer:
    """Counts from its making on. A thread empties the socket; asking for the counts empties it
    first.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            # Forcing is for the host's root only; others get what they are allowed.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._counts: Counter[_Seen] = Counter()
        self._lost = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, daemon=True).start()

    def counts(self) -> Answer:
        """Everything counted so far, and how many packets the kernel could not keep for us."""
        with self._lock:
            self._drain()
            statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            self._lost += struct.unpack("II", statistics)[1]
            return {"seen": [[*key, n] for key, n in self._counts.items()], "lost": self._lost}

    def _follow(self) -> None:
        while True:
            # A packet is taken only under the lock: one in hand would be missing from ``counts``.
            select.select([self._socket], [], [])
            with self._lock:
                self._drain()

    def _drain(self) -> None:
        while True:
            try:
                head, where = self._socket.recvfrom(_HEAD, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self._count(head, where)

    def _count(self, head: bytes, where: tuple[str, int, int, int, bytes]) -> None:
        interface, ethertype, direction, _, _ = where
        seen = _read(ethertype, head)
        if seen:
            way = "out" if direction == socket.PACKET_OUTGOING else "in"
            self._counts[(interface, way, *seen)] += 1


def _read(ethertype: int, head: bytes) -> tuple[str, str, str] | None:
    """(kind, source, destination) of a packet, None for what is not counted. A fragment has no
    kind.
    """
    if ethertype == _ETH_P_IP and len(head) >= 20:
        start = (head[0] & 0x0F) * 4
        protocol = head[9]
        ends = str(IPv4Address(head[12:16])), str(IPv4Address(head[16:20]))
    elif ethertype == _ETH_P_IPV6 and len(head) >= 40:
        start = 40
        protocol = head[6]
        ends = str(IPv6Address(head[8:24])), str(IPv6Address(head[24:40]))
    else:
        return None
    kind = _TRANSPORT.get(protocol)
    if kind is None and len(head) > start:
        kind = _ECHO.get((protocol, head[start]))
    return (kind, *ends) if kind else None
