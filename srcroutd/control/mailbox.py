"""What waits for one watcher: entries in order, never more than ``most``, and what did not fit told
as a number.

A watcher that does not read costs those who write nothing but a look at a length.
"""

from collections import deque

from srcroutd.core.entries import not_delivered
from srcroutd.core.entry import Entry

TOO_SLOW = "this reader was too slow"


class Mailbox:
    """Entries with the Unix time at which they came."""

    __slots__ = ("_last_s", "_missed", "_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[tuple[float, Entry]] = deque()
        self._missed = 0
        self._last_s = 0.0

    def put(self, entry: Entry, at_s: float) -> None:
        """Take an entry, or count it as missed where there is no room."""
        self._last_s = at_s
        # The notice takes a place too, and it stands where the gap is.
        if len(self._waiting) + bool(self._missed) >= self._most:
            self._missed += 1
            return
        if self._missed:
            self._waiting.append((at_s, self._notice()))
        self._waiting.append((at_s, entry))

    def take(self) -> tuple[float, Entry] | None:
        """The oldest that waits, None if nothing does."""
        if self._waiting:
            return self._waiting.popleft()
        return (self._last_s, self._notice()) if self._missed else None

    def __len__(self) -> int:
        return len(self._waiting) + bool(self._missed)

    def _notice(self) -> Entry:
        missed, self._missed = self._missed, 0
        return not_delivered(missed, TOO_SLOW)
