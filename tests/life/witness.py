"""An independent witness: hears of every change of a rule or route, whoever made it."""

import socket
from types import TracebackType
from typing import Self

from srcroutd.kernel.netlink_socket import force_receive_buffer
from srcroutd.kernel.stranger import describe
from srcroutd.kernel.wire import (
    MESSAGE,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWROUTE,
    RTM_NEWRULE,
)

_GROUPS = (7, 8, 11, 19)
"""RTNLGRP_IPV4_ROUTE, _IPV4_RULE, _IPV6_ROUTE, _IPV6_RULE (linux/rtnetlink.h)."""
_KINDS = {RTM_NEWRULE: "rule", RTM_DELRULE: "rule", RTM_NEWROUTE: "route", RTM_DELROUTE: "route"}
_DELETES = (RTM_DELRULE, RTM_DELROUTE)


class Witness:
    """Listens from its making to the end of its ``with``; ``heard`` tells what has happened."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        force_receive_buffer(self._socket, 64 << 20)
        self._socket.bind((0, sum(1 << (group - 1) for group in _GROUPS)))
        self._heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """One line a change: ``- IPv4 rule 18016: from ...`` with all attributes, protocol too."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return self._heard
            length, number, *_ = MESSAGE.unpack_from(data)
            kind = _KINDS[number]
            sign = "-" if number in _DELETES else "+"
            body = data[MESSAGE.size : length]
            self._heard.append(f"{sign} {describe('rule' if kind == 'rule' else 'route', body)}")

    def ours(self) -> list[str]:
        """Those that bear our protocol number."""
        return [line for line in self.heard() if "protocol 83" in line or "proto 83" in line]

    def deletes(self) -> list[str]:
        """Those that took something of ours away."""
        return [line for line in self.ours() if line.startswith("-")]
