"""The sysctls of NICs read and written in /proc/sys/net, which shows the network namespace of the
calling thread.

Promise: only files of the NIC that was meant are written, and only while what was seen there still
stands there. Every part of a path is opened by itself and no link is followed. Root is not needed:
CAP_NET_ADMIN in the namespace's own user namespace is enough (net_ctl_permissions in
net/sysctl_net.c).
"""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum

from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.sysctl_plan import SysctlOperation
from srcroutd.core.sysctls import ALL, Knob, Sysctl, is_plain, typed

_ROOT = "/proc/sys/net"
_MOST = 32
"""A number and its end of line are shorter."""
_GONE = frozenset((errno.ENOENT, errno.ENODEV, errno.ENOTDIR))
_NEVER = frozenset((ALL, "default"))
_CAREFULLY = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY | _CAREFULLY


class SysctlRefused(OperatorError):
    """The sysctls cannot be read or written here; the sentence says why and what would help."""

    exit_code = Exit.NOT_PERMITTED


class Written(Enum):
    """How a write ended. The value is a clause for people."""

    DONE = "it stands there now"
    GONE = "the NIC went away or was renamed meanwhile"
    MOVED = "somebody else changed it meanwhile"


def look(nics: Iterable[str]) -> dict[Sysctl, int]:
    """Every knob of these NICs and of ``all``; what is not there (an older kernel, no IPv6, a NIC
    that went away) is left out. Raises SysctlRefused where /proc/sys/net cannot be looked at.
    """
    found: dict[Sysctl, int] = {}
    with _root() as root:
        for nic in (ALL, *sorted({nic for nic in nics if is_plain(nic)} - _NEVER)):
            for family in ("ipv4", "ipv6"):
                knobs = [knob for knob in Knob if knob.family == family]
                try:
                    with _folder(root, (family, "conf", nic)) as folder:
                        found |= {
                            Sysctl(knob, nic): value
                            for knob in knobs
                            if (value := _read(folder, knob.file)) is not None
                        }
                except OSError as error:
                    if error.errno not in _GONE:
                        raise _unreadable(error) from error
    return found


def write(operation: SysctlOperation) -> Written:
    """Carry out one operation and read back what stands there then.

    Raises SysctlRefused where the kernel or a read-only /proc does not let us.
    """
    sysctl = operation.sysctl
    if sysctl.nic in _NEVER:
        raise ValueError(f"{sysctl} is not a NIC's own")
    *folders, file = sysctl.path
    with _root() as root:
        try:
            with _folder(root, folders) as folder:
                descriptor = os.open(file, os.O_RDWR | _CAREFULLY, dir_fd=folder)
            try:
                return _exchange(descriptor, operation)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in _GONE:
                return Written.GONE
            raise _refusal(operation, error) from error


@contextmanager
def _root() -> Iterator[int]:
    try:
        root = os.open(_ROOT, _FOLDER)
    except OSError as error:
        raise _unreadable(error) from error
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def _folder(root: int, names: Iterable[str]) -> Iterator[int]:
    """The folder below ``root``, one name at a time."""
    folder = os.dup(root)
    try:
        for name in names:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, file: str) -> int | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | _CAREFULLY, dir_fd=folder)
        try:
            return int(os.pread(descriptor, _MOST, 0))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    except ValueError:
        return None


def _exchange(descriptor: int, operation: SysctlOperation) -> Written:
    """Write where it still is right.

    The open file belongs to one device under one name: once that changes the kernel answers ENOENT,
    so the name's ifindex has to be asked after the file was opened, and then only once.
    """
    try:
        index = socket.if_nametoindex(operation.sysctl.nic)
    except OSError:
        return Written.GONE
    if index != operation.ifindex:
        return Written.GONE
    if int(os.pread(descriptor, _MOST, 0)) != operation.before:
        return Written.MOVED
    os.pwrite(descriptor, b"%d\n" % operation.value, 0)
    stands = int(os.pread(descriptor, _MOST, 0))
    return Written.DONE if stands == operation.value else Written.MOVED


def _unreadable(error: OSError) -> SysctlRefused:
    return SysctlRefused(
        f"cannot look at {_ROOT}: {error.strerror}; next: show it to the service (ProcSubset=all, "
        'by systemctl edit srcroutd), or set sysctls = "leave"'
    )


def _refusal(operation: SysctlOperation, error: OSError) -> SysctlRefused:
    what = f"cannot set {operation.sysctl} to {operation.value}: "
    command = typed(operation.sysctl, operation.value)
    by_hand = f'or set sysctls = "leave" and type it yourself: {command}'
    match error.errno:
        case errno.EROFS:
            return SysctlRefused(
                f"{what}/proc/sys is read-only here; next: in a service with "
                "ProtectKernelTunables=yes add ReadWritePaths=/proc/sys/net (systemctl edit "
                f"srcroutd), in a container let that write /proc/sys/net, {by_hand}"
            )
        case errno.EACCES | errno.EPERM:
            return SysctlRefused(
                f"{what}{error.strerror}; next: give it CAP_NET_ADMIN in the namespace that owns "
                f"this network, {by_hand}"
            )
        case _:
            return SysctlRefused(f"{what}{error.strerror}; next: look at dmesg, {by_hand}")
