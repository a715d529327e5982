"""What the daemon knows and must not forget: inventory and numbers, with their files beside them.

A file that cannot be read or written is reported; the daemon goes on with what it has.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from srcroutd.core.config import Config
from srcroutd.core.inventory import Inventory, Reading, Unknown
from srcroutd.core.learn import forget, learn
from srcroutd.core.numbering import Domain, Seating
from srcroutd.core.plan import Observed
from srcroutd.daemon.audit import Audit, log
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
        if config.provider != "static":
            self._load_inventory(config)
        self._load_numbers()

    def _load_inventory(self, config: Config) -> None:
        try:
            inventory = self._store.load_inventory(time.time(), config.max_age_s)
        except Damaged as error:
            log.warning("%s", error)
        else:
            self.inventory = inventory or self.inventory
            self._saved = (inventory, None)

    def _load_numbers(self) -> None:
        try:
            numbers = self._store.load_numbers()
        except Damaged as error:
            log.warning("%s", error)
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
        self.domain = domain
        self.former = tuple(d for d in dict.fromkeys((*self.former, from_domain)) if d != domain)

    def former_cleared(self, observed: Observed[bytes]) -> None:
        """Forget the numbers of earlier configurations under which nothing of ours is left."""
        if not self.former:
            return
        rules, routes = observed.rules.values(), observed.routes.values()
        self.former = tuple(
            domain
            for domain in self.former
            if any(map(domain.owns_rule, rules)) or any(map(domain.owns_route, routes))
        )

    def check_origin(self, macs: Iterable[str]) -> None:
        """Facts of which no MAC is on this machine come from another one (a cloned image): not
        used.
        """
        present = set(macs)
        if present and self.inventory.enis and not present & self.inventory.enis.keys():
            log.warning(
                "the remembered facts name no NIC of this machine (a cloned image?): not used"
            )
            self.inventory = Inventory()

    def take(self, part: Reading | Unknown, present: Iterable[str]) -> None:
        """Learn from one part of a provider's answer, and say what changed."""
        if isinstance(part, Unknown):
            self.last_unknown = part
            self._audit.once("metadata", f"metadata: {part.reason}; routing stays as it is")
            return
        before = self.inventory
        after = forget(learn(before, part), present)
        self.inventory = before if after == before else after
        if part.listed is not None:
            self.confirmed = True
            self.read_at_s = time.time()
            self.last_unknown = None
            self._audit.over("metadata", f"metadata: {part.source} answers again")
        for mac, why in part.pending.items():
            self._audit.once(f"pending {mac}", f"metadata: {mac} waits: {why}", logging.INFO)
        for eni in part.enis:
            if before.enis.get(eni.mac) != eni:
                self._audit.over(f"pending {eni.mac}")
                log.info("metadata: %s", _difference(before, eni.mac, self.inventory))

    async def save(self) -> None:
        """Write what changed since the last call, off the loop."""
        inventory, numbers = self._saved
        wanted = Numbers(self.domain, self.former, self.seating)
        facts = replace(self.inventory, pending={}, unlisted=frozenset())
        # Facts that a person wrote stand in the configuration and are never remembered.
        if facts.enis and not facts.final and facts != inventory:
            await self._write(
                lambda: self._store.save_inventory(facts, time.time()), "inventory.json"
            )
        if wanted != numbers and (wanted.seating.seats or numbers):
            await self._write(lambda: self._store.save_numbers(wanted), "numbers.json")
        self._saved = (facts, wanted)

    async def _write(self, write: Callable[[], None], name: str) -> None:
        try:
            await asyncio.to_thread(write)
        except OSError as error:
            self._audit.once(
                f"write {name}",
                f"cannot write {name}: {error.strerror}; routing goes on, a reboot will miss it",
                logging.ERROR,
            )
        else:
            self._audit.over(f"write {name}", f"{name} can be written again")


def _difference(before: Inventory, mac: str, after: Inventory) -> str:
    """What a new record says that the old one did not, in a line."""
    eni, old = after.enis[mac], before.enis.get(mac)
    if old is None or old.id != eni.id:
        return f"{eni.id} ({mac}) is {_words(eni.v4)} {_words(eni.v6)}".rstrip()
    changes = []
    for name, new_half, old_half in (("v4", eni.v4, old.v4), ("v6", eni.v6, old.v6)):
        if new_half == old_half:
            continue
        if new_half is None or old_half is None:
            changes.append(f"{name} {'gone' if new_half is None else _words(new_half)}")
            continue
        changes += [
            f"+{ip}"
            for ip in (*new_half.addresses, *new_half.prefixes)
            if ip not in (*old_half.addresses, *old_half.prefixes)
        ]
        changes += [
            f"-{ip}"
            for ip in (*old_half.addresses, *old_half.prefixes)
            if ip not in (*new_half.addresses, *new_half.prefixes)
        ]
        if (new_half.subnet, new_half.gateway) != (old_half.subnet, old_half.gateway):
            changes.append(f"subnet {new_half.subnet} gateway {new_half.gateway}")
    return f"{eni.id} changed: {' '.join(changes) or 'order of addresses'}"


def _words(half: object) -> str:
    from srcroutd.core.inventory import Addressing

    if not isinstance(half, Addressing):
        return ""
    more = f" and {len(half.addresses) - 1} more" if len(half.addresses) > 1 else ""
    first = half.addresses[0] if half.addresses else "no address"
    return f"{first}{more} in {half.subnet} via {half.gateway}"
