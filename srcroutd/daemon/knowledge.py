"""What the daemon knows and must not forget: inventory and numbers, with their files beside them.

A file that cannot be read or written is reported; the daemon goes on with what it has.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from srcroutd.core import entries, entries_config
from srcroutd.core.config import Config
from srcroutd.core.difference import differences
from srcroutd.core.inventory import Inventory, Reading, Unknown
from srcroutd.core.learn import forget, learn
from srcroutd.core.main_table import MainInterest
from srcroutd.core.numbering import Domain, Seating
from srcroutd.core.plan import Observed
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.store import Damaged, Numbers, Store


class Knowledge:
    """The inventory and the seating, loaded once and saved when they change."""

    def __init__(self, config: Config, store: Store, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        self.inventory = Inventory()
        self.seating = Seating()
        self.former: tuple[Domain, ...] = ()
        self.domain = config.domain
        self.confirmed = False
        """The provider has told its whole list since the daemon started."""
        self.last_unknown: Unknown | None = None
        self.read_at_s: float | None = None
        """Unix time of the last whole answer in this run."""
        self._saved: tuple[Inventory | None, Numbers | None] = (None, None)
        self._waiting: frozenset[str] = frozenset()
        if config.provider != "static":
            self._load_inventory(config)
        self._load_numbers()

    def _load_inventory(self, config: Config) -> None:
        try:
            inventory = self._store.load_inventory(time.time(), config.max_age_s)
        except Damaged as error:
            self._audit.say(entries.state_damaged(str(error.file), str(error)))
        else:
            self.inventory = inventory or self.inventory
            self._saved = (inventory, None)

    def _load_numbers(self) -> None:
        try:
            numbers = self._store.load_numbers()
        except Damaged as error:
            self._audit.say(entries.state_damaged(str(error.file), str(error)))
            numbers = None
        if numbers is None:
            return
        self.seating = numbers.seating
        self.former = numbers.former
        self._saved = (self._saved[0], numbers)
        self.move_to(self.domain, numbers.domain)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All that is ours: the present numbers, then those of earlier configurations."""
        return (self.domain, *self.former)

    def move_to(self, domain: Domain, from_domain: Domain) -> None:
        """The configuration wants other numbers: what stands under the old ones is ours until it is
        cleared.
        """
        if domain.same_bands(from_domain):
            # What stands in main under other metrics is ours until it is cleared, too.
            self.domain = domain.with_metrics_of(from_domain)
            return
        self._audit.say(entries_config.numbers_moved(domain, from_domain))
        self.domain = domain
        self.former = tuple(d for d in dict.fromkeys((*self.former, from_domain)) if d != domain)

    def interest(self, configured: MainInterest) -> MainInterest:
        """What is to be looked at in main: what the configuration asks about, and its defaults as
        long as ours may be among them.
        """
        ours = any(domain.main_metrics for domain in self.domains)
        return replace(configured, defaults=configured.defaults or ours)

    def former_cleared(self, observed: Observed[bytes], configured: Domain) -> None:
        """Forget the numbers of earlier configurations under which nothing of ours is left."""
        if self.domain.main_metrics != configured.main_metrics:
            stands = any(
                self.domain.owns_route(route) and not configured.owns_route(route)
                for route in observed.routes.values()
            )
            self.domain = self.domain if stands else configured
        if not self.former:
            return
        rules, routes = observed.rules.values(), observed.routes.values()
        left = tuple(
            domain
            for domain in self.former
            if any(map(domain.owns_rule, rules)) or any(map(domain.owns_route, routes))
        )
        for domain in self.former:
            if domain not in left:
                self._audit.say(entries_config.numbers_cleared(domain))
        self.former = left

    def check_origin(self, macs: Iterable[str]) -> None:
        """Facts of which no MAC is on this machine come from another one (a cloned image): not
        used.
        """
        present = set(macs)
        if present and self.inventory.enis and not present & self.inventory.enis.keys():
            self._audit.say(entries.facts_of_another())
            self.inventory = Inventory()

    def take(self, part: Reading | Unknown, present: Mapping[str, str]) -> None:
        """Learn from one part of a provider's answer, and say what changed.

        ``present`` are the MACs that the kernel has, with the names of their NICs.
        """
        if isinstance(part, Unknown):
            self.last_unknown = part
            self._audit.once("metadata", entries.metadata_unknown(part))
            return
        before = self.inventory
        after = forget(learn(before, part), present)
        self.inventory = before if after == before else after
        if part.listed is not None:
            self.confirmed = True
            self.read_at_s = time.time()
            self.last_unknown = None
            self._audit.over("metadata", entries.metadata_answers(part.source))
        for mac, why in part.pending.items():
            waits = entries.eni_waits(mac, present.get(mac, ""), why)
            self._audit.once(f"pending {mac}", waits)
        if part.listed is not None:
            for mac in self._waiting - self.inventory.pending.keys():
                self._audit.over(f"pending {mac}")
            self._waiting = frozenset(self.inventory.pending)
        if self.inventory is not before:
            for entry in differences(before, self.inventory, present):
                self._audit.say(entry)

    async def save(self) -> None:
        """Write what changed since it was last written, off the loop; what cannot be written now is
        tried again at the next call.
        """
        inventory, numbers = self._saved
        wanted = Numbers(self.domain, self.former, self.seating)
        facts = replace(self.inventory, pending={}, unlisted=frozenset())
        # Facts that a person wrote stand in the configuration and are never remembered.
        if facts.enis and not facts.final and facts != inventory:
            save = partial(self._store.save_inventory, facts, time.time())
            if await self._written(save, self._store.inventory):
                inventory = facts
        if wanted != numbers and (wanted.seating.seats or numbers):
            save = partial(self._store.save_numbers, wanted)
            if await self._written(save, self._store.numbers):
                numbers = wanted
        self._saved = (inventory, numbers)

    async def _written(self, write: Callable[[], None], file: Path) -> bool:
        try:
            await asyncio.to_thread(write)
        except OSError as error:
            self._audit.once(f"write {file}", entries.state_unwritable(str(file), error))
            return False
        self._audit.over(f"write {file}", entries.state_writable(str(file)))
        return True
