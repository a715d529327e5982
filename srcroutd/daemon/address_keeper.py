"""Keeps the ENIs' addresses on their NICs where the configuration says so: looks, plans, remembers
and carries out. All that decides is in ``core.assign``.
"""

import asyncio
import errno
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from srcroutd.core import entries, entries_chores
from srcroutd.core.assign import candidates, needed, plan_addresses
from srcroutd.core.assign_leave import Known, cleaned, leaves
from srcroutd.core.assign_values import Clock, Memory, Placed, Sight, Wishes
from srcroutd.core.assigned import PutAddress, RaiseLink, TakeAddress
from srcroutd.core.join import Joined, could_be_eni
from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import IP, Link, Route
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Operation
from srcroutd.core.view import Refusal
from srcroutd.daemon.assigned_memory import AssignedMemory
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.nic_managers import managers
from srcroutd.daemon.store import Damaged
from srcroutd.kernel.epoch import epoch
from srcroutd.kernel.messages import Message, add_address, delete_address, set_up
from srcroutd.kernel.requests import Requests

PATIENCE_S = 8.0
"""How long a NIC has to be there without anybody who manages it before nobody does: a DHCP client
that is started by its arrival needs a moment.
"""
CONTAINERS = frozenset(("veth", "netkit", "ipvlan", "macvlan"))
"""Kinds of devices (IFLA_INFO_KIND) behind which somebody may already have an address of an ENI."""

GONE = frozenset((errno.EADDRNOTAVAIL, errno.ENODEV))
"""On a delete: it is not there, which is what was wanted."""


