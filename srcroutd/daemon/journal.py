"""journald's native protocol: an entry is one datagram, each of its fields under its own name.

A field is ``NAME=value`` and a newline; a value that holds a newline goes as ``NAME``, a newline,
its length in 8 bytes (little endian) and its bytes, so that it can never pass for another field.
What is too large for a datagram goes as a sealed memfd. Source: systemd's
JOURNAL_NATIVE_PROTOCOL.md.
"""

import errno
import fcntl
import os
import re
import socket
from contextlib import ExitStack
from enum import Enum
from functools import cache

from srcroutd.core.entry import Entry, Kind

SOCKET = "/run/systemd/journal/socket"
BUFFER = 8 * 1024 * 1024
"""What we ask the kernel to hold for us; it gives what net.core.wmem_max allows."""
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)


class Verdict(Enum):
    """What became of a datagram."""

    SENT = "sent"
    LATER = "later"
    """The queue is full or nobody listens: try again."""
    NEVER = "never"
    """It is too large for a datagram, and no file can be made for it."""


class Connection:
    """The way to journald; opened when there is something to send, and again after it broke."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def fileno(self) -> int:
        """The socket's descriptor, -1 without one."""
        return self._socket.fileno() if self._socket else -1

    def send(self, datagram: bytes) -> Verdict:
        """Send without waiting."""
        if self._socket:
            try:
                return _send(self._socket, datagram)
            except OSError:  # journald was started anew: connect again
                self.close()
        try:
            self._socket = _connected(self._path)
            return _send(self._socket, datagram)
        except OSError:
            self.close()
            return Verdict.LATER

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket:
            self._socket.close()
            self._socket = None


def encode(entry: Entry) -> bytes:
    """The datagram of an entry. Raises ValueError for a name that journald would not take."""
    plain = [_head(entry.kind, int(entry.level)), f"MESSAGE={entry.message}"]
    framed = b""
    for name, value in entry.fields.items():
        _check(name)
        if "\n" in value:
            framed += _framed(name, value)
        else:
            plain.append(f"{name}={value}")
    plain.append("")
    return "\n".join(plain).encode(errors="backslashreplace") + framed


@cache
def _head(kind: Kind, level: int) -> str:
    return f"SYSLOG_IDENTIFIER=srcroutd\nPRIORITY={level}\nMESSAGE_ID={kind.message_id}"


@cache
def _check(name: str) -> None:
    """Journald ignores other names, and a leading underscore is for what it knows itself."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a journal field")


def _framed(name: str, value: str) -> bytes:
    data = value.encode(errors="backslashreplace")
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


def _connected(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.settimeout(0)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened


def _send(connected: socket.socket, datagram: bytes) -> Verdict:
    """Raises OSError if nobody listens at the other end."""
    try:
        connected.send(datagram)
    except BlockingIOError:
        return Verdict.LATER
    except OSError as error:
        if error.errno not in _TOO_LARGE:
            raise
        return _send_file(connected, datagram)
    return Verdict.SENT


def _send_file(connected: socket.socket, datagram: bytes) -> Verdict:
    with ExitStack() as stack:
        try:
            file = os.memfd_create("journal-data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            stack.callback(os.close, file)
            with os.fdopen(file, "wb", closefd=False) as opened:
                opened.write(datagram)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:  # no descriptor or no memory left, or a sandbox without memfd
            return Verdict.NEVER
        try:
            socket.send_fds(connected, [b""], [file])
        except BlockingIOError:
            return Verdict.LATER
        return Verdict.SENT
