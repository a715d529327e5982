"""What our netlink sockets have in common: a NETLINK_ROUTE socket that does not block (or the
sentence that says why there is none), its receive buffer, and the reading of events.
"""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import TypeVar

from srcroutd.kernel.errors import KernelLacks

_REFUSED = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES})
_SO_RCVBUFFORCE = 33

T = TypeVar("T")


def open_socket() -> socket.socket:
    """A socket that is neither bound nor joined to a group. Raises KernelLacks."""
    try:
        return socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            socket.NETLINK_ROUTE,
        )
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise KernelLacks(
            f"there is no rtnetlink here ({error.strerror}): a kernel without it, or a sandbox "
            "that forbids AF_NETLINK; see RestrictAddressFamilies= of the unit"
        ) from error


def force_receive_buffer(sock: socket.socket, size: int) -> None:
    """Ask for ``size`` bytes beyond net.core.rmem_max; without CAP_NET_ADMIN, as much as is
    allowed.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def drained(read: Callable[[], T], limit: int) -> Iterator[T | None]:
    """What ``read`` gives until nothing is left, or ``limit`` times; None where events were lost
    for want of room (ENOBUFS, netlink(7)).
    """
    for _ in range(limit):
        try:
            found = read()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield None
        else:
            yield found
