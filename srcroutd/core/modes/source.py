"""Mode ``source``: a packet that bears an address of this NIC leaves by this NIC.

Each address has three tiers of rules, because one or two are each wrong somewhere: the specific
routes of the NIC's own table (two NICs in one subnet), then ``main`` without its default
(containers, VPN, static routes), then the default of the NIC's own table. All of a NIC's rules lie
in its own ten priorities:

    +0 +1 +2   oif NIC     the three tiers, for sockets bound to the device
    +3         not from SUBNET goto +9, where the NIC has many addresses: others pay two rules
               to PREFIX lookup main, nothing wider than PREFIX, for each delegated prefix
    +4 +5 +6   from ADDRESS   the three tiers
    +9         nop, where +3 jumps to
    +7 +8      never ours: room for the administrator

No rule of ours leads a packet out of a NIC unless it bears one of its addresses or is bound to it,
so the loss of any one of them, by whatever hand, can never take another NIC's traffic along.
"""

from collections.abc import Iterator

from srcroutd.core.desired import Nic, NicDesired, Want
from srcroutd.core.inventory import Addressing
from srcroutd.core.net import (
    GUARD_METRIC,
    IP,
    MAIN_TABLE,
    Action,
    Family,
    Network,
    Route,
    RouteType,
    Rule,
    Scope,
    network_of,
)

MANY_SOURCES = 4
"""Above this number of addresses a NIC gets the pair of rules that lets strangers' packets pass it
by.
"""


def derive_source(nic: Nic) -> NicDesired:
    """The rules and routes of one NIC in mode ``source``, both families."""
    routes: list[Want] = []
    rules: list[Want] = []
    notes: list[str] = []
    for family in Family:
        addressing = nic.eni.addressing(family)
        if addressing is None or not nic.settings.wants(family):
            continue
        usable = _usable(nic, addressing, family)
        sources = tuple(_sources(nic, addressing, usable))
        if not sources:
            notes.append(f"no IP{family.name.lower()} address on {nic.link.name} yet")
            continue
        routes += _routes(nic, addressing, family, usable[0] if usable else None)
        rules += _rules(nic, addressing, family, sources)
        if not nic.link.up:
            notes.append(f"{nic.link.name} is down: only the fail-closed guard stands")
    return NicDesired(tuple(routes), tuple(rules), tuple(dict.fromkeys(notes)))


def _sources(
    nic: Nic, addressing: Addressing, usable: tuple[IP, ...]
) -> Iterator[tuple[Network, str]]:
    """The prefixes whose packets must leave by this NIC, with the reason for each."""
    first = addressing.addresses[0] if addressing.addresses else None
    listed = frozenset(map(int, addressing.addresses))
    of_eni = f"of {nic.eni.id}, read from {nic.source}"
    unlisted = f"on {nic.link.name} inside the subnet of {nic.eni.id}, not listed by {nic.source}"
    for ip in usable:
        word = "first address" if ip == first else "address"
        yield network_of(ip), f"{word} {of_eni}" if int(ip) in listed else unlisted
    for prefix in addressing.prefixes:
        yield prefix, f"delegated prefix {of_eni}"


def _usable(nic: Nic, addressing: Addressing, family: Family) -> tuple[IP, ...]:
    """Addresses on the NIC that are the ENI's, listed ones first in the cloud's order, then by
    value.
    """
    # By number: hashing a number is ten times as fast as hashing an address object.
    place = {int(ip): number for number, ip in enumerate(addressing.addresses)}
    ignored = [prefix for prefix in nic.settings.ignore if Family.of(prefix) is family]
    usable: dict[int, IP] = {}
    for address in nic.addresses:
        if (
            Family.of(address.interface) is not family
            or address.scope != Scope.GLOBAL
            or address.tentative
        ):
            continue
        ip = address.ip
        ours = int(ip) in place or (addressing.subnet is not None and ip in addressing.subnet)
        if ours and ip not in nic.claimed and not any(ip in prefix for prefix in ignored):
            usable[int(ip)] = ip
    order = sorted(usable, key=lambda number: (place.get(number, len(place)), number))
    return tuple(usable[number] for number in order)


