"""Whom we quarrel with: what somebody undoes again and again, and whose routes stand beside ours.

Quarrels are lost politely (promise 8): what is contested is held back for growing pauses and said
once. A stranger's route that may win is reported and left alone (promise 3).
"""

import time
from collections.abc import Callable, Hashable, Iterable

from srcroutd.core import entries
from srcroutd.core.entry import Who
from srcroutd.core.net import with_dev
from srcroutd.core.operation import Operation
from srcroutd.core.pacing import Quarrels
from srcroutd.core.plan import Desired, shadows
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.meter import Meter
from srcroutd.daemon.rivals import likely_rival


class Disputes:
    """Remembers what stood after the last round that ended well, and what was undone since."""

    def __init__(self, audit: Audit, meter: Meter, who: Callable[[int], Who]) -> None:
        self._audit = audit
        self._meter = meter
        self._who = who
        self._quarrels = Quarrels()
        self._stood: Desired[bytes] = Desired({}, {})
        self._chores: frozenset[Hashable] = frozenset()
        self._shadows: dict[str, str] = {}

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Clauses on the routes of strangers that may take the place of ours."""
        return tuple(self._shadows.values())

    def part(
        self, operations: tuple[Operation, ...]
    ) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
        """What may be done now, and what is held back because it is contested."""
        now = time.monotonic()
        held = tuple(op for op in operations if self._quarrels.held(op.key, now))
        if not held:
            return operations, ()
        return tuple(op for op in operations if not self._quarrels.held(op.key, now)), held

    def next_retry_s(self) -> float | None:
        """Seconds until something contested may be tried again; None where nothing is."""
        return self._quarrels.next_retry_s(time.monotonic())

    def forgive(self) -> None:
        """Try everything again at once."""
        self._quarrels = Quarrels()

    def stands(
        self, desired: Desired[bytes], chores: frozenset[Hashable], picture: Picture
    ) -> None:
        """All is in sync: remember what stands, and say which routes of strangers may win."""
        self._stood, self._chores = desired, chores
        said: dict[str, str] = {}
        for shadow in shadows(desired, picture.observed):
            route = with_dev(shadow, picture.names)
            topic = f"shadow {route.table} {route.dst}"
            said[topic] = entries.shadow_words(route)
            self._audit.once(topic, entries.shadowed(route))
        for topic in self._shadows.keys() - said.keys():
            self._audit.over(topic, entries.shadow_gone(topic.removeprefix("shadow ")))
        self._shadows = said

    def nothing_stands(self) -> None:
        """All of ours was taken away on purpose: putting it back repairs nothing."""
        self._stood, self._chores = Desired({}, {}), frozenset()

    def restored(self, done: Iterable[Operation], *, disturbed: bool) -> None:
        """What stood after the last round and had to be put back was undone by somebody.

        Routes that went when a link or an address changed were taken along by the kernel.
        """
        stood = self._stood
        undone = {
            op.key: op
            for op in done
            if op.verb != "delete"
            and (
                op.key in stood.rules
                or op.key in self._chores
                or (op.key in stood.routes and not disturbed)
            )
        }
        self._meter.repaired(undone.values())
        for key in self._quarrels.restored(undone, time.monotonic()):
            operation = undone[key]
            contested = entries.contested(operation, self._who(operation.seat), likely_rival())
            self._audit.once(f"contested {operation}", contested)

    def forget_old(self) -> None:
        """Forget quarrels that have long been quiet."""
        self._quarrels.forget_old(time.monotonic())
