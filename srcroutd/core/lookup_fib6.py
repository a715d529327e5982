"""IPv6 tables: the best route for a flow.

Written after fib6_table_lookup, find_rr_leaf and rt6_score_route in net/ipv6/route.c, for a kernel
with router preferences (CONFIG_IPV6_ROUTER_PREF, which distributions set). A longer prefix wins,
then a lower metric, then a score. On a host that does not forward, a route whose gateway does not
answer loses to any other, even to one with a shorter prefix.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from itertools import groupby

from srcroutd.core.lookup_rules import LOOPBACK_INDEX, REFUSALS, Found
from srcroutd.core.lookup_values import UNKNOWN_ROUTES, Rpdb, single_ways
from srcroutd.core.net import IP, Route, RouteType, table_name

DEFAULT_METRIC = 1024
_KERNEL = 2
_LOCAL = frozenset((RouteType.LOCAL, RouteType.ANYCAST))
_PREFERENCE = 20
_HARMLESS = frozenset((8, 23))
"""RTA_METRICS, RTA_EXPIRES: what a route has beyond our types and does not choose by."""
_WORDS = {
    0: "a source prefix or a type of service",
    2: "a source prefix",
    9: "several next hops, one of them dead or unusual",
    20: "a router preference",
    21: "an encapsulation",
    22: "an encapsulation",
    30: "a nexthop object",
}
_ON_LINK_ONLY = (IPv6Network("ff00::/8"), IPv6Network("fe80::/10"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for. ``device`` is the NIC that routes should lead through (0: any): the one
    that a sender is bound to, or that a packet came in by; ``strict``: no other one will do.
    """

    dst: IP
    device: int = 0
    strict: bool = False


def needs_device(dst: IP) -> bool:
    """Whether the destination has a meaning on one link only (rt6_need_strict)."""
    return any(dst in network for network in _ON_LINK_ONLY)


def best_route(rpdb: Rpdb, table: int, search: Search) -> Found:
    """The route that the kernel would choose."""
    routes = rpdb.tables.get(table)
    if routes is None:
        return Found(doubt=f"table {table_name(table)}: {UNKNOWN_ROUTES}")
    covering = [route for route in routes if search.dst in route.dst]
    covering.sort(key=lambda route: -route.dst.prefixlen)
    levels = [list(level) for _, level in groupby(covering, lambda route: route.dst.prefixlen)]
    # A host first looks for gateways that answer, at any prefix length, then takes any.
    for alive in (False,) if rpdb.sysctls.all6.forwarding else (True, False):
        for level in levels:
            for group in _groups(level):
                found = _best_of(rpdb, group, search, alive=alive)
                if found.route or found.doubt:
                    return found
    return Found()


def _groups(level: Sequence[Route]) -> Iterator[list[Route]]:
    """Routes that compete: those of the first metric, then all of the others, whatever theirs."""
    first = _metric(level[0])
    rest = [place for place, route in enumerate(level) if _metric(route) != first]
    end = rest[0] if rest else len(level)
    yield list(level[:end])
    if rest:
        yield list(level[end:])


def _metric(route: Route) -> int:
    """The kernel's number: our normal form has 0 for 1024, the kernel's own routes a true 0."""
    its_own = route.protocol == _KERNEL and route.type in _LOCAL
    return route.metric or (0 if its_own else DEFAULT_METRIC)


def _best_of(rpdb: Rpdb, group: Sequence[Route], search: Search, *, alive: bool) -> Found:
    """The first of the best scores in one group."""
    usable = [route for route in group if _usable(rpdb, route, search, alive=alive)]
    for route in usable:
        unknown = [number for number in route.beyond if number not in _HARMLESS]
        if unknown and (len(usable) > 1 or unknown != [_PREFERENCE]):
            word = _WORDS.get(unknown[0], f"attribute {unknown[0]}")
            return Found(route, f"the route {route} has {word}")
    if len(usable) > 1 and any(route.paths for route in usable):
        return Found(usable[0], "several next hops beside other routes of that prefix")
    best = max(usable, key=lambda route: _on_device(route, search), default=None)
    return Found(best)


def _usable(rpdb: Rpdb, route: Route, search: Search, *, alive: bool) -> bool:
    """Whether the kernel would consider it at all in this pass."""
    if _several(route):
        return True
    return any(_good(rpdb, way, search, alive=alive) for way in single_ways(route))


def _good(rpdb: Rpdb, way: Route, search: Search, *, alive: bool) -> bool:
    if search.strict and not _on_device(way, search):
        return False
    return not alive or way.gateway is None or (way.oif, way.gateway) not in rpdb.failed


def good_ways(rpdb: Rpdb, route: Route, search: Search) -> list[Route]:
    """The ways of a route that the kernel would take: those that answer, if any does."""
    ways = single_ways(route)
    for alive in (False,) if rpdb.sysctls.all6.forwarding else (True, False):
        if good := [way for way in ways if _good(rpdb, way, search, alive=alive)]:
            return good
    return ways


def _several(route: Route) -> bool:
    return 9 in route.beyond or 30 in route.beyond


def _device(route: Route) -> int:
    """A route that refuses hangs on lo, which our normal form leaves out."""
    refuses = route.type in REFUSALS or route.type is RouteType.THROW
    return LOOPBACK_INDEX if refuses else route.oif


def _on_device(route: Route, search: Search) -> bool:
    return not search.device or _device(route) == search.device
