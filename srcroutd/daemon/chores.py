"""All that is kept besides rules and routes, behind one door: what is due in a round, what a
cleanup takes away, and who carries out which chore.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from srcroutd.core.config import Config
from srcroutd.core.entry import Who
from srcroutd.core.join import State
from srcroutd.core.marking_choice import marking_of
from srcroutd.core.net import Link
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Operation, ThingKind
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.hands import Keeper
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.marks import Marks
from srcroutd.daemon.outlook import Outlook
from srcroutd.daemon.sysctl_keeper import SysctlKeeper
from srcroutd.daemon.sysctl_memory import SysctlMemory

if TYPE_CHECKING:
    from srcroutd.daemon.address_keeper import AddressKeeper

_ASSIGNED = "addresses.json"
"""What ``AssignedMemory`` writes: where it is, an earlier run put addresses."""


class Chores:
    """The keepers. ``ring`` is called when something of theirs changed; None: nobody listens."""

    def __init__(self, state: Path, audit: Audit, ring: Callable[[], None] | None = None) -> None:
        """``state`` is the directory in which they remember what they changed."""
        self._marks = Marks(audit, ring)
        self._sysctls = SysctlKeeper(SysctlMemory(state), audit, ring)
        self._state = state
        self._audit = audit
        self._addresses: AddressKeeper | None = None
        self.keepers: dict[ThingKind, Keeper] = {
            ThingKind.MARKS: self._marks,
            ThingKind.SYSCTL: self._sysctls,
        }
        """Who carries out which kind of chore."""

    def _assigning(self) -> "AddressKeeper":
        """The keeper of addresses, loaded when it is needed for the first time."""
        if self._addresses is None:
            from srcroutd.daemon.address_keeper import AddressKeeper
            from srcroutd.daemon.assigned_memory import AssignedMemory

            self._addresses = AddressKeeper(AssignedMemory(self._state), self._audit)
            self.keepers[ThingKind.ADDRESS] = self._addresses
        return self._addresses

    def _assigns(self, outlook: Outlook, picture: Picture, knowledge: Knowledge) -> bool:
        """Whether addresses are to be put, or some of ours may stand from before."""
        protocols = {domain.protocol for domain in knowledge.domains}
        return (
            self._addresses is not None
            or any(nic.settings.addresses == "assign" for nic in outlook.joined.nics)
            or any(address.protocol in protocols for address in picture.addresses)
            or (self._state / _ASSIGNED).exists()
        )

    @property
    def conflicts(self) -> tuple[str, ...]:
        """What strangers have in the place of ours."""
        return self._marks.conflicts

    @property
    def notes(self) -> Mapping[int, tuple[str, ...]]:
        """What status should say of the NICs, by ifindex."""
        notes = dict(self._addresses.notes) if self._addresses else {}
        for index, said in self._sysctls.notes.items():
            notes[index] = (*notes.get(index, ()), *said)
        return notes

    def distrust(self) -> None:
        """Believe nothing seen before."""
        self._sysctls.distrust()

    async def look(self, config: Config) -> str:
        """Look at what must be known before anything is derived; returns why connections cannot be
        marked here, empty if they can.
        """
        return await self._marks.look(wanted=config.marks)

    async def operations(
        self, outlook: Outlook, picture: Picture, who: Callable[[int], Who], knowledge: Knowledge
    ) -> tuple[Operation, ...]:
        """What is due now."""
        joined, snats = outlook.joined, outlook.snats
        unsure = any(state.state is State.WAITING for state in joined.states)
        self._sysctls.look(joined.nics, picture)
        marking = marking_of(joined.nics, self._sysctls.values, outlook.config.mark_mask, snats)
        rewriting = frozenset(snat.device for snat in snats)
        addresses: tuple[Operation, ...] = ()
        if self._assigns(outlook, picture, knowledge):
            addresses = await self._assigning().operations(joined, picture, knowledge)
        return (
            *addresses,
            *await self._sysctls.operations(joined, picture, who, rewriting),
            *self._marks.operations(marking, unsure=unsure),
        )

    async def farewell(
        self, links: Sequence[Link], domains: Iterable[Domain]
    ) -> tuple[Operation, ...]:
        """What takes everything away that was put here, whichever run put it."""
        await self._marks.look_for_leftovers()
        return (
            *self._marks.farewell(),
            *await self._sysctls.farewell(links),
            *await self._assigning().farewell(links, domains),
        )

    def due_s(self) -> float | None:
        """Seconds until something is due without any bell; None where nothing is."""
        return self._addresses.due_s() if self._addresses else None

    def standing(self) -> frozenset[Hashable]:
        """The keys of all that stands as it should."""
        put = self._addresses.standing() if self._addresses else frozenset()
        return self._marks.standing() | self._sysctls.standing() | put

    def close(self) -> None:
        """Stop listening."""
        self._marks.close()
        self._sysctls.close()
        if self._addresses:
            self._addresses.close()
