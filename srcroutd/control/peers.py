"""Who is at the other end of a unix socket, and what he may ask: the kernel vouches for it.

Readers are root, the daemon's own user and the members of the group; only root may have something
done. Sources: unix(7), SO_PEERCRED; SO_PEERGROUPS (include/uapi/asm-generic/socket.h).
"""

import os
import socket
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

GROUP = "srcroutd"
"""The group whose members may read."""
_CREDENTIALS = struct.Struct("iII")
_SO_PEERGROUPS = 59
_MOST_BYTES = 1024
"""The largest answer that Python's getsockopt takes: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process as it was when it connected. ``groups`` has the primary one too."""

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """Who connected. Raises OSError."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    return Peer(pid, uid, frozenset({gid, *_supplementary(connection)}))


def _supplementary(connection: socket.socket) -> tuple[int, ...]:
    """None at all for somebody in more than 256 groups: then only his primary one counts."""
    try:
        found = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        return ()
    return tuple(array("I", found))


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may read; root may always, and is the only one who may write."""

    own_uid: int
    gid: int | None

    def may_read(self, peer: Peer) -> bool:
        """Whether he may see how it stands."""
        return peer.uid in {0, self.own_uid} or (self.gid is not None and self.gid in peer.groups)

    def may_write(self, peer: Peer) -> bool:
        """Whether he may have something done."""
        return peer.uid == 0


def rights(group: str = GROUP, file: Path = Path("/etc/group")) -> Rights:
    """The rights on this host, with the group if it has one by this name.

    Groups of a directory service do not count: asking it costs 0.5 MiB of libraries and may wait
    for the network that we are here to set up. Who is a member is the kernel's word in any case.
    """
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    gids = [
        line.split(":")[2] for line in lines if line.startswith(f"{group}:") and line.count(":") > 1
    ]
    return Rights(os.geteuid(), int(gids[0]) if gids and gids[0].isdecimal() else None)
