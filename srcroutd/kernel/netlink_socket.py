"""A NETLINK_ROUTE socket that does not block, or the sentence that says why there is none."""

import errno
import socket

from srcroutd.kernel.errors import KernelLacks

_REFUSED = frozenset({errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES})
_SO_RCVBUFFORCE = 33


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
