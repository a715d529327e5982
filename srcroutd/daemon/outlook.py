"""From the view of the kernel and what is known to what should be; derived again only where an
input changed.

The work of a round is here kept proportional to what changed: equal inputs give the very objects of
the last round, and a NIC is derived (and encoded) again only when its own link, addresses, facts or
numbers changed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from srcroutd.core.config import Config
from srcroutd.core.derive import derive
from srcroutd.core.desired import Host, ModeWord, Nic, NicDesired, Want
from srcroutd.core.entry import Who
from srcroutd.core.inventory import Inventory
from srcroutd.core.join import Joined, join, nics_by_mac, primary_mac, to_seat
from srcroutd.core.main_join import owner, with_main
from srcroutd.core.marking_choice import with_masks
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import Link, Route, Rule
from srcroutd.core.plan import Desired
from srcroutd.core.policies import derive_policies, host_of
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.seating import Seater
from srcroutd.kernel.codec_route import encode_route
from srcroutd.kernel.codec_rule import encode_rule

_Keyed = tuple[Nic, dict[bytes, Want], dict[bytes, Want], NicDesired]


class Outlook:
    """Keeps ``desired``, ``joined`` and ``links`` in step with the view and the knowledge."""

    def __init__(self, config: Config, knowledge: Knowledge, seater: Seater, hands: Hands) -> None:
        self.config = config
        self._knowledge = knowledge
        self._seater = seater
        self._hands = hands
        self._inputs: tuple[object, ...] = ()
        self._derived: dict[int, _Keyed] = {}
        self.remarks: Mapping[int, tuple[str, ...]] = {}
        """Notes on NICs by those who keep more than rules and routes, by ifindex."""
        self.links: dict[str, Link] = {}
        self.joined = Joined()
        self.unmarkable = ""
        """Why connections cannot be marked here, empty if they can."""
        self.desired: Desired[bytes] = Desired({}, {})
        self.policies = NicDesired()
        self.snats: tuple[Snat, ...] = ()
        """The sources that our table of nftables is to rewrite."""
        self._host: tuple[Config, Host, str] | None = None
        self._policies: tuple[dict[bytes, Want], dict[bytes, Want]] = ({}, {})

    async def update(self, view: Picture) -> None:
        """Bring everything up to date; nothing is done when no input changed."""
        knowledge = self._knowledge
        inputs = (
            *(view.links, view.addresses, view.main),
            *(knowledge.inventory, knowledge.domain, knowledge.former),
            *(self.config, self.unmarkable),
        )
        if all(new is old for new, old in zip(inputs, self._inputs, strict=False)) and self._inputs:
            return
        self.links = nics_by_mac(view.links, view.addresses)
        primary = await self._primary(knowledge.inventory, view)
        settings = self.config.settings
        wanted = to_seat(knowledge.inventory, self.links, primary, settings)
        await self._seater.seat(wanted, ours=self.desired.rules)
        await asyncio.sleep(0)
        joined = join(
            knowledge.inventory,
            self.links,
            view.addresses,
            seating=knowledge.seating,
            domain=knowledge.domain,
            primary=primary,
            settings=settings,
            taken=self._seater.taken,
        )
        nics = with_masks(joined.nics, self.config.mark_mask, self.unmarkable)
        joined = replace(joined, nics=nics)
        ours = owner(knowledge.domains, knowledge.seating, view.links)
        self.joined = with_main(joined, view.main, ours, view.names, primary)
        await asyncio.sleep(0)
        await self._derive(view)
        # As it was at the start: what changed while we yielded counts as new next time.
        self._inputs = inputs

    def who(self, seat: int) -> Who:
        """NIC and ENI of a seat."""
        if known := self._derived.get(seat):
            return Who(known[0].link.name, known[0].eni.id, seat)
        holder = self._knowledge.seating.holder(seat)
        return Who(eni=holder.eni if holder else "", seat=seat)

    def of_seat(self, seat: int) -> NicDesired:
        """What the NIC of a seat should have; nothing where nothing is derived for it."""
        known = self._derived.get(seat)
        if known is None:
            return NicDesired()
        remarks = self.remarks.get(known[0].link.index, ())
        return replace(known[3], notes=(*known[3].notes, *remarks)) if remarks else known[3]

    def mode_of_seat(self, seat: int) -> ModeWord:
        """The mode that the NIC of a seat is in."""
        known = self._derived.get(seat)
        return "connmark" if known and known[0].mask else "source"

    async def _primary(self, inventory: Inventory, view: Picture) -> str | None:
        """The primary's MAC; learned from the default route once where the cloud does not say, then
        kept.
        """
        if not inventory.enis:
            return None
        if told := primary_mac(inventory, self.links, default_oif=0):
            return told
        default_oif = await self._hands.default_oif()
        if self._is_by_ours(default_oif, view):
            return None  # the primary's own is not there now; a secondary must not pass for it
        primary = primary_mac(inventory, self.links, default_oif)
        if primary:
            self._knowledge.inventory = replace(inventory, primary=primary)
        return primary

    def _is_by_ours(self, oif: int, view: Picture) -> bool:
        """Whether the only defaults of main by a NIC bear our mark; its number may not be known."""
        found = [one.route for one in view.main.defaults if oif in one.oifs]
        domains = self._knowledge.domains
        return bool(found) and all(
            any(domain.owns_route(route) for domain in domains) for route in found
        )

    async def _derive(self, view: Picture) -> None:
        rules: dict[bytes, Want] = {}
        routes: dict[bytes, Want] = {}
        derived: dict[int, _Keyed] = {}
        for nic in self.joined.nics:
            known = self._derived.get(nic.seat)
            if known is None or known[0] != nic:
                known = _keyed(nic)
                await asyncio.sleep(0)
            derived[nic.seat] = known
            rules.update(known[1])
            routes.update(known[2])
        self._derived = derived
        self._derive_policies(view)
        rules.update(self._policies[0])
        routes.update(self._policies[1])
        self.desired = Desired(rules, routes)

    def _derive_policies(self, view: Picture) -> None:
        knowledge = self._knowledge
        host = host_of(self.joined, knowledge.inventory, view.addresses, knowledge.domain)
        inputs = (self.config, host, self.unmarkable)
        if self._host == inputs:
            return
        self.policies = derive_policies(self.config, host)
        self._policies = _encoded(self.policies)
        self._host = inputs
        self.snats = ()
        if self.config.egress and not self.unmarkable:
            from srcroutd.core.egress import derive_snats

            self.snats = derive_snats(self.config.egress, host, self.config.mark_mask)
        tables = {want.thing.table for want in self.policies.routes}
        self._seater.policy_tables |= tables


def _keyed(nic: Nic) -> _Keyed:
    wanted = derive(nic)
    return nic, *_encoded(wanted), wanted


def _encoded(wanted: NicDesired) -> tuple[dict[bytes, Want], dict[bytes, Want]]:
    """Rules and routes by the kernel's own bytes."""
    rules = {encode_rule(want.thing): want for want in wanted.rules if isinstance(want.thing, Rule)}
    routes = {
        encode_route(want.thing): want for want in wanted.routes if isinstance(want.thing, Route)
    }
    return rules, routes
