"""The daemon's own parts in this process, with a stopwatch at each: the genuine round, seen from
inside.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from srcroutd.core.entry import Who
from srcroutd.core.operation import Operation
from srcroutd.core.view import Refusal
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.chores import Chores
from srcroutd.daemon.configfile import load
from srcroutd.daemon.eyes import Eyes, Picture
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.lines import Lines, readable
from srcroutd.daemon.outcome import Outcome
from srcroutd.daemon.reconciler import Kernel, Reconciler
from srcroutd.daemon.store import Store
from srcroutd.kernel.events import Events
from srcroutd.kernel.requests import Requests
from srcroutd.providers.static import StaticProvider


@dataclass(slots=True)
class Watch:
    """Seconds spent in each part of a round."""

    spent_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Add the time of the block to ``part``."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.spent_s[part] += time.monotonic() - began

    def ms(self, part: str) -> float:
        """What a part took so far."""
        return self.spent_s[part] * 1e3


class _Eyes(Eyes):
    def __init__(self, requests: Requests, events: Events, watch: Watch) -> None:
        super().__init__(requests, events)
        self._watch = watch

    async def look(self, tables: Collection[int]) -> Picture:
        with self._watch.on("look"):
            return await super().look(tables)


class _Hands(Hands):
    def __init__(self, requests: Requests, watch: Watch) -> None:
        super().__init__(requests)
        self._watch = watch

    async def apply(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Refusal]]:
        with self._watch.on("apply"):
            return await super().apply(operations)


class _Audit(Audit):
    watch: Watch

    def applied(self, generation: int, operations: Iterable[tuple[Operation, Who]]) -> None:
        with self.watch.on("record"):
            super().applied(generation, operations)


class _Knowledge(Knowledge):
    watch: Watch

    async def save(self) -> None:
        with self.watch.on("save"):
            await super().save()


class Engine:
    """A reconciler of this process, in the network namespace that it is in now, with facts from a
    file. Its record is written as it is in earnest, but into a file beside ``state``.
    """

    def __init__(self, config_file: Path, state: Path) -> None:
        self.watch = Watch()
        self.config = load(config_file)
        self.requests = Requests()
        self.events = Events(self.config.domain.tables, self.requests.portid)
        self.eyes = _Eyes(self.requests, self.events, self.watch)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._record = os.open(state.parent / "record", flags, 0o600)
        audit = _Audit(Lines(self._record, readable))
        audit.watch = self.watch
        knowledge = _Knowledge(self.config, Store(state), audit)
        knowledge.watch = self.watch
        hands = _Hands(self.requests, self.watch)
        kernel = Kernel(self.eyes, hands, Chores(state, audit))
        self.reconciler = Reconciler(self.config, kernel, knowledge, audit)

    async def start(self) -> None:
        """First look, and the facts on their way into the next round."""
        await self.reconciler.start()
        macs = {link.name: link.mac for link in self.eyes.picture.links}
        async for part in StaticProvider(self.config.enis, lambda: macs).read():
            self.reconciler.deliver(part)

    async def round(self) -> Outcome:
        """One round, its stopwatches set to nought before. Raises RuntimeError if not in sync."""
        self.watch.spent_s.clear()
        with self.watch.on("round"):
            outcome = await self.reconciler.round()
        if not outcome.in_sync:
            raise RuntimeError(outcome.sentence())
        return outcome

    def close(self) -> None:
        """Give the sockets back."""
        self.events.close()
        self.requests.close()
        os.close(self._record)


async def longest_turn_s(over: asyncio.Event) -> tuple[float, float]:
    """How long anybody kept the loop to himself until ``over``: the longest gap between two turns
    of ours.

    Once by the clock, in which other processes of the machine have their part, and once in CPU
    time.
    """
    longest_s = longest_cpu_s = 0.0
    last, last_cpu = time.monotonic(), time.thread_time()
    while not over.is_set():
        await asyncio.sleep(0)
        now, cpu = time.monotonic(), time.thread_time()
        longest_s = max(longest_s, now - last)
        longest_cpu_s = max(longest_cpu_s, cpu - last_cpu)
        last, last_cpu = now, cpu
    return longest_s, longest_cpu_s
