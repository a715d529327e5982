"""From the sysctls that are wanted and those that stand there to what is set and what is restored.

Promise: a value is taken back only where it still is what we set, on the same device, and then what
the last other person had there returns; a later change by somebody else is his. What stood there is
remembered before it is changed, so a kill between the two loses nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from srcroutd.core.net import Link
from srcroutd.core.sysctl_needs import SysctlWant, is_met
from srcroutd.core.sysctls import ALL, Knob, Sysctl, Values, typed


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value stands: a device of this boot and a knob of it (``Knob.file``).

    Names of devices change, so they do not count. A NIC that is taken away and attached again is
    another device with another ifindex, and has the kernel's values.
    """

    mac: str
    ifindex: int
    file: str


@dataclass(frozen=True, slots=True)
class Change:
    """What stood there before, and what we put there; the two differ."""

    before: int
    ours: int


Memory = Mapping[Place, Change]
"""Everything that we changed in this network namespace since it was made, and did not take back."""


@dataclass(frozen=True, slots=True)
class SysctlOperation:
    """One write. ``before`` is what must stand there, or it is not to be done; ``because`` is a
    clause for people.
    """

    verb: Literal["set", "restore"]
    sysctl: Sysctl
    ifindex: int
    before: int
    value: int
    because: str

    def __str__(self) -> str:
        return f"~ {typed(self.sysctl, self.value)}"

    @property
    def key(self) -> tuple[int, Knob]:
        """What this is the same operation by as an earlier one, whatever the NIC is called."""
        return (self.ifindex, self.sysctl.knob)


@dataclass(frozen=True, slots=True)
class SysctlPlan:
    """Save ``memory``, then carry out ``operations`` in their order.

    ``let_go`` are values that somebody else changed after us, with what they are now: his from now
    on.
    """

    operations: tuple[SysctlOperation, ...]
    memory: Memory
    let_go: tuple[tuple[Sysctl, int], ...] = ()


def plan_sysctls(
    wants: Iterable[SysctlWant],
    seen: tuple[Iterable[Link], Values],
    memory: Memory,
    may_go: Callable[[Link], str | None],
) -> SysctlPlan:
    """What to do now. ``seen`` are the links and the values that were read of them.

    What we set and nobody wants any more is restored where ``may_go`` gives a reason; None means
    that it stays (nothing certain is known of that NIC at present). Policy ``leave`` and cleanup:
    no wants, and a reason.
    """
    links, values = seen
    wanted = {(want.sysctl.nic, want.sysctl.knob): want for want in wants}
    operations: list[SysctlOperation] = []
    let_go: list[tuple[Sysctl, int]] = []
    kept: dict[Place, Change] = {}
    for link in sorted((link for link in links if link.mac), key=lambda link: link.name):
        for knob in Knob:
            place, sysctl = Place(link.mac, link.index, knob.file), Sysctl(knob, link.name)
            change, own = memory.get(place), values.get(sysctl)
            if own is None or Sysctl(knob, ALL) not in values:
                if change:
                    kept[place] = change  # not read is not gone
                continue
            want = wanted.get((link.name, knob))
            if want and not is_met(want, values):
                kept[place] = Change(own, want.value)
                operations.append(
                    SysctlOperation("set", sysctl, link.index, own, want.value, want.because)
                )
            elif change and own == change.ours:
                kept[place] = change
                reason = None if want else may_go(link)
                if reason:
                    operations.append(
                        SysctlOperation("restore", sysctl, link.index, own, change.before, reason)
                    )
            elif change and own != change.before:
                let_go.append((sysctl, own))
    return SysctlPlan(tuple(operations), kept, tuple(let_go))
