"""Load over several ENIs: from ``[[load]]`` entries and the host to one table of routes with
several ways, and the rules that lead new connections there.

Only connections that bound no address yet are spread (``unbound``). The kernel takes one way by a
hash and gives the connection the address of that NIC; from then on the NIC's own rules keep it
there. So a connection never changes its NIC, whatever happens to weights or to other NICs.

The destinations of all entries lie in one table, the first of ``Domain.policy_tables``, and the
longest prefix decides among them as everywhere. What ``main`` knows more closely (the NICs' own
subnets, containers, a VPN) stays with main, and so do the services of the cloud. There is no guard:
where no NIC is left the connection goes on to the next wider entry, at last to main. The rules have
the last half of ``Domain.egress``; its first half, what is asked for by name, comes before them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from srcroutd.core.desired import Host, HostNic, NicDesired, Want
from srcroutd.core.inventory import Addressing
from srcroutd.core.net import (
    MAIN_TABLE,
    Action,
    Family,
    Network,
    Path,
    Route,
    RouteType,
    Rule,
    Scope,
)
from srcroutd.core.numbering import Domain
from srcroutd.core.unbound import KEPT, jumps, landing, only_unbound

STEPS = 2
"""Priorities that each length of prefix takes: main's closer routes, then the table."""
_WHOLE_FAMILIES = tuple(family.everything for family in Family)


@dataclass(frozen=True, slots=True)
class LoadEntry:
    """One ``[[load]]`` entry. ``nics`` are device names or ENI ids with their weights (1..256)."""

    nics: tuple[tuple[str, int], ...]
    to: tuple[Network, ...] = _WHOLE_FAMILIES

    @property
    def destinations(self) -> frozenset[Network]:
        """What the entry is about, without what lies in another of its own prefixes."""
        return frozenset(
            one
            for one in self.to
            if not any(one != other and _within(one, other) for other in self.to)
        )


def lengths(domain: Domain) -> int:
    """How many lengths of prefix there is room for in each family."""
    return (len(_band(domain)) - 1) // STEPS


def derive_load(entries: tuple[LoadEntry, ...], host: Host) -> NicDesired:
    """What spreads new connections over NICs; ``notes`` say which NIC cannot take part, and why."""
    routes: list[Want] = []
    rules: list[Want] = []
    notes: list[str] = []
    for family in Family:
        spread = [
            (destination, ways)
            for entry in entries
            for destination in sorted(entry.destinations, key=str)
            if Family.of(destination) is family and (ways := _ways(entry, host, family, notes))
        ]
        if any(nic.eni and nic.eni.addressing(family) for nic in host.nics):
            asked = {one for entry in entries for one in entry.destinations}
            left = asked - {destination for destination, _ in spread}
            notes += [
                f"load: no NIC is left for {one}; it goes the way of what is wider"
                for one in sorted(left, key=str)
                if Family.of(one) is family
            ]
        if spread:
            routes += _routes(host.domain, family, spread)
            rules += _rules(host, entries, family, [destination for destination, _ in spread])
    return NicDesired(tuple(routes), tuple(rules), tuple(dict.fromkeys(notes)))


def _ways(entry: LoadEntry, host: Host, family: Family, notes: list[str]) -> tuple[Path, ...]:
    """The ways that can be taken now, in the order of the entry."""
    ways: dict[int, Path] = {}
    for name, weight in entry.nics:
        nic = host.nic(name)
        half = nic.eni.addressing(family) if nic and nic.eni else None
        if nic is None:
            notes.append(f"load: there is no {name}")
        elif nic.link.index in ways:
            notes.append(f"load: {name} is named twice")
        elif trouble := _trouble(nic) or (half and _trouble_of_family(nic, half, family)):
            notes.append(f"load: {nic.link.name} {trouble}")
        elif half and half.gateway:
            onlink = half.subnet is None or half.gateway not in half.subnet
            link = nic.link
            ways[link.index] = Path(link.index, half.gateway, link.name, weight, onlink)
    return tuple(ways.values())


