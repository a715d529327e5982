"""When to act: how bells fold into rounds, how often to ask the cloud, how long to give way in a
quarrel.

Pure values and functions of a monotonic clock in seconds; luck (0..1) is a parameter.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

QUIET_S = 0.002
"""A storm is over when no bell has rung for this long, or for as long as a round takes."""
FOLD_CAP_S = 0.05
"""A bell never waits longer than this for a storm to end."""
CALM_S = 0.02
"""A bell that comes this long after the last round is answered at once."""


def round_due_s(
    now: float, first_bell: float, last_bell: float, last_round_end: float, last_round_s: float
) -> float:
    """How long to wait before the round that these bells ask for; 0 is now.

    A single event is answered at once; bells on the heels of a round are folded until they pause.
    """
    if first_bell - last_round_end >= CALM_S:
        return 0.0
    quiet_s = min(QUIET_S, last_round_s)  # waiting longer than a round costs would save nothing
    return max(0.0, min(last_bell + quiet_s, first_bell + FOLD_CAP_S) - now)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses: ``first_s`` doubled with each failure up to ``cap_s``, with half of it left
    to luck.
    """

    first_s: float
    cap_s: float
    failures: int = 0

    def failed(self) -> "Backoff":
        """After one more failure."""
        return replace(self, failures=min(self.failures + 1, 32))

    def pause_s(self, luck: float) -> float:
        """The pause that follows the failures so far; 0 without any."""
        if not self.failures:
            return 0.0
        full = min(self.cap_s, self.first_s * 2.0 ** (self.failures - 1))
        return full * (0.5 + 0.5 * luck)


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket for reads of the metadata service: ``burst`` at once, then one every
    ``refill_s``.
    """

    burst: int
    refill_s: float
    tokens: float | None = None
    at: float = 0.0

    def spend(self, now: float) -> tuple["Budget", float]:
        """The budget after one more read, and how long that read must wait for it (0: go)."""
        full = float(self.burst)
        have = full if self.tokens is None else self.tokens + (now - self.at) / self.refill_s
        have = min(full, have)
        wait_s = 0.0 if have >= 1.0 else (1.0 - have) * self.refill_s
        return replace(self, tokens=have - 1.0, at=now), wait_s


@dataclass(slots=True)
class _Dispute:
    undone: int
    since: float
    last: float
    retry_at: float = 0.0
    warned: bool = False


@dataclass(slots=True)
class Quarrels:
    """Objects that somebody keeps undoing: each is retried with growing pauses, and reported once
    (promise 8).

    An object counts as contested when it had to be restored more than ``patience`` times with never
    more than ``memory_s`` in between. The pause doubles from ``first_s`` to ``cap_s``.
    """

    patience: int = 10
    memory_s: float = 30.0
    first_s: float = 0.5
    cap_s: float = 60.0
    _disputes: dict[Hashable, _Dispute] = field(default_factory=dict)

    def restored(self, keys: Iterable[Hashable], now: float) -> tuple[Hashable, ...]:
        """Note that these objects were just put back; returns those that became contested now."""
        fresh = []
        for key in keys:
            dispute = self._disputes.get(key)
            if dispute is None or now - dispute.last > self.memory_s + self._pause_s(dispute):
                self._disputes[key] = _Dispute(1, now, now)
                continue
            dispute.undone += 1
            dispute.last = now
            if dispute.undone > self.patience:
                dispute.retry_at = now + self._pause_s(dispute)
                if not dispute.warned:
                    dispute.warned = True
                    fresh.append(key)
        return tuple(fresh)

    def held(self, key: Hashable, now: float) -> bool:
        """Whether this object is left as it is for now."""
        dispute = self._disputes.get(key)
        return dispute is not None and dispute.retry_at > now

    def next_retry_s(self, now: float) -> float | None:
        """Seconds until the next held object is tried again; None when none is held."""
        pauses = [d.retry_at - now for d in self._disputes.values() if d.retry_at > now]
        return min(pauses, default=None)

    def contested(self) -> tuple[Hashable, ...]:
        """The objects that are contested now."""
        return tuple(key for key, dispute in self._disputes.items() if dispute.warned)

    def forget_old(self, now: float) -> tuple[Hashable, ...]:
        """Forget disputes that have rested; returns those that had been reported as contested."""
        rested = [
            key
            for key, dispute in self._disputes.items()
            if now - dispute.last > self.memory_s + self._pause_s(dispute)
        ]
        return tuple(key for key in rested if self._disputes.pop(key).warned)

    def _pause_s(self, dispute: _Dispute) -> float:
        over = dispute.undone - self.patience
        return 0.0 if over <= 0 else min(self.cap_s, self.first_s * 2.0 ** min(over - 1, 16))
