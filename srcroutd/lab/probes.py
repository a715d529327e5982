"""Questions sent from one machine to another, and whether an answer came: ICMP, UDP or TCP.

``probe`` asks once. ``stream`` asks every so often, until the first answer or for a number of
times, and tells what was lost: the clock with which an attach, a repair or a restart is measured.
UDP and TCP go to the echo service. Times are the monotonic clock's, which all processes of one
kernel share.
"""

import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import Protocol

from srcroutd.lab import echo
from srcroutd.lab.calls import Answer, Request

_identifiers = count(os.getpid())
_LINGER_S = 0.5
_TURN_S = 0.2


class _Channel(Protocol):
    """One way to ask: numbered questions out, the numbers of answers back."""

    socket: socket.socket

    def send(self, number: int) -> None: ...

    def receive(self) -> list[int]: ...


def probe(request: Request) -> Answer:
    """Ask once; {"answered", "ms", "reason"}. The request: dst, and perhaps src, device, kind,
    timeout_s.
    """
    timeout_s = float(request.get("timeout_s", 1))
    report = _ask(request | {"count": 1, "every_ms": 1000, "limit_s": timeout_s, "first": True})
    answered = report.first_at is not None
    ms = (report.first_at - report.began) * 1000 if report.first_at is not None else None
    reason = "" if answered else report.reason or f"no answer in {timeout_s:g} s"
    return {"answered": answered, "ms": ms, "reason": reason}


def stream(request: Request) -> Answer:
    """Ask every ``every_ms``, until the first answer if ``first``, else ``count`` times; at most
    ``limit_s``.
    """
    report = _ask(request)
    return {
        "began": report.began,
        "sent": report.sent,
        "answered": len(report.answered),
        "first_at": report.first_at,
        "last_at": report.last_at,
        "longest_gap_ms": report.longest_gap_s * 1000,
        "reason": report.reason,
    }


@dataclass(slots=True)
class _Report:
    began: float
    sent: int = 0
    answered: set[int] = field(default_factory=set)
    first_at: float | None = None
    last_at: float | None = None
    longest_gap_s: float = 0.0
    reason: str = ""
    broken: bool = False
    """The connection has ended: no answer can come any more."""

    def hear(self, number: int, now: float) -> None:
        if number in self.answered:
            return
        self.answered.add(number)
        self.longest_gap_s = max(self.longest_gap_s, now - (self.last_at or self.began))
        self.last_at = now
        if self.first_at is None:
            self.first_at = now


def _ask(request: Request) -> _Report:
    every_s = float(request.get("every_ms", 10)) / 1000
    wanted = int(request.get("count", 0)) or None
    first_only = bool(request.get("first"))
    report = _Report(began=time.monotonic())
    deadline = report.began + float(request.get("limit_s", 10))
    next_at = report.began
    try:
        channel = _open(request, deadline)
    except OSError as error:
        report.reason = str(error)
        return report
    with channel.socket:
        while (now := time.monotonic()) < deadline:
            if now >= next_at and (wanted is None or report.sent < wanted):
                _send(channel, report)
                next_at += every_s
                if wanted is not None and report.sent == wanted and not first_only:
                    deadline = min(deadline, now + _LINGER_S)
            _listen(channel, report, min(deadline, max(next_at, now + 0.0005)))
            if report.broken or (first_only and report.answered):
                break
            if wanted is not None and len(report.answered) == wanted:
                break
    return report


def _send(channel: _Channel, report: _Report) -> None:
    try:
        channel.send(report.sent)
    except OSError as error:
        report.reason = str(error)
    report.sent += 1


def _listen(channel: _Channel, report: _Report, until: float) -> None:
    wait_s = min(max(until - time.monotonic(), 0), _TURN_S)
    if not select.select([channel.socket], [], [], wait_s)[0]:
        return
    try:
        numbers = channel.receive()
    except (ConnectionResetError, BrokenPipeError) as error:
        report.reason = str(error)
        report.broken = True
        return
    except OSError as error:
        report.reason = str(error)
        return
    now = time.monotonic()
    for number in numbers:
        report.hear(number, now)


def _open(request: Request, deadline: float) -> _Channel:
    match request.get("kind", "icmp"):
        case "icmp":
            return _Icmp(request)
        case "udp":
            return _Udp(request)
        case "tcp":
            return _Tcp(request, deadline)
        case other:
            raise ValueError(f"no such kind of probe: {other}")


def _bound(request: Request, kind: int, protocol: int = 0) -> socket.socket:
    """A socket with the source address and device that the request names, if it names any."""
    version6 = ip_address(request["dst"]).version == 6
    family = socket.AF_INET6 if version6 else socket.AF_INET
    opened = socket.socket(family, kind, protocol)
    if request.get("device"):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, request["device"].encode())
    if request.get("src"):
        opened.bind((request["src"], 0))
    return opened


class _Icmp:
    """Echo requests on a raw socket; connected, so that an answer from another address does not
    count.
    """

    def __init__(self, request: Request) -> None:
        self._six = ip_address(request["dst"]).version == 6
        protocol = socket.IPPROTO_ICMPV6 if self._six else socket.IPPROTO_ICMP
        self._identifier = next(_identifiers) & 0xFFFF
        self.socket = _bound(request, socket.SOCK_RAW, protocol)
        self.socket.connect((request["dst"], 0))

    def send(self, number: int) -> None:
        # The kernel fills in ICMPv6's checksum, which covers the IPv6 addresses; ICMP's is ours to
        # make.
        kind = 128 if self._six else 8
        body = struct.pack("!BBHHHQ", kind, 0, 0, self._identifier, number & 0xFFFF, number)
        check = 0 if self._six else _checksum(body)
        self.socket.send(body[:2] + struct.pack("!H", check) + body[4:])

    def receive(self) -> list[int]:
        packet = self.socket.recv(2048)
        start = 0 if self._six else (packet[0] & 0x0F) * 4
        if len(packet) < start + 16:
            return []
        kind, _, _, identifier, _, number = struct.unpack_from("!BBHHHQ", packet, start)
        if kind != (129 if self._six else 0) or identifier != self._identifier:
            return []
        return [number]


class _Udp:
    """Numbered datagrams to the echo service."""

    def __init__(self, request: Request) -> None:
        self.socket = _bound(request, socket.SOCK_DGRAM)
        self.socket.connect((request["dst"], request.get("port", echo.PORT)))

    def send(self, number: int) -> None:
        self.socket.send(struct.pack("!Q", number))

    def receive(self) -> list[int]:
        return [struct.unpack("!Q", self.socket.recv(8))[0]]


class _Tcp:
    """Numbers over one connection to the echo service: a live connection is one that goes on
    answering.
    """

    def __init__(self, request: Request, deadline: float) -> None:
        self.socket = _bound(request, socket.SOCK_STREAM)
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        self.socket.connect((request["dst"], request.get("port", echo.PORT)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, number: int) -> None:
        self.socket.sendall(struct.pack("!Q", number))

    def receive(self) -> list[int]:
        data = self.socket.recv(4096)
        if not data:
            raise ConnectionResetError("the other side hung up")
        whole = self._rest + data
        end = len(whole) - len(whole) % 8
        self._rest = whole[end:]
        return [number for (number,) in struct.iter_unpack("!Q", whole[:end])]


def _checksum(body: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return ~total & 0xFFFF
