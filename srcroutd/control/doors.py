"""The sockets that the server listens on, made so that nobody comes in before it is theirs to.

A socket file that a dead daemon left is replaced; a live one, and anything that is no socket, is
left alone and reported.
"""

import os
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from srcroutd.control.peers import Peer, Rights, peer_of
from srcroutd.core.errors import AlreadyRunning, Exit, OperatorError

BACKLOG = 16
"""Connections that wait for us; the next one waits in its own connect()."""


class CannotListen(OperatorError):
    """The socket cannot be made; the sentence says which and why."""

    exit_code = Exit.CONFIG


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket. ``rights`` is None where anybody may read the metrics, and nothing else.

    ``file`` is the socket's path with the device and inode that it had when we made it.
    """

    listener: socket.socket
    rights: Rights | None = None
    file: tuple[Path, int, int] | None = None

    def who(self, connection: socket.socket) -> Peer | None:
        """Who came in, None where the kernel does not tell. Raises OSError."""
        return peer_of(connection) if self.rights else None

    def close(self) -> None:
        """Listen no more; takes the file away if it is still ours."""
        self.listener.close()
        if self.file is None:
            return
        path, *made = self.file
        try:
            found = path.lstat()
            if [found.st_dev, found.st_ino] == made:
                path.unlink()
        except OSError:
            pass  # somebody cleared the runtime directory before us


def control_door(path: Path, rights: Rights) -> Door:
    """Listen on a unix socket: 0660 for root and the group, 0600 where there is no group.

    Raises AlreadyRunning if somebody answers there, CannotListen.
    """
    try:
        _clear(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # The file is born with the mode of the socket: nobody comes in before the group is set.
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(path))
            if rights.gid is not None:
                # The service's own group is it already, and its sandbox lets it change none.
                if path.lstat().st_gid != rights.gid:
                    os.chown(path, -1, rights.gid)
                path.chmod(0o660)
            found = path.lstat()
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise CannotListen(f"{path}: cannot listen: {why}; see --runtime-dir") from None
    return Door(listener, rights, (path, found.st_dev, found.st_ino))


def _clear(path: Path) -> None:
    """Take away what a dead daemon left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"{path} is no socket, so it is not ours: remove it by hand")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except BlockingIOError:
            pass  # its backlog is full, so it lives
    raise AlreadyRunning(
        f"another srcroutd answers at {path}; stop it first: systemctl stop srcroutd"
    )


def metrics_door(host: str, port: int) -> Door:
    """Listen on a TCP address, for metrics only. Raises CannotListen."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise CannotListen(f"metrics: cannot listen on {where}: {error.strerror}") from None
    except ValueError:
        raise CannotListen(f"metrics: {host!r} is no address; say it like 127.0.0.1:9183") from None
    return Door(listener)
