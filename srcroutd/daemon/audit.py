"""The record of every change: what happened becomes entries, and these go to those who keep them
(promise 10).

Nothing here decides. The same thing is not said twice, and nothing is said while all is in sync.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from traceback import format_exception
from typing import Protocol

from srcroutd.core import entries
from srcroutd.core.entry import GENERATION, Entry, Who
from srcroutd.core.operation import Operation
from srcroutd.core.view import Refusal

Subscriber = Callable[[Entry], None]
BREATHS, BREATH_S = 20, 0.0025
"""The most and the length of the pauses that a slow reader is given."""
_REFUSED = "refused "


class Sink(Protocol):
    """Where entries are kept."""

    @property
    def behind(self) -> bool:
        """Whether many entries wait for a slow reader."""

    def write(self, entry: Entry) -> None:
        """Take an entry; never waits."""

    def close(self) -> None:
        """The last entry has been written; may wait a second for those not yet out."""


class Audit:
    """Makes entries and hands them on; remembers only what it has said, so as not to say it again.

    ``generation`` is the number of the round under way, which all that is said in it bears: what
    led to a generation is found beside what was done in it.
    """

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._subscribers: list[Subscriber] = []
        self._said: dict[str, str] = {}
        self.generation = 0

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call ``callback`` with each entry from now on; returns what ends that."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def applied(self, generation: int, operations: Iterable[tuple[Operation, Who]]) -> None:
        """One entry for each operation that the kernel took."""
        for operation, who in operations:
            self._hand_on(entries.applied(operation, who, generation))

    def refused(self, refusal: Refusal, who: Who) -> None:
        """The kernel refused an operation: said once until it changes."""
        self.once(f"{_REFUSED}{refusal.operation}", entries.refused(refusal, who))

    def say(self, entry: Entry) -> None:
        """Put an entry on the record."""
        fields = {**entry.fields, GENERATION: str(self.generation)}
        self._hand_on(replace(entry, fields=fields))

    def once(self, topic: str, entry: Entry) -> None:
        """Say something on a topic, unless it was the last that was said on it."""
        if self._said.get(topic) != entry.message:
            self._said[topic] = entry.message
            self.say(entry)

    def settled(self) -> None:
        """All is in sync: a refusal that comes again is news again."""
        for topic in [topic for topic in self._said if topic.startswith(_REFUSED)]:
            del self._said[topic]

    def over(self, topic: str, entry: Entry | None = None) -> None:
        """The topic is settled; says so if anything had been said."""
        if self._said.pop(topic, None) is not None and entry:
            self.say(entry)

    async def breathe(self) -> None:
        """Let others run between many entries, and a slow reader catch up; not for long."""
        await asyncio.sleep(0)
        for _ in range(BREATHS):
            if not any(sink.behind for sink in self._sinks):
                return
            await asyncio.sleep(BREATH_S)

    def close(self) -> None:
        """Nothing more will be said."""
        for sink in self._sinks:
            sink.close()

    def _hand_on(self, entry: Entry) -> None:
        for sink in self._sinks:
            try:
                sink.write(entry)
            except Exception as error:  # noqa: BLE001 - what keeps the record must not end the daemon
                self._confess(error)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(entry)
            except Exception as error:  # noqa: BLE001 - nor must somebody who only listens
                self._subscribers.remove(subscriber)
                self._confess(error)

    def _confess(self, error: Exception) -> None:
        """Say what went wrong with the record itself, where that is possible."""
        where = "".join(format_exception(error))
        if self._said.get("record") == where:
            return
        self._said["record"] = where
        entry = entries.bug(type(error).__name__, str(error), where)
        for sink in self._sinks:
            with suppress(Exception):
                sink.write(entry)