def _routes(nic: Nic, addressing: Addressing, family: Family, prefsrc: IP | None) -> Iterator[Want]:
    """The NIC's table, in an order in which each route finds what it needs: guard, subnet,
    gateways.
    """
    table, protocol = nic.table, nic.protocol
    yield Want(
        Route(
            family,
            table,
            family.everything,
            type=RouteType.UNREACHABLE,
            metric=GUARD_METRIC,
            protocol=protocol,
        ),
        f"guard: packets of {nic.eni.id} never leave by another NIC",
    )
    if not nic.link.up:
        return
    link = {"oif": nic.link.index, "dev": nic.link.name, "prefsrc": prefsrc, "protocol": protocol}
    scope = Scope.LINK if family is Family.V4 else Scope.GLOBAL
    if addressing.subnet:
        yield Want(
            Route(family, table, addressing.subnet, scope=scope, **link),  # type: ignore[arg-type]
            f"subnet of {nic.eni.id}, read from {nic.source}",
        )
    gateway = addressing.gateway
    if gateway is None:
        return
    onlink = addressing.subnet is None or gateway not in addressing.subnet
    owners: dict[Network, str] = {}
    for subnet, owner in nic.elsewhere:
        owners.setdefault(subnet, owner)
    for subnet, owner in owners.items():
        if subnet.version == gateway.version and not _overlap(subnet, addressing.subnet):
            yield Want(
                Route(family, table, subnet, gateway=gateway, onlink=onlink, **link),  # type: ignore[arg-type]
                f"subnet of {owner}: {nic.eni.id} reaches it through its own gateway",
            )
    yield Want(
        Route(family, table, family.everything, gateway=gateway, onlink=onlink, **link),  # type: ignore[arg-type]
        f"gateway of {nic.eni.id}, read from {nic.source}",
    )


def _overlap(one: Network, other: Network | None) -> bool:
    return other is not None and one.version == other.version and one.overlaps(other)


def _rules(
    nic: Nic, addressing: Addressing, family: Family, sources: tuple[tuple[Network, str], ...]
) -> Iterator[Want]:
    """The NIC's ten priorities; within one priority the order does not matter."""
    if nic.settings.oif_rule:
        because = f"sockets bound to {nic.link.name}"
        for rule in _tiers(nic, family, nic.priority, oif=nic.link.name):
            yield Want(rule, because)
    subnet = addressing.subnet
    if len(sources) > MANY_SOURCES and subnet and all(_covers(subnet, src) for src, _ in sources):
        yield from _bypass(nic, family, subnet)
    for prefix in nic.delegated:
        if Family.of(prefix) is family:
            yield _to_delegated(nic, family, prefix)
    for src, because in sources:
        for rule in _tiers(nic, family, nic.priority + 4, src=src):
            yield Want(rule, because)


def _tiers(
    nic: Nic, family: Family, priority: int, src: Network | None = None, oif: str = ""
) -> Iterator[Rule]:
    own, main, protocol = nic.table, MAIN_TABLE, nic.protocol
    for step, table, suppress in ((0, own, 0), (1, main, 0), (2, own, -1)):
        yield Rule(
            family,
            priority + step,
            table=table,
            src=src,
            oif=oif,
            suppress_prefixlength=suppress,
            protocol=protocol,
        )


def _bypass(nic: Nic, family: Family, subnet: Network) -> Iterator[Want]:
    """Two rules that let every packet outside the NIC's subnet skip its addresses; losing them
    costs time only.
    """
    because = f"packets from outside {subnet} skip the addresses of {nic.eni.id}"
    end = nic.priority + 9
    yield Want(
        Rule(
            family,
            nic.priority + 3,
            action=Action.GOTO,
            goto=end,
            src=subnet,
            invert=True,
            protocol=nic.protocol,
        ),
        because,
    )
    yield Want(Rule(family, end, action=Action.NOP, protocol=nic.protocol), because)


def _to_delegated(nic: Nic, family: Family, prefix: Network) -> Want:
    """A delegated prefix is carved out of the NIC's subnet, yet its addresses are not on its link:
    what main knows of it (a container bridge) must decide before the NIC's connected route.
    """
    rule = Rule(
        family,
        nic.priority + 3,
        table=MAIN_TABLE,
        dst=prefix,
        suppress_prefixlength=prefix.prefixlen - 1,
        protocol=nic.protocol,
    )
    return Want(rule, f"containers of the delegated prefix {prefix}")


def _covers(subnet: Network, prefix: Network) -> bool:
    return prefix.version == subnet.version and prefix.subnet_of(subnet)  # type: ignore[arg-type]
