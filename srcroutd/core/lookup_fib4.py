"""IPv4 tables: the best route for a flow, and the answer of all rules together.

Written after fib_table_lookup (net/ipv4/fib_trie.c) and fib_lookup (include/net/ip_fib.h).
"""

import errno
from dataclasses import replace

from srcroutd.core.lookup_rules import REFUSALS, Flow, Found, Verdict, walk_rules
from srcroutd.core.lookup_source4 import bearers
from srcroutd.core.lookup_values import UNKNOWN_ROUTES, Rpdb
from srcroutd.core.net import IP, Route, RouteType, Rule, table_name

LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE = 255, 254, 253
_HARMLESS = frozenset((8, 11))
"""RTA_METRICS, RTA_FLOW: what a route has beyond our types and does not choose by."""
_SEVERAL_NEXTHOPS = frozenset((9, 30))
"""RTA_MULTIPATH, RTA_NH_ID: the NIC that our type shows is not the only one."""
_WORDS = {
    0: "a type of service",
    9: "several next hops, one of them dead or unusual",
    18: "a gateway of the other family",
    21: "an encapsulation",
    22: "an encapsulation",
    30: "a nexthop object",
}


def look_up(rpdb: Rpdb, flow: Flow) -> Verdict:
    """What the RPDB says of a flow."""
    verdict = walk_rules(rpdb, flow, lambda table: best_route(rpdb, (table,), flow))
    if verdict.doubt or not is_stock(rpdb):
        return verdict
    merged, errnos = _merged(rpdb, flow)
    if (merged.route, merged.doubt) == (_way(verdict), ""):
        return replace(verdict, instead=errnos)
    unsure = (
        "a host that never had a rule of its own looks in local and main at once; this may be one"
    )
    return replace(verdict, doubt=merged.doubt or unsure)


def _way(verdict: Verdict) -> Route | None:
    """The route that leads on; None for a refusal of any kind."""
    return None if verdict.refusal else verdict.route


def is_stock(rpdb: Rpdb) -> bool:
    """Whether there are only the rules that the kernel made: then it may take a short cut."""
    stock = ((0, LOCAL_TABLE), (32766, MAIN_TABLE), (32767, DEFAULT_TABLE))
    return len(rpdb.rules) == len(stock) and all(
        rule == Rule(rule.family, priority, table=table, protocol=rule.protocol)
        for rule, (priority, table) in zip(rpdb.rules, stock, strict=True)
    )


def _merged(rpdb: Rpdb, flow: Flow) -> tuple[Found, frozenset[int]]:
    """The answer as long as nobody ever added a rule, and the errnos there may be if it is none.

    Local and main are one tree then; whatever it refuses, table default is asked after it.
    """
    errnos = {errno.ENETUNREACH}
    for tables in ((LOCAL_TABLE, MAIN_TABLE), (DEFAULT_TABLE,)):
        found = best_route(rpdb, tables, flow)
        if found.doubt:
            return found, frozenset()
        if found.route and found.route.type in REFUSALS:
            errnos.add(REFUSALS[found.route.type])
        elif found.route and found.route.type is not RouteType.THROW:
            return found, frozenset()
    return Found(), frozenset(errnos)


def best_route(rpdb: Rpdb, tables: tuple[int, ...], flow: Flow) -> Found:
    """The route with the longest prefix whose NIC can be used; of equal ones the kernel's first."""
    covering: list[Route] = []
    for table in tables:
        routes = rpdb.tables.get(table)
        if routes is None:
            return Found(doubt=f"table {table_name(table)}: {UNKNOWN_ROUTES}")
        covering += [route for route in routes if flow.dst in route.dst]
    covering.sort(key=lambda route: -route.dst.prefixlen)
    for route in covering:
        several = not _SEVERAL_NEXTHOPS.isdisjoint(route.beyond)
        refuses = route.type is RouteType.THROW or route.type in REFUSALS
        by_it = not flow.oif or any(way.oif == flow.oif for way in route.ways)
        if not by_it and not several and not refuses:
            continue
        unknown = [number for number in route.beyond if number not in _HARMLESS]
        if unknown:
            word = _WORDS.get(unknown[0], f"attribute {unknown[0]}")
            return Found(route, f"the route {route} has {word}")
        return Found(route)
    return Found()


def is_own(rpdb: Rpdb, ip: IP) -> bool | None:
    """Whether packets may be sent from an address: a NIC bears it or table local says so.

    None if that cannot be known.
    """
    if bearers(rpdb, ip):
        return True
    said = {_is_local(rpdb, ip, (LOCAL_TABLE,))}
    if is_stock(rpdb):
        said.add(_is_local(rpdb, ip, (LOCAL_TABLE, MAIN_TABLE)))
    return said.pop() if len(said) == 1 else None


def _is_local(rpdb: Rpdb, ip: IP, tables: tuple[int, ...]) -> bool | None:
    found = best_route(rpdb, tables, Flow(ip, None))
    if found.doubt:
        return None
    return found.route is not None and found.route.type is RouteType.LOCAL
