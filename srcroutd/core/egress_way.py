"""Where the new connections of an entry can go now: by which NIC, from which address; or why
nowhere.

Promise: an address that is not on its NIC, or that nothing would lead back out of its NIC, is never
given to a connection. The connection then goes as if there were no entry.
"""

from dataclasses import dataclass

from srcroutd.core.desired import Host, HostNic
from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.inventory import Addressing
from srcroutd.core.net import IP, Family, Network, Scope


@dataclass(frozen=True, slots=True)
class Way:
    """Out by ``nic`` through ``gateway``, from ``source``."""

    nic: HostNic
    source: IP
    gateway: IP
    subnet: Network | None = None

    @property
    def onlink(self) -> bool:
        """Whether the kernel has to be told that the gateway is on the link."""
        return self.subnet is None or self.gateway not in self.subnet


def way_of(entry: EgressEntry, family: Family, host: Host) -> Way | str:
    """The way of one family of an entry; a clause instead that says why there is none now."""
    nic = host.nic(entry.nic) if entry.nic else _bearer(entry.source, family, host)
    if nic is None:
        return f"{entry.nic or entry.source} is not on this host"
    name, eni = nic.link.name, nic.eni
    if eni is None:
        return f"nobody has explained {name} yet"
    if not nic.link.up:
        return f"{name} is down"
    if not nic.table and not nic.primary:
        # The kernel looks a connection up again with the source it got, and only a rule for that
        # address leads the second look-up to the same NIC.
        return f"{name} is left alone, so no rule leads its addresses out by it"
    addressing = eni.addressing(family) if nic.settings.wants(family) else None
    if addressing is None or addressing.gateway is None:
        return f"{name} has no managed IP{family.name.lower()} gateway"
    usable = usable_addresses(nic, addressing, family)
    source = entry.source or (usable[0] if usable else None)
    if source is None or source not in usable:
        return f"{source or f'an IP{family.name.lower()} address'} is not on {name}"
    return Way(nic, source, addressing.gateway, addressing.subnet)


def _bearer(source: IP | None, family: Family, host: Host) -> HostNic | None:
    """The NIC that bears an address; where two do, the one whose ENI lists it."""
    bearers = [nic for nic in host.nics if any(one.ip == source for one in nic.addresses)]
    return min(bearers, key=lambda nic: not _lists(nic, source, family), default=None)


def _lists(nic: HostNic, source: IP | None, family: Family) -> bool:
    addressing = nic.eni.addressing(family) if nic.eni else None
    return addressing is not None and source in addressing.addresses


def usable_addresses(nic: HostNic, addressing: Addressing, family: Family) -> tuple[IP, ...]:
    """Addresses on the NIC that are its ENI's, listed ones first in the cloud's order."""
    place = {ip: number for number, ip in enumerate(addressing.addresses)}
    subnet = addressing.subnet
    ignored = [prefix for prefix in nic.settings.ignore if Family.of(prefix) is family]
    found = {
        one.ip
        for one in nic.addresses
        if Family.of(one.ip) is family and one.scope == Scope.GLOBAL and not one.tentative
        # Without rules of its own it would be let out by another NIC.
        if not any(one.ip in prefix for prefix in ignored)
    }
    ours = [ip for ip in found if ip in place or (subnet is not None and ip in subnet)]
    return tuple(sorted(ours, key=lambda ip: (place.get(ip, len(place)), int(ip))))
