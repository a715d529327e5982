"""Kernel links and addresses meet the cloud's ENIs: which NIC is which ENI, and what becomes of
each.

The join is by MAC. Every device that could be an ENI gets a ``NicState`` for people; those that are
to be managed and have all they need get a ``Nic`` for ``derive``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from srcroutd.core.desired import Nic, Settings
from srcroutd.core.inventory import Eni, Inventory
from srcroutd.core.net import IP, Address, Family, Link, Network
from srcroutd.core.numbering import Domain, Seating

SHARED_MAC_KINDS = frozenset(
    "bridge vlan macvlan macvtap ipvlan ipvtap bond team vrf dummy ifb tun wireguard vxlan geneve "
    "gre gretap ip6gre ip6gretap ip6tnl ipip sit erspan vcan can xfrm vti vti6 bareudp netdevsim "
    "macsec nlmon".split()
)
"""Software devices (IFLA_INFO_KIND) that never are an ENI, though some borrow an ENI's MAC."""

LOCALLY_ADMINISTERED = 0x02
"""Bit of the first octet of a MAC that no vendor assigned (IEEE 802): container links have it, ENIs
do not.
"""

NO_SEAT = "all numbers are taken; widen priorities and tables in the configuration"


class State(StrEnum):
    """What became of one NIC."""

    MANAGED = "managed"
    LEFT_ALONE = "left alone"
    WAITING = "waiting"
    REFUSED = "refused"
    KEPT = "kept"
    """Its routing stays as it stands: we know too little to change it."""


@dataclass(frozen=True, slots=True)
class NicState:
    """One line of status. ``why`` is a clause; ``eni`` and ``seat`` may be empty."""

    link: Link
    state: State
    eni: str = ""
    primary: bool = False
    seat: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """The NICs to derive from, and a state for every device that could be an ENI.

    ``unexplained`` are MACs that no reading has explained yet: a reason to ask the provider again.
    """

    nics: tuple[Nic, ...] = ()
    states: tuple[NicState, ...] = ()
    unexplained: frozenset[str] = frozenset()


def could_be_eni(link: Link) -> bool:
    """Whether a link may be an ENI: an Ethernet device that is no mere software construct.

    A veth counts only with a vendor's MAC: that is how an ENI is handed to a namespace, while
    container engines make up locally administered ones.
    """
    if link.loopback or not link.mac or link.kind in SHARED_MAC_KINDS:
        return False
    if link.kind == "":
        return True
    return not int(link.mac[:2], 16) & LOCALLY_ADMINISTERED


def nics_by_mac(links: Iterable[Link], addresses: Iterable[Address]) -> dict[str, Link]:
    """One link for each MAC that could be an ENI's.

    Where an ENI's device is enslaved (an accelerated pair, a bond), the one that bears addresses is
    meant.
    """
    bearing = {address.index for address in addresses}
    chosen: dict[str, Link] = {}
    for link in sorted(
        links, key=lambda link: (link.index not in bearing, link.master != 0, link.index)
    ):
        if could_be_eni(link):
            chosen.setdefault(link.mac, link)
    return chosen


def primary_mac(inventory: Inventory, links: Mapping[str, Link], default_oif: int) -> str | None:
    """The primary NIC's MAC: what the cloud says, else the NIC that holds the default route.

    A MAC that is neither here nor among the known ENIs was told of another machine (a cloned
    image).
    """
    if inventory.primary in links or inventory.primary in inventory.enis:
        return inventory.primary
    return next((mac for mac, link in links.items() if link.index == default_oif), None)


def join(  # noqa: PLR0913 - the one place where all the inputs meet
    inventory: Inventory,
    links: Mapping[str, Link],
    addresses: Sequence[Address],
    *,
    seating: Seating,
    domain: Domain,
    primary: str | None,
    settings: Callable[[Link, Eni], Settings],
    taken: Mapping[int, str],
) -> Joined:
    """Join everything. ``links`` comes from ``nics_by_mac``, ``primary`` from ``primary_mac``."""
    by_link: dict[int, list[Address]] = defaultdict(list)
    for address in addresses:
        by_link[address.index].append(address)
    present = {mac: inventory.enis[mac] for mac in links if mac in inventory.enis}
    subnets = _subnets(present)
    claimed = _claimed_elsewhere(present, links, by_link)
    delegated = tuple(prefix for eni in present.values() for prefix in _delegated(eni))
    nics, states, unexplained = [], [], set()
    for mac, link in sorted(links.items(), key=lambda item: item[1].index):
        eni = present.get(mac)
        if eni is None:
            unexplained.add(mac)
            states.append(_without_facts(link, mac, inventory, primary))
            continue
        chosen = settings(link, eni)
        not_managed = _not_managed(mac, primary, chosen)
        number = seating.number(eni.id)
        if not_managed or number is None:
            state, why = not_managed or (State.REFUSED, NO_SEAT)
            states.append(NicState(link, state, eni.id, mac == primary, 0, why))
            continue
        states.append(_managed(link, eni, inventory, mac, primary, number, taken))
        nics.append(
            Nic(
                link=link,
                addresses=tuple(sorted(by_link[link.index], key=_address_order)),
                eni=eni,
                source=inventory.source,
                seat=number,
                table=domain.table(number),
                priority=domain.priority(number),
                protocol=domain.protocol,
                settings=chosen,
                elsewhere=tuple(
                    item for other, items in subnets.items() if other != mac for item in items
                ),
                claimed=claimed.get(mac, frozenset()),
                delegated=delegated,
            )
        )
    return Joined(tuple(nics), tuple(states), frozenset(unexplained))


