"""The one loop and the one owner of state: bells ring, a round looks, plans, applies and looks
again.

A bell says "look", never what to do (promise 1). All decisions are pure functions in core; this
file brings them what they need and has their operations carried out.
"""

import asyncio
import gc
import time
from dataclasses import dataclass

from srcroutd.core import entries
from srcroutd.core.config import Config
from srcroutd.core.inventory import Reading, Unknown
from srcroutd.core.join import nics_by_mac
from srcroutd.core.net import Route, Rule
from srcroutd.core.operation import Operation
from srcroutd.core.pacing import Backoff, round_due_s
from srcroutd.core.plan import Pruning, in_order, plan, with_devs, with_seats
from srcroutd.core.prune import Situation, reasons
from srcroutd.core.view import Cleaned, View
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.bell import Bell
from srcroutd.daemon.chores import Chores
from srcroutd.daemon.cleanup import clean
from srcroutd.daemon.disputes import Disputes
from srcroutd.daemon.errands import Errands
from srcroutd.daemon.eyes import Eyes
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.meter import Meter
from srcroutd.daemon.outcome import Outcome
from srcroutd.daemon.outlook import Outlook
from srcroutd.daemon.seating import Seater
from srcroutd.daemon.viewing import Viewer
from srcroutd.kernel.errors import TornDump

PASSES = 4
"""Looks, plans and applications in one round before the rest is left to the next."""
CALM_BACKOFF = Backoff(0.2, 30.0)
"""Pauses after a round that the kernel refused something in."""


RESTLESS = "the kernel keeps changing"
STANDING_BY = "standing by since srcroutctl cleanup"


@dataclass(frozen=True, slots=True)
class Kernel:
    """How the reconciler sees and changes the kernel."""

    eyes: Eyes
    hands: Hands
    chores: Chores


