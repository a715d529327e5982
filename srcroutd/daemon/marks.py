"""Keeps our table of nftables as the NICs in mode ``connmark`` and the entries with ``snat`` need
it: looked at when nftables changed, put back whole when somebody touched it, taken away when nobody
needs it.

A table of our name that is not ours is a conflict: said, and left alone (promise 3). Not knowing
takes no NIC out of the table (promise 2).
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Literal

from srcroutd.core import entries_chores
from srcroutd.core.errors import OperatorError
from srcroutd.core.marking import Marking
from srcroutd.core.marking_listing import Listing, expected
from srcroutd.core.marking_nft import FAMILY, TABLE
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind
from srcroutd.core.view import Refusal
from srcroutd.daemon.audit import Audit
from srcroutd.kernel.nft_events import NftEvents
from srcroutd.kernel.nftables import CONFLICT, MarkTable

KEY = "marks"
_SHOWN = 2
"""How many differences an entry of the record names."""


class Marks:
    """Keeps the table. ``ring`` is called when somebody changed it; None: nobody listens."""

    def __init__(self, audit: Audit, ring: Callable[[], None] | None) -> None:
        self._audit = audit
        self._ring = ring
        self._table = MarkTable()
        self._events: NftEvents | None = None
        self._found: Listing | None = None
        self._wanted: Marking | None = None
        self._looks = 0
        self._trouble = ""
        self._possible = False
        self.impossible = ""
        """Why connections cannot be marked here, empty if they can (or nobody asked)."""

    async def look(self, *, wanted: bool) -> str:
        """See how the table stands, if anybody wants one or an earlier run may have left it;
        returns why marking is not possible.

        What was possible once in this run stays so: a look that fails later takes nothing away.
        """
        self._looks += 1
        if not wanted and self._found is None and self._looks != _LEFTOVERS_AT:
            self.impossible = self._trouble = ""
            return ""
        if wanted:
            self._listen()
        self._trouble = ""
        try:
            self._found = await self._table.look()
            why = CONFLICT if self._found and self._found.foreign else ""
            self._possible = not why
        except OperatorError as error:
            self._trouble = why = str(error)
        self.impossible = why if wanted and not self._possible else ""
        self._tell(why if wanted else "")
        return self.impossible

    def _tell(self, why: str) -> None:
        if self.impossible:
            self._audit.once("marks", entries_chores.marks_unavailable(why))
        elif why:
            self._audit.once("marks", entries_chores.marks_unseen(why))
        else:
            self._audit.over("marks", entries_chores.marks_available())

    @property
    def conflicts(self) -> tuple[str, ...]:
        """A stranger's table in the place of ours, or why ours cannot be seen."""
        if self._found and self._found.foreign:
            return (CONFLICT,)
        return (self._trouble,) if self._trouble and self._possible else ()

    def operations(self, marking: Marking | None, *, unsure: bool) -> tuple[Operation, ...]:
        """What is to be done so that the table is this marking, None for no table.

        ``unsure``: of some NIC nothing is known at present, so what stands is not made smaller.
        """
        found = self._found
        self._wanted = marking
        if self._trouble or (found and found.foreign):
            return ()
        if marking is None:
            leave = found is None or unsure
            return () if leave else (self._delete("no connection has to be marked"),)
        if unsure and found and _shrinks(marking, found):
            return ()
        drift = self._table.drift(marking, found)
        return (_put(marking, found, drift),) if drift else ()

    def farewell(self) -> tuple[Operation, ...]:
        """What takes the table away, whoever put it, if it is ours."""
        return (self._delete("cleanup"),) if self._found and not self._found.foreign else ()

    async def look_for_leftovers(self) -> None:
        """See whether there is a table of ours; where there is no nft there is none."""
        try:
            self._found = await self._table.look()
        except OperatorError:
            self._found = None

    def standing(self) -> frozenset[Hashable]:
        """The key of the table if it is wanted: undone, it was undone by somebody."""
        return frozenset((KEY,)) if self._wanted else frozenset()

    async def carry_out(self, operation: Operation) -> Refusal | None:
        """Put the table or take it away."""
        try:
            if operation.verb == "delete":
                await self._table.remove()
                self._found = None
            elif self._wanted:
                await self._table.put(self._wanted)
        except OperatorError as error:
            return Refusal(operation, 0, str(error))
        return None

    def close(self) -> None:
        """Stop listening."""
        if self._events and self._ring:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    def _delete(self, because: str) -> Operation:
        thing = Chore(ThingKind.MARKS, f"nft table {FAMILY} {TABLE}")
        return Operation(Phase.DELETE_MARKS, "delete", KEY, thing, 0, because)

    def _listen(self) -> None:
        """Open the events of nftables; without them the periodic look has to do."""
        if self._events or self._ring is None:
            return
        try:
            self._events = NftEvents()
        except OSError:
            return
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._heard)

    def _heard(self) -> None:
        if self._events and self._ring and self._events.drain():
            self._ring()


_LEFTOVERS_AT = 3
"""The look that asks for a table that nobody wants, once, when the daemon has long been ready."""


def _shrinks(marking: Marking, found: Listing) -> bool:
    """Whether this marking would say less than what stands there."""
    rules = {chain: len(lines) for chain, lines in expected(marking).rules}
    return any(len(lines) > rules.get(chain, 0) for chain, lines in found.rules)


def _put(marking: Marking, found: Listing | None, drift: tuple[str, ...]) -> Operation:
    reasons = []
    if marking.nics:
        devices = " and ".join(nic.device for nic in marking.nics)
        reasons.append(f"replies to what came in by {devices}, containers' too")
    if marking.snats:
        sources = " and ".join(sorted({str(snat.source) for snat in marking.snats}))
        reasons.append(f"sources rewritten to {sources}")
    because = "; ".join(reasons)
    if found is not None:
        more = f" and {len(drift) - _SHOWN} more" if len(drift) > _SHOWN else ""
        because += f"; differs: {', '.join(drift[:_SHOWN])}{more}"
    thing = Chore(ThingKind.MARKS, f"nft table {FAMILY} {TABLE}: {marking}")
    verb: Literal["add", "replace"] = "replace" if found is not None else "add"
    return Operation(Phase.PUT_MARKS, verb, KEY, thing, 0, because)