def _trouble(nic: HostNic) -> str:
    """Why a NIC cannot take new connections; empty if it can."""
    if nic.eni is None:
        return "is not explained yet"
    if not nic.table and not nic.primary:
        return "is left alone: what bears its addresses leaves by main"
    if not nic.link.up:
        return "is down"
    return "" if nic.link.carrier else "has no carrier"


def _trouble_of_family(nic: HostNic, half: Addressing, family: Family) -> str:
    """The same of a family that its ENI has."""
    word = f"IP{family.name.lower()}"
    if nic.table and not nic.settings.wants(family):
        return f"is not managed in {word}"
    if half.gateway is None:
        return f"has no {word} gateway"
    usable = (
        address.ip
        for address in nic.addresses
        if Family.of(address.interface) is family
        and address.scope == Scope.GLOBAL
        and not address.tentative
    )
    ignored = [prefix for prefix in nic.settings.ignore if Family.of(prefix) is family]
    known = any(
        (ip in half.addresses or (half.subnet is not None and ip in half.subnet))
        and not any(ip in prefix for prefix in ignored)
        for ip in usable
    )
    return "" if known else f"has no {word} address yet"


def _routes(
    domain: Domain, family: Family, spread: list[tuple[Network, tuple[Path, ...]]]
) -> Iterator[Want]:
    """The table: what is spread, and what a wide prefix of it must not take along."""
    named = {destination for destination, _ in spread}
    table, protocol = domain.policy_tables[0], domain.protocol
    for prefix in KEPT:
        if prefix not in named and any(_within(prefix, other) for other in named):
            route = Route(family, table, prefix, RouteType.THROW, protocol=protocol)
            yield Want(route, f"load: {prefix} is not spread")
    for destination, ways in spread:
        route = Route(family, table, destination, protocol=protocol, paths=ways)
        if len(ways) == 1:
            # The kernel shows the only one of several ways as a plain route.
            (way,) = ways
            route = replace(
                route, paths=(), gateway=way.gateway, oif=way.oif, dev=way.dev, onlink=way.onlink
            )
        shares = ", ".join(f"{way.dev} {way.weight}" for way in ways)
        yield Want(route, f"load over {shares}")


def _rules(
    host: Host, entries: tuple[LoadEntry, ...], family: Family, destinations: list[Network]
) -> Iterator[Want]:
    """For each destination, longest prefixes first: main's closer routes, then the table."""
    domain = host.domain
    if family is Family.V6:
        yield from jumps(domain)
    else:
        yield landing(domain, family)
    yield from _past_the_bound(host, entries, family)
    longest = sorted(destinations, key=lambda one: (-one.prefixlen, int(one.network_address)))
    first = _band(domain)[1:]
    for rank, (length, group) in enumerate(groupby(longest, key=lambda one: one.prefixlen)):
        for destination in group:
            rule = Rule(
                family,
                first[STEPS * rank],
                table=MAIN_TABLE,
                dst=destination if length else None,
                suppress_prefixlength=length,
                protocol=domain.protocol,
            )
            if length < destination.max_prefixlen:
                yield Want(
                    only_unbound(rule),
                    f"load: what main knows more narrowly than {destination} stays as it is",
                )
            spread = replace(
                rule,
                priority=first[STEPS * rank + 1],
                table=domain.policy_tables[0],
                suppress_prefixlength=-1,
            )
            yield Want(only_unbound(spread), f"load: new connections to {destination}")


def _past_the_bound(host: Host, entries: tuple[LoadEntry, ...], family: Family) -> Iterator[Want]:
    """A socket bound to a NIC has its way, with the NIC's own table."""
    domain = host.domain
    names = {name for entry in entries for name, _ in entry.nics}
    devices = {nic.link.name for name in names if (nic := host.nic(name))}
    for device in sorted(devices):
        rule = Rule(
            family,
            _band(domain)[0],
            action=Action.GOTO,
            goto=domain.egress[-1],
            oif=device,
            protocol=domain.protocol,
        )
        yield Want(rule, f"load: sockets bound to {device} are not spread")


def _band(domain: Domain) -> range:
    """The last half of what chooses NICs, without its end, where jumps lead to."""
    return domain.egress[len(domain.egress) // 2 : -1]


def _within(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
