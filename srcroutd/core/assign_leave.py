"""Why an address that we put may go, and when it stays.

Promise 2: not knowing never takes an address away. It goes when the configuration says so, when
metadata says that it is another ENI's of this host, or when metadata, asked twice, no longer lists
it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from srcroutd.core.assign_values import Leave
from srcroutd.core.desired import Nic
from srcroutd.core.inventory import Eni, Inventory
from srcroutd.core.join import Joined, NicState, State
from srcroutd.core.net import IP, Family, Link


@dataclass(frozen=True, slots=True)
class Known:
    """What the decision needs. ``confirmed`` is set once the provider has given its whole list in
    this run of the daemon; until then the facts are remembered ones.
    """

    joined: Joined
    inventory: Inventory
    confirmed: bool


def leaves(known: Known) -> Callable[[Link, IP], Leave | None]:
    """From an address of ours on a NIC to the reason why it may go, or None: it stays."""
    nics = {nic.link.index: nic for nic in known.joined.nics}
    states = {state.link.index: state for state in known.joined.states}

    def may_go(link: Link, ip: IP) -> Leave | None:
        state = states.get(link.index)
        if state is None:
            return None
        if state.state is State.LEFT_ALONE:
            return Leave(f"{link.name} is left alone: {state.why}")
        nic = nics.get(link.index)
        if nic is None:
            return None
        if why := _configured(nic, ip):
            return Leave(why)
        return _by_metadata(nic, ip, known) if _is_sure(state, known) else None

    return may_go


def cleaned(_link: Link, _ip: IP) -> Leave:
    """For cleanup: all that is ours goes."""
    return Leave("cleanup")


def _configured(nic: Nic, ip: IP) -> str | None:
    """Why the configuration does not want this address put."""
    family = Family.of(ip)
    if nic.settings.addresses == "leave":
        return f"the configuration leaves the addresses of {nic.link.name} to others"
    if not nic.settings.wants(family):
        return f"IP{family.name.lower()} is not managed on {nic.link.name}"
    if any(ip in prefix for prefix in nic.settings.ignore):
        return "the configuration ignores it"
    return None


def _is_sure(state: NicState, known: Known) -> bool:
    """Whether the facts of the NIC are of now: told in this run, listed, and whole."""
    mac, inventory = state.link.mac, known.inventory
    told = known.confirmed or inventory.final
    return told and mac not in inventory.unlisted and mac not in inventory.pending


def _by_metadata(nic: Nic, ip: IP, known: Known) -> Leave | None:
    addressing = nic.eni.addressing(Family.of(ip))
    if addressing and ip in addressing.addresses:
        prefixes = (*nic.delegated, *addressing.prefixes)
        found = next((prefix for prefix in prefixes if ip in prefix), None)
        return Leave(f"it lies in the delegated prefix {found}") if found else None
    for other in _owners(known.inventory, ip):
        if other.mac != nic.eni.mac:
            return Leave(f"it is an address of {other.id} now, not of {nic.eni.id}")
    # The list of a person is what he wants; a cloud's may be short for a moment.
    return Leave(f"no longer an address of {nic.eni.id}", doubtful=not known.inventory.final)


def _owners(inventory: Inventory, ip: IP) -> Iterator[Eni]:
    """The ENIs that list an address, as far as their facts are of now."""
    for mac, eni in sorted(inventory.enis.items()):
        if mac in inventory.unlisted or mac in inventory.pending:
            continue
        addressing = eni.addressing(Family.of(ip))
        if addressing and ip in addressing.addresses:
            yield eni