def to_seat(
    inventory: Inventory,
    links: Mapping[str, Link],
    primary: str | None,
    settings: Callable[[Link, Eni], Settings],
) -> tuple[tuple[str, str], ...]:
    """The (ENI id, MAC) pairs that need a seat now: present, known and not left alone."""
    return tuple(
        (eni.id, mac)
        for mac, link in links.items()
        if (eni := inventory.enis.get(mac)) and not _not_managed(mac, primary, settings(link, eni))
    )


def _not_managed(mac: str, primary: str | None, settings: Settings) -> tuple[State, str] | None:
    if settings.manage is False:
        return State.LEFT_ALONE, "the configuration says so"
    if settings.manage is None and mac == primary:
        return State.LEFT_ALONE, "the primary NIC, unless the configuration says manage = true"
    if settings.manage is None and primary is None:
        # Managing the primary by mistake could lock the administrator out.
        return State.WAITING, "cannot tell which NIC is the primary; say manage = true or false"
    return None


def _without_facts(link: Link, mac: str, inventory: Inventory, primary: str | None) -> NicState:
    if inventory.final and mac not in inventory.pending:
        return NicState(link, State.LEFT_ALONE, why="no [[eni]] entry names it")
    why = inventory.pending.get(mac) or (
        "not in metadata yet" if inventory.source else "no metadata yet"
    )
    return NicState(link, State.WAITING, "", mac == primary, 0, why)


def _managed(  # noqa: PLR0913
    link: Link,
    eni: Eni,
    inventory: Inventory,
    mac: str,
    primary: str | None,
    number: int,
    taken: Mapping[int, str],
) -> NicState:
    why = inventory.pending.get(mac, "")
    state = State.MANAGED
    if mac in inventory.unlisted:
        state, why = State.KEPT, f"{inventory.source} no longer lists it, the kernel still has it"
    if number in taken:
        why = taken[number]
    return NicState(link, state, eni.id, mac == primary, number, why)


def _subnets(present: Mapping[str, Eni]) -> dict[str, list[tuple[Network, str]]]:
    return {
        mac: [
            (addressing.subnet, eni.id)
            for family in Family
            if (addressing := eni.addressing(family)) and addressing.subnet
        ]
        for mac, eni in sorted(present.items())
    }


def _delegated(eni: Eni) -> Iterator[Network]:
    for half in (eni.v4, eni.v6):
        if half:
            yield from half.prefixes


def _claimed_elsewhere(
    present: Mapping[str, Eni], links: Mapping[str, Link], by_link: Mapping[int, list[Address]]
) -> dict[str, frozenset[IP]]:
    """Addresses that stand on two NICs at once belong to the ENI that lists them, else to the lower
    ifindex.
    """
    bearers: dict[IP, list[str]] = defaultdict(list)
    for mac in sorted(present, key=lambda mac: links[mac].index):
        for address in by_link[links[mac].index]:
            bearers[address.ip].append(mac)
    claimed: dict[str, set[IP]] = defaultdict(set)
    for ip, macs in bearers.items():
        if len(macs) > 1:
            owner = next((mac for mac in macs if _lists(present[mac], ip)), macs[0])
            for mac in macs:
                if mac != owner:
                    claimed[mac].add(ip)
    return {mac: frozenset(ips) for mac, ips in claimed.items()}


def _lists(eni: Eni, ip: IP) -> bool:
    addressing = eni.addressing(Family.V4 if ip.version == 4 else Family.V6)
    return addressing is not None and ip in addressing.addresses


def _address_order(address: Address) -> tuple[int, int, int]:
    return (address.interface.version, int(address.ip), address.interface.network.prefixlen)
