"""What a round of the reconciler came to, as a value."""

from dataclasses import dataclass

from srcroutd.core.join import Joined, State
from srcroutd.core.operation import Operation


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last round. ``operations`` is how many changes it made, ``why`` a clause if not in sync.

    ``pending`` are the operations that were due and not done: contested, refused, or all of them
    while standing by. ``conflicts`` are routes of strangers that may take the place of ours.
    ``changed_at_s`` is the Unix time of the last generation's end.
    """

    generation: int = 0
    in_sync: bool = False
    why: str = "not looked yet"
    joined: Joined = Joined()
    operations: int = 0
    pending: tuple[Operation, ...] = ()
    conflicts: tuple[str, ...] = ()
    changed_at_s: float | None = None
    standing_by: bool = False

    def sentence(self) -> str:
        """One sentence for people (STATUS= of sd_notify)."""
        states = [nic.state for nic in self.joined.states]
        parts = [f"{states.count(state)} {state}" for state in State if state in states]
        nics = ", ".join(parts) or "none that could be an ENI"
        number = len(self.conflicts)
        nics += f"; {number} conflicts, see srcroutctl status" if number else ""
        word = "in sync" if self.in_sync else f"not in sync ({self.why})"
        return f"{word}; generation {self.generation}; NICs: {nics}"
