"""Keeps the sysctls of the NICs that ask for it (``sysctls = "auto"``): what a NIC's mode needs is
set, what stood there before is remembered first and set back when it is needed no more.

Nothing is read where no NIC needs it. A change of rp_filter is announced by the kernel; the others
are seen at the next look at everything (``kernel.netconf_events``).
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from srcroutd.core import entries, entries_chores
from srcroutd.core.desired import ModeWord, Nic
from srcroutd.core.entry import Who
from srcroutd.core.join import Joined, State
from srcroutd.core.net import Family, Link, Scope
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind
from srcroutd.core.sysctl_needs import Needs, SysctlWant, advice, needed, needs_of
from srcroutd.core.sysctl_plan import Memory, SysctlOperation, plan_sysctls
from srcroutd.core.sysctls import Knob, Values, typed
from srcroutd.core.view import Refusal
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.store import Damaged
from srcroutd.daemon.sysctl_memory import SysctlMemory
from srcroutd.kernel.epoch import epoch
from srcroutd.kernel.netconf_events import NetconfEvents
from srcroutd.kernel.sysctl_write import SysctlRefused, Written, look, write

_PHASES = {"set": Phase.SET_SYSCTLS, "restore": Phase.RESTORE_SYSCTLS}


class SysctlKeeper:
    """The keeper of the NICs' sysctls. ``ring`` is called when the kernel announces a change; None:
    nobody listens.
    """

    def __init__(self, memory: SysctlMemory, audit: Audit, ring: Callable[[], None] | None) -> None:
        self._file = memory
        self._audit = audit
        self._ring = ring
        self._events: NetconfEvents | None = None
        self._memory: Memory | None = None
        self._saved: Memory = {}
        self._epoch = ""
        self._due: dict[Hashable, SysctlOperation] = {}
        self._seen_for: frozenset[str] | None = None
        self.notes: dict[int, tuple[str, ...]] = {}
        """What is needed and not for us to do, for status, by ifindex."""
        self.values: Values = {}
        """What was read last: of ``all`` and the NICs that need it; empty where nothing was."""

    def distrust(self) -> None:
        """Believe nothing seen before: the next look reads everything again."""
        self._seen_for = None

    def look(self, nics: Iterable[Nic], picture: Picture) -> None:
        """Read the sysctls of the NICs whose mode depends on them, of those that share a subnet
        with them, and of those changed earlier.
        """
        careful = {nic.link.name for nic in nics if _matters(nic)}
        careful |= {name for needs in self._needs(nics, picture).values() for name in needs.beside}
        self._read(careful, picture.links)

    def _read(self, careful: set[str], links: Iterable[Link]) -> None:
        indexes = {place.ifindex for place in self._remembered(careful=bool(careful))}
        names = frozenset(careful | {link.name for link in links if link.index in indexes})
        if not names:
            self.values, self._seen_for = {}, None
            return
        self._listen()
        if self._seen_for == names:
            return
        self._seen_for = names
        try:
            self.values = look(names)
        except SysctlRefused as error:
            self.values = {}
            self._audit.once("sysctls", entries_chores.sysctls_unavailable(str(error)))

    async def operations(
        self,
        joined: Joined,
        picture: Picture,
        who: Callable[[int], Who],
        rewriting: frozenset[str],
    ) -> tuple[Operation, ...]:
        """What is to be set and what is to be set back; ``rewriting`` are the NICs at which sources
        are rewritten.
        """
        nics = {nic.link.index: nic for nic in joined.nics}
        needs = self._needs(joined.nics, picture, rewriting)
        wants = [want for one in needs.values() for want in needed(one, self.values)]
        self.notes = _notes(needs, self.values)
        alone = {state.link.index for state in joined.states if state.state is State.LEFT_ALONE}

        def may_go(link: Link) -> str | None:
            if link.index in nics:
                auto = nics[link.index].settings.sysctls == "auto"
                return "no longer needed" if auto else 'sysctls = "leave"'
            return f"{link.name} is left alone" if link.index in alone else None

        return await self._plan(
            wants, picture.links, may_go, {index: nic.seat for index, nic in nics.items()}, who
        )

    async def farewell(self, links: Sequence[Link]) -> tuple[Operation, ...]:
        """What sets everything back that was set here."""
        self.distrust()
        self._read(set(), links)
        return await self._plan([], links, lambda _link: "cleanup", {}, lambda seat: Who(seat=seat))

    async def _plan(
        self,
        wants: list[SysctlWant],
        links: Sequence[Link],
        may_go: Callable[[Link], str | None],
        seats: Mapping[int, int],
        who: Callable[[int], Who],
    ) -> tuple[Operation, ...]:
        if not self.values:
            return ()
        planned = plan_sysctls(wants, (links, self.values), self._memory or {}, may_go)
        indexes = {link.name: link.index for link in links}
        for sysctl, value in planned.let_go:
            seat = seats.get(indexes.get(sysctl.nic, 0), 0)
            self._audit.say(entries_chores.sysctl_let_go(sysctl, value, who(seat)))
        self._memory = planned.memory
        self._due = {operation.key: operation for operation in planned.operations}
        if not planned.operations:
            await self._save()
        return tuple(_operation(one, seats.get(one.ifindex, 0)) for one in planned.operations)

    def _needs(
        self, nics: Iterable[Nic], picture: Picture, rewriting: frozenset[str] = frozenset()
    ) -> dict[int, Needs]:
        """What the NICs with policy ``auto`` need, by ifindex."""
        links = {link.index: link for link in picture.links}
        return {
            nic.link.index: _needs(
                nic, links, picture, marks=bool(nic.mask) or nic.link.name in rewriting
            )
            for nic in nics
            if nic.settings.sysctls == "auto"
        }

    def standing(self) -> frozenset[Hashable]:
        """The keys of all that we set: undone, it was undone by somebody."""
        knobs = {knob.file: knob for knob in Knob}
        places = self._memory or {}
        return frozenset((place.ifindex, knobs[place.file]) for place in places)

    async def carry_out(self, operation: Operation) -> Refusal | None:
        """Set one, once what stood there is on disk."""
        due = self._due.get(operation.key)
        if due is None:
            return None
        if not await self._save():
            return Refusal(operation, 0, "what stood there could not be remembered")
        try:
            if write(due) is not Written.DONE:
                self.distrust()  # somebody was quicker: look again
        except SysctlRefused as error:
            return Refusal(operation, 0, str(error))
        self.distrust()
        return None

    def close(self) -> None:
        """Stop listening."""
        if self._events:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    def _remembered(self, *, careful: bool) -> Memory:
        """What was changed here and not set back yet, from the file at first."""
        if self._memory is None and (careful or self._file.exists()):
            try:
                self._epoch = epoch()
                self._memory = self._saved = self._file.load(self._epoch)
            except Damaged as error:
                self._memory = {}
                self._audit.say(entries.state_damaged(str(error.file), str(error)))
            except OSError:
                return {}  # /proc/sys is hidden; what looks at the sysctls says so
        return self._memory or {}

    async def _save(self) -> bool:
        memory = self._memory or {}
        if memory == self._saved:
            return True
        if not self._epoch:
            return False
        try:
            await asyncio.to_thread(self._file.save, memory, self._epoch)
        except OSError as error:
            self._audit.once("write sysctls", entries.state_unwritable(str(self._file), error))
            return False
        self._audit.over("write sysctls", entries.state_writable(str(self._file)))
        self._saved = memory
        return True

    def _listen(self) -> None:
        """Open the netconf events; without them the periodic look has to do."""
        if self._events or self._ring is None:
            return
        try:
            self._events = NetconfEvents()
        except OSError:
            return
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._heard)

    def _heard(self) -> None:
        if self._events and self._ring and self._events.drain():
            self.distrust()
            self._ring()


def _notes(needs: Mapping[int, Needs], values: Values) -> dict[int, tuple[str, ...]]:
    """The advice, each at the NIC that it is about, or where that is not ours to set, at the first
    that needs it.
    """
    indexes = {one.nic: index for index, one in needs.items()}
    found: dict[int, tuple[str, ...]] = {}
    for one in advice(needs.values(), values):
        index = indexes.get(one.nic, next(iter(needs)))
        note = f"sysctls: {one.nic} {one.why}; next: {'; '.join(one.commands)}"
        found[index] = (*found.get(index, ()), note)
    return found


def _matters(nic: Nic) -> bool:
    return nic.settings.mode == "connmark" or nic.settings.sysctls == "auto"


def _needs(nic: Nic, links: Mapping[int, Link], picture: Picture, *, marks: bool) -> Needs:
    mode: ModeWord = "connmark" if marks else "source"
    # What expires came from an advertisement or a lease, and comes again.
    static6 = any(
        one.permanent and one.scope == Scope.GLOBAL and Family.of(one.ip) is Family.V6
        for one in nic.addresses
    )
    return needs_of(nic.link, mode, (links, picture.addresses), static6=static6)


def _operation(one: SysctlOperation, seat: int) -> Operation:
    thing = Chore(ThingKind.SYSCTL, typed(one.sysctl, one.value))
    return Operation(_PHASES[one.verb], "replace", one.key, thing, seat, one.because)
