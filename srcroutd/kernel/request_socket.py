"""One NETLINK_ROUTE socket for questions and orders, never joined to a group.

The kernel answers inside send and recv, so the socket does not block: no answer at once means that
there is none, and nothing here can hang. Promise: what ``receive`` hands out was sent by the kernel
and is whole. A socket that raised anything is in an unknown state: close it, take a new one.
"""

import errno

from srcroutd.kernel.errors import KernelLacks, TornDump
from srcroutd.kernel.netlink_socket import force_receive_buffer, open_socket

_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 10, 11, 12
_RECEIVE_BUFFER = 1 << 20
"""Room for the refusals of a whole window: each costs about a kilobyte of it, the stock one holds
200.
"""
_DATAGRAM = 1 << 16
"""The kernel fills at most 32 KiB of a dump into one datagram."""


class RequestSocket:
    """A socket and the port id that the kernel knows it by."""

    __slots__ = ("_socket", "portid")

    def __init__(self, portid: int = 0) -> None:
        """Open; ``portid`` 0 lets the kernel choose one.

        Raises KernelLacks before Linux 4.20 and where there is no rtnetlink.
        """
        self._socket = open_socket()
        try:
            self._set_up(portid)
        except BaseException:
            self._socket.close()
            raise
        self.portid: int = self._socket.getsockname()[0]

    def _set_up(self, portid: int) -> None:
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError as error:
                message = (
                    f"this kernel does not know netlink option {option} ({error.strerror}); "
                    "kernel-side filtering of route dumps needs it; run Linux 4.20 or later"
                )
                raise KernelLacks(message) from error
        force_receive_buffer(self._socket, _RECEIVE_BUFFER)
        self._socket.bind((portid, 0))

    def send(self, payload: bytes) -> None:
        """Hand messages to the kernel, which acts on all of them before this returns."""
        try:
            self._socket.send(payload)
        except OSError as error:
            raise _torn("netlink send", error) from error

    def receive(self) -> bytes:
        """The next datagram from the kernel. Raises TornDump if none came or some were lost."""
        while True:
            try:
                data, (sender, _) = self._socket.recvfrom(_DATAGRAM)
            except OSError as error:
                raise _torn("netlink receive", error) from error
            if sender:
                # Any process with CAP_NET_ADMIN may write to us; only port 0 is the kernel.
                continue
            if len(data) == _DATAGRAM:
                raise TornDump("netlink receive: a datagram was cut at 64 KiB; look again")
            return data

    def close(self) -> None:
        """Give the port id back; a dump under way ends."""
        self._socket.close()


def _torn(where: str, error: OSError) -> TornDump:
    if error.errno == errno.ENOBUFS:
        return TornDump(f"{where}: answers were lost, the receive buffer was full; look again")
    if error.errno == errno.EAGAIN:
        return TornDump(f"{where}: the kernel did not answer; look again")
    return TornDump(f"{where}: {error.strerror}; look again")
