"""Copies of main's routes in a NIC's table, as ``mirror`` asks: within prefixes, or by protocol.

They are for packets that bear the NIC's addresses and follow main: what is added, changed or
removed there is here, too. Promises: what the mode or ``routes`` has for a destination wins; main's
default is copied only if its prefix is named exactly, and only behind the NIC's own; a NIC that is
down gets no copies, for they would lead its packets out of another one.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Network

from srcroutd.core.desired import Nic, NicDesired, Want
from srcroutd.core.main_table import MIRROR_LIMIT, PROTOCOLS
from srcroutd.core.net import Family, Network, Route, RouteType

LINK_LOCAL = IPv6Network("fe80::/10")
"""Every NIC has its own; a copy of another's leads nowhere."""

_WORDS = {number: word for word, number in PROTOCOLS.items()}


def with_mirror(nic: Nic, wanted: NicDesired) -> NicDesired:
    """What the NIC should have, with copies of main's routes behind it."""
    if not nic.settings.mirror or not nic.link.up:
        return wanted
    families = {want.thing.family for want in wanted.rules}
    copies: dict[tuple[object, ...], Want] = {}
    for want in _copies(nic, wanted, families):
        copies.setdefault(want.thing.identity, want)  # type: ignore[union-attr]
    notes = tuple(
        f"mirror: main has more than {MIRROR_LIMIT} such IP{family.name.lower()} routes, so none "
        "is copied; name narrower prefixes"
        for family in sorted(nic.main.overfull & families)
    )
    return replace(wanted, routes=(*wanted.routes, *copies.values()), notes=(*wanted.notes, *notes))


def asked_by(nic: Nic, route: Route) -> str:
    """The entry of ``mirror`` that a route of main falls under, empty if none."""
    prefixes = [entry for entry in nic.settings.mirror if not isinstance(entry, int)]
    if route.dst.prefixlen == 0:
        return str(route.dst) if route.dst in prefixes else ""
    if route.family is Family.V6 and _lies_in(route.dst, LINK_LOCAL):
        return ""
    if prefix := next((one for one in prefixes if _lies_in(route.dst, one)), None):
        return str(prefix)
    if route.protocol in nic.settings.mirror:
        return _WORDS.get(route.protocol, str(route.protocol))
    return ""


def _copies(nic: Nic, wanted: NicDesired, families: set[Family]) -> Iterator[Want]:
    """The copies, those by the NIC itself first: in IPv6 two of main may have one identity."""
    taken, last = _taken(nic, wanted)
    addresses = {address.ip for address in nic.addresses}
    for route in sorted(nic.main.routes, key=lambda route: route.oif != nic.link.index):
        behind = route.identity[3] > last.get(route.family, -1)
        free = behind if route.dst.prefixlen == 0 else route.dst not in taken
        if route.family not in families or route.family in nic.main.overfull or not free:
            continue
        if entry := asked_by(nic, route):
            copy = replace(
                route,
                table=nic.table,
                protocol=nic.protocol,
                prefsrc=route.prefsrc if route.prefsrc in addresses else None,
                beyond=(),
            )
            yield Want(copy, f"main has it (mirror {entry})")


def _taken(nic: Nic, wanted: NicDesired) -> tuple[set[Network], dict[Family, int]]:
    """The destinations that the NIC's table has already, and the last metric of its
    defaults.
    """
    taken: set[Network] = set()
    last: dict[Family, int] = {}
    for want in wanted.routes:
        route = want.thing
        if not isinstance(route, Route) or route.table != nic.table:
            continue
        taken.add(route.dst)
        if route.dst.prefixlen == 0 and route.type is RouteType.UNICAST:
            last[route.family] = max(last.get(route.family, -1), route.identity[3])
    return taken, last


def _lies_in(one: Network, prefix: Network) -> bool:
    return one.version == prefix.version and one.subnet_of(prefix)  # type: ignore[arg-type]
