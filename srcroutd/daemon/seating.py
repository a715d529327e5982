"""Seats for the ENIs that need one, checked against what strangers already have in the kernel.

A stranger's route in the table, or a stranger's rule among the priorities or pointing at the table,
makes a seat unusable for an ENI that has nothing there yet: it is reported and another seat is
chosen (promise 3). Where ours already stand, the seat was allotted before, and what a stranger put
beside them stays theirs.
"""

import asyncio
from collections.abc import Container, Hashable, Iterable, Mapping

from srcroutd.core import entries
from srcroutd.core.net import Rule
from srcroutd.core.numbering import PRIORITIES_A_SEAT, Domain, Seat, recovered, seat
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.eyes import Eyes
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.kernel.stranger import describe


class Seater:
    """Keeps ``knowledge.seating`` fit for the ENIs that are present."""

    def __init__(self, eyes: Eyes, knowledge: Knowledge, audit: Audit) -> None:
        self._eyes = eyes
        self._knowledge = knowledge
        self._audit = audit
        self._in_use: frozenset[int] = frozenset()
        self._done: tuple[object, ...] = ()
        self._found: set[int] = set()
        self.taken: dict[int, str] = {}
        self.policy_tables: frozenset[int] = frozenset()
        """Tables that policies had since the start; what is left in them must be seen."""

    def tables(self) -> frozenset[int]:
        """The tables that must be looked at: those of all seats, and those found with something of
        ours.
        """
        seats, domains = self._knowledge.seating.seats, self._knowledge.domains
        found = self._found | self.policy_tables
        return frozenset(d.table(s.number) for d in domains for s in seats) | found

    async def survey(self) -> None:
        """Look once at every table of our bands for what an earlier run left there."""
        for domain in self._knowledge.domains:
            for table in (*map(domain.table, domain.seats), *domain.policy_tables):
                routes = await self._eyes.look_at(table)
                if any(domain.owns_route(route) for route in routes.values()):
                    self._found.add(table)
            await asyncio.sleep(0)

    async def seat(
        self, wanted: tuple[tuple[str, str], ...], ours: Container[Hashable] = ()
    ) -> None:
        """Give the (ENI, MAC) pairs seats that no stranger uses. ``ours`` has keys of rules known
        to be ours.
        """
        knowledge = self._knowledge
        if self._done == (wanted, knowledge.seating, knowledge.domain):
            return
        clues, macs = self._clues(), {mac: eni for eni, mac in wanted}
        self._recover(clues, macs)
        # What stands in the kernel for a NIC whose facts are late is not given to another one.
        reserved = {
            number: f"{mac} has its routes there"
            for number, mac in clues.items()
            if mac not in macs and knowledge.seating.holder(number) is None
        }
        ids = {eni for eni, _ in wanted}
        strangers = self._strangers(ours)
        while True:
            seating, exhausted = seat(
                knowledge.seating, wanted, knowledge.domain, self.taken | reserved
            )
            fresh = [s for s in seating.seats if s.eni in ids and s.number not in self._in_use]
            conflicts = {
                s.number: why for s in fresh if (why := await self._conflict(s, strangers))
            }
            if not conflicts:
                break
            for number, why in conflicts.items():
                table = knowledge.domain.table(number)
                entry = entries.seat_conflict(number, table, why)
                self._audit.once(f"conflict {number}", entry)
            self.taken |= conflicts
        for lost in exhausted:
            self._audit.once(f"seat {lost.eni}", entries.seats_exhausted(lost.eni))
        knowledge.seating = seating
        self._in_use = frozenset(s.number for s in seating.seats if s.eni in ids)
        self._done = (wanted, seating, knowledge.domain)

    def _clues(self) -> dict[int, str]:
        """The numbers that the kernel shows: those of tables with a route of ours through a NIC."""
        domain = self._knowledge.domain
        macs = {link.index: link.mac for link in self._eyes.picture.links}
        return {
            seat: macs[route.oif]
            for route in self._eyes.picture.routes.values()
            for seat in (domain.seat_of(route),)
            if domain.owns_route(route) and seat in domain.seats and route.oif in macs
        }

    def _recover(self, clues: Mapping[int, str], ids: Mapping[str, str]) -> None:
        """Numbers that were lost or not written down are read off the kernel, where they stand."""
        known = self._knowledge.seating.seats
        self._knowledge.seating = recovered(self._knowledge.seating, clues, ids)
        for one in self._knowledge.seating.seats[len(known) :]:
            self._audit.say(entries.seat_recovered(one))

    async def _conflict(self, one: Seat, strangers: tuple[Rule, ...]) -> str:
        """What a stranger has where this seat's things would go; empty if nothing, or ours stand
        there too.
        """
        domain = self._knowledge.domain
        table = domain.table(one.number)
        routes = await self._eyes.look_at(table)
        domains = self._knowledge.domains
        if any(d.owns_route(route) for route in routes.values() for d in domains):
            return ""
        for key in routes:
            words = await asyncio.to_thread(describe, "route", key)
            return f"table {table} already holds a stranger's {words}"
        return _conflicting_rule(strangers, domain, one.number)

    def _strangers(self, ours: Container[Hashable]) -> tuple[Rule, ...]:
        domains, rules = self._knowledge.domains, self._eyes.picture.rules
        unsure = (rules[key] for key in rules if key not in ours)
        return tuple(rule for rule in unsure if not any(d.owns_rule(rule) for d in domains))


def _conflicting_rule(strangers: Iterable[Rule], domain: Domain, number: int) -> str:
    first, table = domain.priority(number), domain.table(number)
    for rule in strangers:
        if rule.table == table or first <= rule.priority < first + PRIORITIES_A_SEAT:
            return f"a rule {rule} (protocol {rule.protocol}) already uses number {number}"
    return ""
