"""The event socket of nftables: it rings if somebody spoke of a table of our name.

The kernel packs many changes into one datagram, each with its table's name as text, so a datagram
without our name says nothing to us and is not taken apart. What the kernel had no room for rings:
look again. Our own changes ring too, by another process; a look finds nothing to do then.
"""

import socket

from srcroutd.core.marking_nft import TABLE
from srcroutd.kernel.netlink_socket import drained, force_receive_buffer
from srcroutd.kernel.nft_generation import NETLINK_NETFILTER

_NFNLGRP_NFTABLES = 7
_NAME = TABLE.encode() + b"\0"
_RECEIVE_BUFFER = 8 << 20
_DATAGRAM = 1 << 16
"""The kernel makes none longer than a page or two, unless one thing alone is."""


class NftEvents:
    """Notifications of nftables in this network namespace. Raises OSError where there are none
    (EPROTONOSUPPORT: a kernel without netfilter).
    """

    def __init__(self, receive_buffer: int = _RECEIVE_BUFFER) -> None:
        """Listen; ``receive_buffer`` is in bytes."""
        self._buffer = bytearray(_DATAGRAM)
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            NETLINK_NETFILTER,
        )
        try:
            force_receive_buffer(self._socket, receive_buffer)
            self._socket.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For ``loop.add_reader``: readable means that ``drain`` may have something to tell."""
        return self._socket.fileno()

    def drain(self, limit: int = 256) -> bool:
        """Whether our table is to be looked at, after at most ``limit`` reads; the rest keeps the
        socket readable.
        """
        rings = False
        for size in drained(lambda: self._socket.recv_into(self._buffer), limit):
            # None: lost. One that fills the buffer may have been cut before our name.
            unsure = size is None or size == _DATAGRAM
            rings = rings or unsure or self._buffer.find(_NAME, 0, size) >= 0
        return rings

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
