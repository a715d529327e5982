"""The event socket: notifications of rtnetlink turned into bells.

A bell says "look", never what changed: only the type of a message is read, and which NIC it is
about. Promise: nothing that concerns us is missed unnoticed. What the kernel had no room for makes
``lost``. Routes of other tables (of main, too, but for what somebody asks about) and the echo of
our own requests are dropped by the kernel (``bpf``).
"""

from dataclasses import dataclass
from struct import Struct

from srcroutd.core.main_table import NO_INTEREST, MainInterest
from srcroutd.core.net import MAIN_TABLE
from srcroutd.kernel.bpf import attach, event_filter
from srcroutd.kernel.netlink_socket import drained, force_receive_buffer, open_socket
from srcroutd.kernel.wire import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_NEWRULE,
)

_RTNLGRP_LINK = 1
_RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV4_ROUTE, _RTNLGRP_IPV4_RULE = 5, 7, 8
_RTNLGRP_IPV6_IFADDR, _RTNLGRP_IPV6_ROUTE, _RTNLGRP_IPV6_RULE = 9, 11, 19
_GROUPS = (
    *(_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR),
    *(_RTNLGRP_IPV4_ROUTE, _RTNLGRP_IPV6_ROUTE, _RTNLGRP_IPV4_RULE, _RTNLGRP_IPV6_RULE),
)
_RECEIVE_BUFFER = 8 << 20

_LINKS = frozenset((RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR))
_RULES = frozenset((RTM_NEWRULE, RTM_DELRULE))
_ROUTES = frozenset((RTM_NEWROUTE, RTM_DELROUTE))

_START = Struct("=4xH14xI8xI")
"""nlmsghdr, then the first eight bytes of ifinfomsg or ifaddrmsg: the type, and in both the
ifindex; at the end what is the table in a message about a route.
"""
_SHORTEST = 24
"""A message that has at least the ifindex."""


@dataclass(frozen=True, slots=True)
class Bells:
    """What there is to look at. ``nics`` are the ifindexes that ``links`` is about.

    A change of one link or address can take IPv4 routes along without a word (``routes`` stays
    false), so ``links`` means: look at the routes of these NICs too. ``lost`` means: look at
    everything.
    """

    links: bool = False
    rules: bool = False
    routes: bool = False
    lost: bool = False
    nics: frozenset[int] = frozenset()
    main: bool = False
    """Routes of main, of those that are asked about; ``routes`` are those of our tables."""

    def __bool__(self) -> bool:
        return self.links or self.rules or self.routes or self.lost or self.main

    def __or__(self, other: "Bells") -> "Bells":
        return Bells(
            links=self.links or other.links,
            rules=self.rules or other.rules,
            routes=self.routes or other.routes,
            lost=self.lost or other.lost,
            nics=self.nics | other.nics,
            main=self.main or other.main,
        )


class Events:
    """Notifications about links, addresses, rules, and routes of some tables, in this network
    namespace.
    """

    def __init__(
        self,
        tables: range,
        own_portid: int,
        receive_buffer: int = _RECEIVE_BUFFER,
        main: MainInterest = NO_INTEREST,
    ) -> None:
        """Listen. ``own_portid`` is ``Requests.portid``; ``receive_buffer`` is in bytes; ``main``
        says what is to ring of table main.
        """
        self._socket = open_socket()
        try:
            force_receive_buffer(self._socket, receive_buffer)
            attach(self._socket, event_filter(tables, own_portid, main))
            self._socket.bind((0, sum(1 << (group - 1) for group in _GROUPS)))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For ``loop.add_reader``: readable means that ``drain`` has something to tell."""
        return self._socket.fileno()

    def drain(self, limit: int = 256) -> Bells:
        """What rang since the last time, after at most ``limit`` reads; the rest keeps the socket
        readable.
        """
        kinds: set[int] = set()
        nics: set[int] = set()
        lost = main = False
        buffer = bytearray(_START.size)
        # The rest of a longer message is not copied: its type and NIC are all we want.
        for size in drained(lambda: self._socket.recv_into(buffer), limit):
            if size is None:
                lost = True
                continue
            if size < _SHORTEST:
                continue
            kind, index, table = _START.unpack(buffer)
            if kind in _ROUTES and size >= _START.size and table == MAIN_TABLE:
                main = True
                continue
            kinds.add(kind)
            if kind in _LINKS:
                nics.add(index)
        return Bells(
            links=not kinds.isdisjoint(_LINKS),
            rules=not kinds.isdisjoint(_RULES),
            routes=not kinds.isdisjoint(_ROUTES),
            lost=lost,
            nics=frozenset(nics),
            main=main,
        )

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
