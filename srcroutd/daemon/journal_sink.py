"""The record in the journal: the loop never waits for journald, and nothing is lost in silence.

What journald does not take at once is kept and sent as soon as it does. What it has not taken for
a while, or what is too much, goes to stderr instead; the journal is told how many those were when
it listens again.
"""

import asyncio
import select
import time
from collections import deque

from srcroutd.core import entries
from srcroutd.core.entry import Entry
from srcroutd.daemon.audit import Sink
from srcroutd.daemon.journal import SOCKET, Connection, Verdict, encode

KEPT = 2048
"""Entries kept while journald is slow."""
MANY = 256
"""From so many on, whoever writes a lot should pause."""
PATIENCE_S = 2.0
"""A journald that takes nothing for so long is not waited for any more."""
RETRY_S = 0.002


class Journal:
    """Sends entries to journald; ``otherwise`` gets those that it does not take."""

    def __init__(self, otherwise: Sink, path: str = SOCKET, patience_s: float = PATIENCE_S) -> None:
        self._otherwise = otherwise
        self._patience_s = patience_s
        self._connection = Connection(path)
        self._kept: deque[Entry] = deque()
        self._taken_at = 0.0
        self._deaf = False
        self._missed = 0

    @property
    def behind(self) -> bool:
        """Whether many entries wait to be sent."""
        return len(self._kept) >= MANY

    def write(self, entry: Entry) -> None:
        """Send an entry, now or soon."""
        if self._kept:
            self._kept.append(entry)
            if len(self._kept) > KEPT:
                self._pass_on(self._kept.popleft())
            return
        if self._missed:
            self._confess()
        if self._taken(entry):
            return
        if self._deaf:
            self._pass_on(entry)
            return
        self._taken_at = time.monotonic()
        self._kept.append(entry)
        self._send_soon()

    def close(self) -> None:
        """Send what is kept; after a while it goes to stderr."""
        self._send_waiting()
        self._connection.close()
        self._otherwise.close()

    def _taken(self, entry: Entry) -> bool:
        """Whether the entry needs no further care."""
        match self._connection.send(encode(entry)):
            case Verdict.SENT:
                self._deaf = False
                return True
            case Verdict.NEVER:
                self._pass_on(entry)
                return True
            case Verdict.LATER:
                return False

    def _send_kept(self) -> None:
        while self._kept and self._taken(self._kept[0]):
            self._kept.popleft()
            self._taken_at = time.monotonic()
        if not self._kept:
            if self._missed:
                self._confess()
        elif time.monotonic() - self._taken_at > self._patience_s:
            self._give_up()
        else:
            self._send_soon()

    def _send_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the program begins or ends: nothing else waits
            self._send_waiting()
        else:
            loop.call_later(RETRY_S, self._send_kept)

    def _send_waiting(self) -> None:
        end = time.monotonic() + self._patience_s
        while self._kept and (left_s := end - time.monotonic()) > 0:
            if self._taken(self._kept[0]):
                self._kept.popleft()
            elif (descriptor := self._connection.fileno()) >= 0:
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                poll.poll(left_s * 1000)
            else:
                break
        self._give_up()

    def _give_up(self) -> None:
        self._deaf = bool(self._kept)
        while self._kept:
            self._pass_on(self._kept.popleft())

    def _pass_on(self, entry: Entry) -> None:
        self._otherwise.write(entry)
        self._missed += 1

    def _confess(self) -> None:
        entry = entries.not_delivered(self._missed, "journald did not take them, see stderr")
        if self._connection.send(encode(entry)) is Verdict.SENT:
            self._missed = 0