class AddressKeeper:
    """Remembers what is ours among the NICs' addresses; ``notes`` are for status, by ifindex."""

    def __init__(self, memory: AssignedMemory, audit: Audit) -> None:
        self._file = memory
        self._audit = audit
        self._requests: Requests | None = None
        self._memory: Memory | None = None
        self._saved: frozenset[Placed] = frozenset()
        self._to_save: frozenset[Placed] = frozenset()
        self._alone_since: dict[int, float] = {}
        self._duplicates: dict[str, Placed] = {}
        self._standing: frozenset[Hashable] = frozenset()
        self.notes: Mapping[int, tuple[str, ...]] = {}

    async def operations(
        self, joined: Joined, picture: Picture, knowledge: Knowledge
    ) -> tuple[Operation, ...]:
        """What is to do about addresses now."""
        protocols = tuple(dict.fromkeys(domain.protocol for domain in knowledge.domains))
        known = Known(joined, knowledge.inventory, knowledge.confirmed)
        wishes = Wishes(joined.nics, protocols, leaves(known))
        sight = Sight(picture.links, picture.addresses)
        if not needed(wishes, sight, self._remembered()):
            self._alone_since, self.notes = {}, {}
            return ()
        sight = replace(sight, managers=self._managers(picture, joined))
        sight = replace(sight, elsewhere=await self._elsewhere(wishes, sight))
        return self._plan(wishes, sight, Clock(time.time(), knowledge.read_at_s))

    async def farewell(
        self, links: Sequence[Link], domains: Iterable[Domain]
    ) -> tuple[Operation, ...]:
        """What takes away every address that was put here."""
        protocols = tuple(dict.fromkeys(domain.protocol for domain in domains))
        sight = Sight(tuple(links), await self._asked().addresses())
        return self._plan(Wishes((), protocols, cleaned), sight, Clock(time.time()))

    def _plan(self, wishes: Wishes, sight: Sight, clock: Clock) -> tuple[Operation, ...]:
        plan = plan_addresses(wishes, sight, self._remembered(), clock)
        self._memory, self.notes = plan.memory, plan.notes
        self._to_save = frozenset() if sight.tells_protocols else plan.memory.put
        names = {link.index: link.name for link in sight.links}
        for place in plan.let_go:
            name = names.get(place.ifindex, "")
            self._audit.say(entries_chores.address_let_go(place.interface, name))
        self._tell_duplicates(plan.duplicates, names)
        return plan.operations

    def standing(self) -> frozenset[Hashable]:
        """Keys of what was put in this run: if it has to be put again, somebody has undone it."""
        return self._standing

    async def carry_out(self, operation: Operation) -> Refusal | None:
        """Do one; None if it is done. What has to be remembered is written down before an address
        is put, and struck out after one was taken away.
        """
        key = operation.key
        if isinstance(key, PutAddress) and (words := await self._save()):
            return Refusal(operation, errno.EACCES, words)
        for failure in await self._asked().execute([_message(operation)]):
            if operation.verb != "delete" or failure.errno not in GONE:
                self._forget(key)
                return Refusal(operation, failure.errno, failure.words)
        self._standing = frozenset(_after(key, self._standing))
        if isinstance(key, TakeAddress):
            self._forget(key)
            await self._save()
        return None

    def _forget(self, key: Hashable) -> None:
        """An address was taken away, or never put: it is not ours."""
        if isinstance(key, PutAddress | TakeAddress):
            place = (key.index, key.interface)
            memory = self._remembered()
            left = frozenset(one for one in memory.put if (one.ifindex, one.interface) != place)
            self._memory = replace(memory, put=left)
            self._to_save &= left

    def due_s(self) -> float | None:
        """Seconds until a NIC has been alone for long enough; None where none waits for that."""
        now = time.monotonic()
        waits = (since + PATIENCE_S - now for since in self._alone_since.values())
        return min((wait for wait in waits if wait > 0), default=None)

    def _tell_duplicates(self, places: Iterable[Placed], names: Mapping[int, str]) -> None:
        said = {f"duplicate {place.ifindex} {place.interface}": place for place in places}
        for topic, place in said.items():
            name = names.get(place.ifindex, "")
            self._audit.once(topic, entries_chores.address_duplicate(place.interface, name))
        for topic in self._duplicates.keys() - said.keys():
            self._audit.over(topic)
        self._duplicates = said

    def close(self) -> None:
        """Close the line to the kernel."""
        if self._requests:
            self._requests.close()
            self._requests = None

    def _asked(self) -> Requests:
        """The line to the kernel, of our own: what we change there rings the daemon's bell, as it
        has to, because IPv4 routes may go with an address.
        """
        if self._requests is None:
            self._requests = Requests()
        return self._requests

    def _remembered(self) -> Memory:
        """What was put here and not taken away yet, from the file at first."""
        if self._memory is None:
            put: frozenset[Placed] = frozenset()
            try:
                # Most hosts have no such file, and need not name their epoch.
                put = self._file.load(epoch()) if self._file.exists() else put
            except Damaged as error:
                self._audit.say(entries.state_damaged(str(error.file), str(error)))
            except OSError:
                pass  # nobody can tell whether it is of this boot: nothing in it is ours
            self._saved = self._to_save = put
            self._memory = Memory(put)
        return self._memory

    async def _save(self) -> str:
        """Write what has to be remembered; returns why not, empty if it is written."""
        wanted, file = self._to_save, str(self._file)
        if wanted == self._saved:
            return ""
        try:
            now = epoch()
        except OSError:
            return (
                "this kernel does not tell who put an address, and /proc/sys is hidden, so it "
                "could not be told from others after a restart; next: ProcSubset=all (systemctl "
                'edit srcroutd), or addresses = "leave"'
            )
        try:
            await asyncio.to_thread(self._file.save, wanted, now)
        except OSError as error:
            self._audit.once("write addresses", entries.state_unwritable(file, error))
            return f"{file} cannot be written: {error.strerror}"
        self._audit.over("write addresses", entries.state_writable(file))
        self._saved = wanted
        return ""

    def _managers(self, picture: Picture, joined: Joined) -> dict[int, str]:
        """Who cares for the NICs that get addresses; nobody only if that lasted for a while."""
        now = time.monotonic()
        links = [nic.link for nic in joined.nics if nic.settings.addresses == "assign"]
        found = managers(links, picture.addresses)
        since = self._alone_since
        self._alone_since = {
            index: since.get(index, now) for index, who in found.items() if not who
        }
        return {
            index: who or ("" if self._has_waited(index, now) else "whoever may come to manage it")
            for index, who in found.items()
        }

    def _has_waited(self, index: int, now: float) -> bool:
        return now - self._alone_since[index] >= PATIENCE_S

    async def _elsewhere(self, wishes: Wishes, sight: Sight) -> dict[IP, str]:
        """The addresses about to be put that the host sends into a container."""
        kinds = {link.index: link for link in sight.links if link.kind in CONTAINERS}
        boxes = {index: link for index, link in kinds.items() if not could_be_eni(link)}
        if not boxes:
            return {}
        found: dict[IP, str] = {}
        for ip in candidates(wishes, sight):
            answer = await self._asked().way_of(Packet(ip), {})
            if isinstance(answer, Route) and answer.oif in boxes:
                found[ip] = boxes[answer.oif].name
        return found


def _message(operation: Operation) -> Message:
    match operation.key:
        case PutAddress() as put:
            return add_address(put, replace=operation.verb == "replace")
        case TakeAddress(index, own):
            return delete_address(index, own)
        case RaiseLink(index):
            return set_up(index)
    raise ValueError(f"{operation} is not about an address")


def _after(key: Hashable, standing: frozenset[Hashable]) -> Iterator[Hashable]:
    """What we put in this run and have not taken away, after one more operation."""
    if not isinstance(key, TakeAddress):
        yield key
    place = (key.index, key.interface) if isinstance(key, TakeAddress) else None
    for other in standing:
        if not isinstance(other, PutAddress) or (other.index, other.interface) != place:
            yield other