class Reconciler:
    """Keeps the kernel as the facts want it."""

    def __init__(self, config: Config, kernel: Kernel, knowledge: Knowledge, audit: Audit) -> None:
        self._eyes = eyes = kernel.eyes
        self._hands = hands = kernel.hands
        self._chores = kernel.chores
        self._knowledge = knowledge
        self._audit = audit
        self._seater = Seater(eyes, knowledge, audit)
        self.outlook = Outlook(config, knowledge, self._seater, hands)
        self._viewer = Viewer(knowledge, self.outlook)
        self.meter = Meter()
        self._disputes = Disputes(audit, self.meter, self.outlook.who)
        self.bell = Bell()
        self._errands = Errands()
        self._inbox: list[Reading | Unknown] = []
        self._pending: tuple[Operation, ...] = ()
        self._contested = 0
        self._standing_by = False
        self._troubles = CALM_BACKOFF
        self._round_ended = self._looked_at_all = -1e9
        self._round_s = 0.0
        self.outcome = Outcome()

    async def start(self) -> None:
        """Look at everything for the first time, and at what an earlier run left."""
        await self._eyes.look(())
        picture = self._eyes.picture
        self._knowledge.check_origin(nics_by_mac(picture.links, picture.addresses))
        await self._seater.survey()
        self._eyes.distrust()
        # What is loaded by now stays: walking it at each full collection stalls the loop by 10 ms.
        gc.collect()
        gc.freeze()
        await asyncio.sleep(0)

    def deliver(self, part: Reading | Unknown) -> None:
        """Take a part of the provider's answer into the next round."""
        self._inbox.append(part)
        self.bell.ring()

    def reconfigure(self, config: Config) -> None:
        """Use another configuration from the next round on."""
        self._knowledge.move_to(config.domain, self._knowledge.domain)
        self.outlook.config = config
        self._eyes.distrust()
        self.bell.ring()

    async def cleanup(self, *, dry_run: bool) -> Cleaned:
        """Remove all that is ours in the next round, then stand by: look, but change nothing.

        With ``dry_run`` only tell. Raises what the kernel refuses to show.
        """
        asked = self._errands.cleanup(dry_run=dry_run)
        self.bell.ring()
        return await asked

    async def reconcile(self) -> Outcome:
        """Look at everything again in a round of its own, now; ends standing by."""
        if self._standing_by:
            self._audit.say(entries.resumed())
        self._standing_by = False
        self._disputes.forgive()
        self._distrust()
        asked = self._errands.end_of_round()
        self.bell.ring()
        return await asked

    async def foresee(self) -> Outcome:
        """What a round would do now, without doing it."""
        free, held = await self._next_operations()
        pending = (*free, *held)
        self.outcome = Outcome(
            in_sync=not pending,
            why=f"{len(pending)} changes are due" if pending else "",
            joined=self.outlook.joined,
            pending=pending,
        )
        return self.outcome

    def view(self, provider: str, *, by_daemon: bool = True) -> View:
        """The view of now, for people."""
        return self._viewer.view(self.outcome, self._eyes.picture, provider, by_daemon=by_daemon)

    async def wait(self, at_most_s: float) -> bool:
        """Wait until a round is due, folding bells; False if the time ran out first."""
        due_s = self._due_s()
        try:
            async with asyncio.timeout(max(0.0, min(at_most_s, due_s))):
                await self.bell.event.wait()
        except TimeoutError:
            return due_s <= at_most_s
        bell = self.bell
        ended = self._round_ended
        while True:
            pause_s = round_due_s(time.monotonic(), bell.first, bell.last, ended, self._round_s)
            if pause_s <= 0:
                return True
            await asyncio.sleep(pause_s)

    def _distrust(self) -> None:
        self._eyes.distrust()
        self._chores.distrust()

    def _due_s(self) -> float:
        """Seconds until a round is due without any bell."""
        now = time.monotonic()
        times = [self._looked_at_all + self.outlook.config.look_s - now]
        if self._troubles.failures:
            times.append(self._round_ended + self._troubles.pause_s(0.5) - now)
        if (retry_s := self._disputes.next_retry_s()) is not None:
            times.append(retry_s)
        if (due_s := self._chores.due_s()) is not None:
            times.append(due_s)
        return min(times)

    async def round(self) -> Outcome:
        """Look, plan, apply and look again until nothing is to do."""
        self.bell.event.clear()
        waiting = self._errands.take_waiting()
        self._audit.generation = self.outcome.generation + 1
        began = time.monotonic()
        if began - self._looked_at_all >= self.outlook.config.look_s:
            self._distrust()
            self._looked_at_all = began
        applied: list[Operation] = []
        try:
            await self._clean(applied)
            why = await self._passes(applied)
        except TornDump as error:
            why = str(error)
            self._audit.once("unsettled", entries.unsettled(why))
        await self._record(applied, why)
        troubled = why and not self._standing_by
        self._troubles = self._troubles.failed() if troubled else CALM_BACKOFF
        self._round_ended = time.monotonic()
        self._round_s = self._round_ended - began
        self.meter.round_ended(
            self._round_s, in_sync=not why, contested=self._contested, at_s=time.time()
        )
        if self._eyes.unanswered():
            self.bell.ring()
        for asked in waiting:
            if not asked.done():
                asked.set_result(self.outcome)
        return self.outcome

    async def _clean(self, applied: list[Operation]) -> None:
        """Do the cleanups that were asked for."""
        domains = self._knowledge.domains
        for cleaned in await self._errands.clean(
            lambda dry_run: clean(domains, self._chores, dry_run=dry_run)
        ):
            self._standing_by = True
            self._disputes.nothing_stands()
            self._eyes.distrust()
            applied += cleaned.operations
            self._audit.say(entries.standing_by(len(cleaned.operations)))

    async def _passes(self, applied: list[Operation]) -> str:
        """Pass after pass until in sync; returns why not, empty when in sync."""
        for _ in range(PASSES):
            operations, held = await self._next_operations()
            self._pending = (*operations, *held)
            self._contested = len(held)
            if self._standing_by:
                return STANDING_BY
            if not operations:
                if not held:
                    chores = self._chores.standing()
                    self._disputes.stands(self.outlook.desired, chores, self._eyes.picture)
                return f"{len(held)} contested" if held else ""
            await asyncio.sleep(0)
            disturbed = self._eyes.disturbed
            done, refused = await self._hands.apply(operations)
            self._disputes.restored(done, disturbed=disturbed)
            applied += done
            for refusal in refused:
                self._audit.refused(refusal, self.outlook.who(refusal.operation.seat))
            rules = any(isinstance(op.thing, Rule) for op in operations)
            routes = any(isinstance(op.thing, Route) for op in operations)
            self._eyes.expect_changes(rules=rules, routes=routes)
            if refused and not done:
                self._pending = (*(refusal.operation for refusal in refused), *held)
                return f"the kernel refused {refused[0].operation}: {refused[0].words}"
        self._audit.once("unsettled", entries.unsettled(RESTLESS))
        return RESTLESS

    async def _next_operations(self) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
        """What is to do now, and the operations that are held back because they are contested."""
        looked_at = self._seater.tables()
        self._eyes.watch_main(self._knowledge.interest(self.outlook.config.main))
        picture = await self._eyes.look(looked_at)
        inbox, self._inbox = self._inbox, []
        if inbox:
            names = {link.mac: link.name for link in picture.links}
            nics = nics_by_mac(picture.links, picture.addresses)
            names |= {mac: link.name for mac, link in nics.items()}
            for part in inbox:
                self._knowledge.take(part, names)
        self.outlook.unmarkable = await self._chores.look(self.outlook.config)
        await self.outlook.update(picture)
        while not self._seater.tables() <= looked_at:
            looked_at = self._seater.tables()
            self._eyes.look_at_routes()
            await self._eyes.look(looked_at)
            # That look may have taken in news of links, too.
            await self.outlook.update(picture)
        self._eyes.expected_rules = self.outlook.desired.rules.keys()
        await asyncio.sleep(0)
        operations = plan(self.outlook.desired, picture.observed, self._pruning())
        await asyncio.sleep(0)
        outlook = self.outlook
        chores = await self._chores.operations(outlook, picture, outlook.who, self._knowledge)
        outlook.remarks = self._chores.notes
        if chores:
            operations = in_order((*operations, *chores))
        seats = {nic.link.index: nic.seat for nic in self.outlook.joined.nics}
        return self._disputes.part(with_seats(with_devs(operations, picture.names), seats))

    def _pruning(self) -> Pruning:
        knowledge = self._knowledge
        situation = Situation(
            knowledge.domain,
            self.outlook.joined,
            knowledge.seating,
            frozenset(link.mac for link in self._eyes.picture.links),
            knowledge.confirmed,
            policies_wait=bool(self.outlook.policies.notes),
        )
        return Pruning(knowledge.domains, reasons(situation))

    async def _record(self, applied: list[Operation], why: str) -> None:
        """Put the round on the record, then save what must survive a reboot."""
        generation = self.outcome.generation + bool(applied)
        self.outcome = Outcome(
            generation=generation,
            in_sync=not why,
            why=why,
            joined=self.outlook.joined,
            operations=len(applied),
            pending=self._pending,
            conflicts=(*self._disputes.conflicts, *self._chores.conflicts),
            changed_at_s=time.time() if applied else self.outcome.changed_at_s,
            standing_by=self._standing_by,
        )
        self._viewer.note(self.outcome.joined)
        for start in range(0, len(applied), 100):
            named = [(op, self.outlook.who(op.seat)) for op in applied[start : start + 100]]
            self._audit.applied(generation, named)
            await self._audit.breathe()
        self._disputes.forget_old()
        if not why:
            self._audit.settled()
            self._audit.over("unsettled", entries.settled())
            self._knowledge.former_cleared(self._eyes.picture.observed, self.outlook.config.domain)
        await self._knowledge.save()
        self._audit.generation = generation
