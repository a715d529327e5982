"""Follows the rules, routes and addresses of a network namespace, whoever changes them, from
outside it.

    with Watch(pid, ETH1) as watch:
        ...
    watch.moments     what stood at each moment at which something was different
    watch.changes     each rule and route of ours that was announced to come or go, and by whom

Both are needed: the kernel does not announce the IPv4 routes that go with an address or a link, and
what is repaired within a millisecond no poll would see. Times are time.monotonic().
"""

import ctypes
import os
import select
import socket
import threading
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from struct import Struct
from types import TracebackType
from typing import Self

from srcroutd.kernel.codec_route import decode_route
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.netlink_socket import force_receive_buffer
from srcroutd.kernel.wire import (
    MESSAGE,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_GETRULE,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    attributes,
)
from srcroutd.lab.namespaces import CLONE_NEWNET
from srcroutd.lab.topology import Eni

OURS = 83
_GROUPS = (1, 5, 7, 8, 9, 11, 19)
"""RTNLGRP_LINK, and addresses, routes and rules of both families (linux/rtnetlink.h)."""
_KINDS = {RTM_NEWRULE: "rule", RTM_DELRULE: "rule", RTM_NEWROUTE: "route", RTM_DELROUTE: "route"}
_LOOK_MS = 4
_BUFFER = 64 << 20
_IFF_LOWER_UP, _IFF_UP = 0x10000, 0x1
_IFA_F_NOT_YET = 0x40 | 0x08
"""Tentative, or found to be a duplicate: not an address to send from."""
_IFLA_ADDRESS, _IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _FRA_PROTOCOL = 1, 1, 2, 8, 21
_LINK = Struct("=BxHiII")
_ADDRESS = Struct("=BBBBI")


@dataclass(frozen=True, slots=True)
class Moment:
    """What stood from ``at`` on: of ours, and of the NIC's addresses while it was up with a
    carrier.
    """

    at: float
    ours: frozenset[str]
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """A rule or route of ours came or went; ``port`` is the netlink port of whoever did that."""

    at: float
    gone: bool
    what: str
    port: int


class Watch:
    """Looks from the start to the end of its ``with``, every few milliseconds and at every
    change.
    """

    def __init__(self, pid: int, nic: Eni) -> None:
        self.moments: list[Moment] = []
        self.changes: list[Change] = []
        self._mac = bytes.fromhex(nic.mac.replace(":", ""))
        self._asks, self._hears = _sockets(pid)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        self.moments.append(replace(self.now, at=time.monotonic()))
        self._asks.close()
        self._hears.close()

    @property
    def now(self) -> Moment:
        """What stands now."""
        return self.moments[-1]

    def _follow(self) -> None:
        poll = select.poll()
        poll.register(self._hears, select.POLLIN)
        while not self._end.is_set():
            poll.poll(_LOOK_MS)
            self._hear()
            self._look()

    def _hear(self) -> None:
        while True:
            try:
                data = self._hears.recv(1 << 16)
            except BlockingIOError:
                return
            at = time.monotonic()
            for kind, port, body in _messages(data):
                if kind in _KINDS and (what := _ours(_KINDS[kind], body)):
                    gone = kind in (RTM_DELRULE, RTM_DELROUTE)
                    self.changes.append(Change(at, gone, what, port))

    def _look(self) -> None:
        at = time.monotonic()
        rules = {_ours("rule", body) for body in self._dump(RTM_GETRULE, 12)}
        routes = {_ours("route", body) for body in self._dump(RTM_GETROUTE, 12)}
        ours = frozenset(what for what in rules | routes if what)
        moment = Moment(at, ours, self._addresses())
        if not self.moments or (self.now.ours, self.now.addresses) != (ours, moment.addresses):
            self.moments.append(moment)

    def _addresses(self) -> frozenset[str]:
        index = None
        for body in self._dump(RTM_GETLINK, 16):
            _, _, number, flags, _ = _LINK.unpack_from(body)
            mac = attributes(body, 16).get(_IFLA_ADDRESS)
            if mac == self._mac and flags & _IFF_UP and flags & _IFF_LOWER_UP:
                index = number
        found = set()
        for body in self._dump(RTM_GETADDR, 8):
            family, _, short, scope, on = _ADDRESS.unpack_from(body)
            told = attributes(body, 8)
            flags = int.from_bytes(told.get(_IFA_FLAGS, bytes([short])), "little")
            packed = told.get(_IFA_LOCAL) or told.get(_IFA_ADDRESS)
            if on == index and packed and scope == 0 and not flags & _IFA_F_NOT_YET:
                found.add(socket.inet_ntop(family, packed))
        return frozenset(found)

    def _dump(self, kind: int, header: int) -> list[bytes]:
        """All objects of a kind, again if they changed meanwhile."""
        while True:
            length = MESSAGE.size + header
            flags = NLM_F_REQUEST | NLM_F_DUMP
            self._asks.send(MESSAGE.pack(length, kind, flags, 0, 0) + bytes(header))
            bodies: list[bytes] = []
            whole, done = True, False
            while not done:
                data = self._asks.recv(1 << 20)
                whole = whole and not _is_torn(data)
                for answer, _, body in _messages(data):
                    done = done or answer in (NLMSG_DONE, NLMSG_ERROR)
                    bodies += [] if done else [body]
            if whole:
                return bodies


def _sockets(pid: int) -> tuple[socket.socket, socket.socket]:
    """One to ask and one to hear, of the network namespace of ``pid``: a socket stays in the
    namespace that its thread was in.
    """
    made: list[socket.socket] = []

    def make() -> None:
        space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(space, CLONE_NEWNET):
                return
            for groups in (0, sum(1 << (group - 1) for group in _GROUPS)):
                one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
                force_receive_buffer(one, _BUFFER)
                one.bind((0, groups))
                one.setblocking(not groups)
                made.append(one)
        finally:
            os.close(space)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if len(made) != 2:
        raise OSError(f"cannot enter the network namespace of {pid}")
    return made[0], made[1]


def _messages(data: bytes) -> list[tuple[int, int, bytes]]:
    """Type, port of the sender of what led to it, and body of each message."""
    found = []
    while len(data) >= MESSAGE.size:
        length, kind, _, _, port = MESSAGE.unpack_from(data)
        found.append((kind, port, data[MESSAGE.size : length]))
        data = data[(length + 3) & ~3 :]
    return found


def _is_torn(data: bytes) -> bool:
    while len(data) >= MESSAGE.size:
        length, _, flags, _, _ = MESSAGE.unpack_from(data)
        if flags & NLM_F_DUMP_INTR:
            return True
        data = data[(length + 3) & ~3 :]
    return False


@lru_cache(maxsize=4096)
def _ours(kind: str, body: bytes) -> str | None:
    """Words for a rule or route that bears our protocol number, None for any other."""
    if kind == "rule":
        if attributes(body, 12).get(_FRA_PROTOCOL) != bytes([OURS]):
            return None
        return f"{_family(body)}{decode_rule(body)}"
    return f"{_family(body)}{decode_route(body)}" if body[5] == OURS else None


def _family(body: bytes) -> str:
    return "6 " if body[0] == socket.AF_INET6 else "4 "
