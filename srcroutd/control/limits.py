"""What a client of the control socket may cost, and whose turn it is when the places are few."""

from collections.abc import Collection
from dataclasses import dataclass

from srcroutd.control.peers import Peer


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are in seconds. A connection is one request: no client holds a place by being idle."""

    connections: int = 32
    for_root: int = 8
    """Places that only root gets: nobody locks the administrator out."""
    each: int = 8
    """Connections of one user (or of one address, where the kernel knows no user)."""
    watchers: int = 4
    """Of these, how many may watch."""
    head_s: float = 5.0
    """From connecting to the end of the request's head."""
    answer_s: float = 60.0
    """For the whole answer, however large it is and however slowly it is read."""
    stall_s: float = 60.0
    """How long a watcher may read nothing while something waits for him."""
    last_s: float = 5.0
    """For the last bytes, once all is said."""
    line_bytes: int = 4096
    headers: int = 32
    mail: int = 1024
    """Entries that wait for one watcher."""
    slice_s: float = 0.002
    """How long the loop is held by encoding."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end: the process that the kernel vouches for, or only an address."""

    peer: Peer | None
    address: str = ""

    @property
    def is_root(self) -> bool:
        """Whether it is root, as far as the kernel knows."""
        return self.peer is not None and self.peer.uid == 0

    @property
    def key(self) -> int | str:
        """What all his connections have in common."""
        return self.peer.uid if self.peer else self.address


def has_room(limits: Limits, here: Collection[Caller], caller: Caller) -> bool:
    """Whether one more connection of this caller is taken, beside those that are here."""
    if caller.is_root:
        return len(here) < limits.connections
    of_him = sum(other.key == caller.key for other in here)
    return of_him < limits.each and len(here) < limits.connections - limits.for_root
