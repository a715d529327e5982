"""The netconf socket: a bell for changes of rp_filter, the only one of our sysctls that the kernel
announces.

Measured on Linux 6.18: a changed rp_filter of a NIC, of ``all`` and of ``default`` is told to
RTNLGRP_IPV4_NETCONF, once for each change of the number; src_valid_mark, arp_ignore, arp_announce,
arp_filter, promote_secondaries and (IPv6) keep_addr_on_down are told to nobody, so for them the
periodic look counts. RTNLGRP_IPV6_NETCONF has nothing for us and is not joined. A bell says "look",
never what changed; what the kernel had no room for makes ``lost``.
"""

from dataclasses import dataclass
from struct import Struct

from srcroutd.kernel.netlink_socket import drained, force_receive_buffer, open_socket
from srcroutd.kernel.wire import S32, attributes

_RTNLGRP_IPV4_NETCONF = 24
_RTM_NEWNETCONF = 80
_NETCONFA_IFINDEX, _NETCONFA_RP_FILTER = 1, 3
_ALL, _DEFAULT = -1, -2
_RECEIVE_BUFFER = 1 << 20
_START = Struct("=IHHII4x")
"""nlmsghdr and netconfmsg, which is a family and padding."""
_DATAGRAM = 4096
"""A message is some seventy bytes."""


@dataclass(frozen=True, slots=True)
class NetconfBells:
    """Whose rp_filter to look at: ``nics`` are ifindexes, ``every`` means ``all``, which counts for
    each NIC. ``lost`` means: look at everything.
    """

    nics: frozenset[int] = frozenset()
    every: bool = False
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.nics) or self.every or self.lost

    def __or__(self, other: "NetconfBells") -> "NetconfBells":
        return NetconfBells(
            self.nics | other.nics, self.every or other.every, self.lost or other.lost
        )


class NetconfEvents:
    """Notifications about sysctls of NICs in this network namespace."""

    def __init__(self, receive_buffer: int = _RECEIVE_BUFFER) -> None:
        """Listen; ``receive_buffer`` is in bytes."""
        self._socket = open_socket()
        try:
            force_receive_buffer(self._socket, receive_buffer)
            self._socket.bind((0, 1 << (_RTNLGRP_IPV4_NETCONF - 1)))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For ``loop.add_reader``: readable means that ``drain`` may have something to tell."""
        return self._socket.fileno()

    def drain(self, limit: int = 256) -> NetconfBells:
        """What rang since the last time, after at most ``limit`` reads; the rest keeps the socket
        readable.
        """
        indexes: set[int] = set()
        lost = False
        for datagram in drained(lambda: self._socket.recv(_DATAGRAM), limit):
            if datagram is None:
                lost = True
            elif (index := _whose_rp_filter(datagram)) is not None:
                indexes.add(index)
        nics = frozenset(index for index in indexes if index > 0)
        return NetconfBells(nics, _ALL in indexes, lost)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _whose_rp_filter(datagram: bytes) -> int | None:
    """The ifindex, -1 for ``all``, None for news that do not concern us.

    ``default`` concerns no NIC that is there, and one that comes rings by its link.
    """
    if len(datagram) < _START.size or _START.unpack_from(datagram)[1] != _RTM_NEWNETCONF:
        return None
    found = attributes(datagram, _START.size)
    if _NETCONFA_RP_FILTER not in found or len(found.get(_NETCONFA_IFINDEX, b"")) != S32.size:
        return None
    (index,) = S32.unpack(found[_NETCONFA_IFINDEX])
    return None if index == _DEFAULT else int(index)
