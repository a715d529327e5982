"""The bench's own line to rtnetlink, apart from the daemon's: a listener with times, and a plain
writer.

What is measured must not be measured by itself, so no socket of srcroutd.kernel is used here; only
the numbers and the struct layouts of its codec are. Times are seconds of CLOCK_MONOTONIC, which all
processes share.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from types import TracebackType
from typing import Self

from srcroutd.core.net import Rule
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.wire import (
    MESSAGE,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    RTM_DELLINK,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWRULE,
    attribute,
    u32_attribute,
)

LINKS, ADDRESSES, RULES = 1, 5, 8
"""RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_RULE."""
OURS = 83

_SO_RCVBUFFORCE = 33
_IFINFO, _IFADDR = Struct("=BxHiII"), Struct("=4Bi")
_IFLA_NET_NS_FD, _IFF_UP = 28, 1


def _netlink(groups: Iterable[int] = ()) -> socket.socket:
    opened = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    )
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 256 << 20)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 20)
    opened.bind((0, sum(1 << (group - 1) for group in groups)))
    return opened


@dataclass(frozen=True, slots=True)
class Event:
    """One notification: when it was read, its RTM_* number, the body after the nlmsghdr."""

    at: float
    kind: int
    body: bytes

    @property
    def rule(self) -> Rule | None:
        """The rule of ours that this is about, else None."""
        if self.kind not in (RTM_NEWRULE, RTM_DELRULE):
            return None
        rule = decode_rule(self.body)
        return rule if rule is not None and rule.protocol == OURS else None


class Listener:
    """Reads notifications one by one in the caller's own thread: the shortest way from kernel to
    clock.
    """

    def __init__(self, *groups: int) -> None:
        self._socket = _netlink(groups)

    def next(self, timeout_s: float) -> Event | None:
        """The next notification, None if none came in time."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return None
        return Event(time.monotonic(), MESSAGE.unpack_from(data)[1], data[MESSAGE.size :])

    def drain(self) -> None:
        """Forget what has come so far."""
        while self.next(0.001):
            pass

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class Recorder:
    """A listener with a thread of its own: for the times of what the caller causes himself."""

    def __init__(self, *groups: int) -> None:
        self.events: list[Event] = []
        self._listener = Listener(*groups)
        self._over = False
        self._thread = threading.Thread(target=self._record, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        self._thread.join()
        self._listener.close()

    def wait(self, enough: Callable[[list[Event]], bool], timeout_s: float) -> bool:
        """Wait until ``enough`` says so of all that has come, looking every two milliseconds."""
        deadline = time.monotonic() + timeout_s
        while not (satisfied := enough(self.events)) and time.monotonic() < deadline:
            time.sleep(0.002)
        return satisfied

    def settle(self, quiet_s: float, timeout_s: float) -> None:
        """Wait until no event has come for ``quiet_s``."""
        began = time.monotonic()

        def quiet(events: list[Event]) -> bool:
            return time.monotonic() - max(began, events[-1].at if events else 0.0) >= quiet_s

        self.wait(quiet, timeout_s)

    def _record(self) -> None:
        while not self._over:
            event = self._listener.next(0.1)
            if event:
                self.events.append(event)


class Orders:
    """A writer in the network namespace that the process was in when it was made."""

    def __init__(self) -> None:
        self._socket = _netlink()
        self._number = 0

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """One change, acknowledged. Raises OSError with the kernel's errno."""
        self._number += 1
        flags |= NLM_F_REQUEST | NLM_F_ACK
        self._socket.send(
            MESSAGE.pack(MESSAGE.size + len(body), kind, flags, self._number, 0) + body
        )
        self._answered()

    def pack(self, messages: Iterable[bytes]) -> None:
        """Many whole messages in one send; the last of them has to ask for an ACK."""
        self._socket.send(b"".join(messages))
        self._answered()

    def _answered(self) -> None:
        data = self._socket.recv(1 << 16)
        kind = MESSAGE.unpack_from(data)[1]
        code = -int.from_bytes(data[16:20], "little", signed=True) if kind == NLMSG_ERROR else 0
        if code:
            raise OSError(code, "netlink")

    def move(self, index: int, namespace: int) -> None:
        """Move a link into the network namespace behind a file descriptor."""
        body = _IFINFO.pack(0, 0, index, 0, 0) + u32_attribute(_IFLA_NET_NS_FD, namespace)
        self.send(RTM_NEWLINK, 0, body)

    def up(self, index: int) -> None:
        """Bring a link up."""
        self.send(RTM_NEWLINK, 0, _IFINFO.pack(0, 0, index, _IFF_UP, _IFF_UP))

    def remove(self, index: int) -> None:
        """Delete a link."""
        self.send(RTM_DELLINK, 0, _IFINFO.pack(0, 0, index, 0, 0))

    def address(self, index: int, address: str, length: int = 24) -> None:
        """Give a link an IPv4 address."""
        packed = IPv4Address(address).packed
        body = (
            _IFADDR.pack(socket.AF_INET, length, 0, 0, index)
            + attribute(2, packed)
            + attribute(1, packed)
        )
        self.send(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
