"""What the configuration wants of the whole host, beyond its single NICs: one list of rules and
routes, from each policy's own file.

The rules lie in a band of their own, asked before the NICs' rules: access control first, then what
chooses the NIC of new connections (``Domain.access``, ``Domain.egress``). A policy that nobody
configured is not even loaded.
"""

from collections.abc import Callable, Iterable

from srcroutd.core.config import Config
from srcroutd.core.desired import Host, HostNic, NicDesired, Settings, Want
from srcroutd.core.inventory import Inventory
from srcroutd.core.join import Joined
from srcroutd.core.net import Address, Route, Rule
from srcroutd.core.numbering import Domain


def _access(config: Config, host: Host) -> NicDesired:
    if not config.access:
        return NicDesired()
    from srcroutd.core.access import derive_access

    return derive_access(config.access, host)


def _egress(config: Config, host: Host) -> NicDesired:
    if not config.egress:
        return NicDesired()
    from srcroutd.core.egress import derive_egress

    return derive_egress(config.egress, host, config.mark_mask)


def _load(config: Config, host: Host) -> NicDesired:
    if not config.load:
        return NicDesired()
    from srcroutd.core.load import derive_load

    return derive_load(config.load, host)


POLICIES: tuple[Callable[[Config, Host], NicDesired], ...] = (_access, _egress, _load)
"""Every policy: from the configuration and the host to what it wants."""


def derive_policies(config: Config, host: Host) -> NicDesired:
    """The rules and routes of all policies; ``notes`` name the entries that cannot be followed now,
    because a NIC or an address is not there.
    """
    parts = [policy(config, host) for policy in POLICIES]
    return NicDesired(
        _once(want for part in parts for want in part.routes),
        _once(want for part in parts for want in part.rules),
        tuple(note for part in parts for note in part.notes),
    )


def _once(wants: Iterable[Want]) -> tuple[Want, ...]:
    """Each thing once, with its first reason: two policies share the rules of ``unbound``."""
    found: dict[Rule | Route, Want] = {}
    for want in wants:
        found.setdefault(want.thing, want)
    return tuple(found.values())


def host_of(
    joined: Joined, inventory: Inventory, addresses: Iterable[Address], domain: Domain
) -> Host:
    """The host as policies see it: every device that could be an ENI, in the order of ifindexes."""
    bearing: dict[int, list[Address]] = {}
    for address in addresses:
        bearing.setdefault(address.index, []).append(address)
    nics = {nic.link.index: nic for nic in joined.nics}
    return Host(
        domain,
        tuple(
            HostNic(
                state.link,
                tuple(bearing.get(state.link.index, ())),
                inventory.enis.get(state.link.mac),
                nic.table if nic else 0,
                primary=state.primary,
                settings=nic.settings if nic else Settings(),
            )
            for state in joined.states
            for nic in (nics.get(state.link.index),)
        ),
    )
