"""A walk beside the kernel's own answer to RTM_GETROUTE: where they differ, in words."""

from collections.abc import Iterator
from dataclasses import replace
from errno import errorcode

from srcroutd.core.lookup_fib4 import LOCAL_TABLE, MAIN_TABLE, is_stock
from srcroutd.core.lookup_rules import REFUSALS
from srcroutd.core.lookup_values import Beyond, Leaves, Refused, Rpdb, Spread, Walk
from srcroutd.core.net import Route, table_name

Answer = Route | int
"""A route, or the errno of a refusal."""


def differences(rpdb: Rpdb, walk: Walk, answer: Answer) -> tuple[str, ...]:
    """What the kernel says otherwise, a clause each; nothing if both agree or the walk gave up."""
    match walk.end:
        case Beyond():
            return ()
        case Refused(errnos=errnos):
            said = _refusal(answer)
            if said in errnos:
                return ()
            words = " or ".join(sorted(errorcode.get(number, str(number)) for number in errnos))
            return (f"refused with {words} here, {_words(rpdb, answer)} by the kernel",)
        case Spread(ways=ways):
            found = [differences(rpdb, replace(walk, end=way), answer) for way in ways]
            return () if () in found else (f"none of {len(ways)} ways: {'; '.join(found[0])}",)
        case Leaves() as way:
            if _refusal(answer) or isinstance(answer, int):
                return (f"has a way here, {_words(rpdb, answer)} by the kernel",)
            return tuple(_ways(rpdb, walk, way, answer))


def _refusal(answer: Answer) -> int:
    """The errno, 0 for a way. IPv6 up to Linux 4.x answers with the route that refuses."""
    return answer if isinstance(answer, int) else REFUSALS.get(answer.type, 0)


def _words(rpdb: Rpdb, answer: Answer) -> str:
    number = _refusal(answer)
    if number or isinstance(answer, int):
        return f"refused with {errorcode.get(number, number)}"
    return f"sent out by {rpdb.name(answer.oif)}"


def _ways(rpdb: Rpdb, walk: Walk, way: Leaves, answer: Route) -> Iterator[str]:
    """Each point in which two ways differ."""
    asked_for_source = walk.packet.src is None and not walk.packet.iif
    source = way.source.ip if way.source else None
    pairs = (
        ("table", table_name(way.route.table), _table(rpdb, way, answer)),
        ("type", way.route.type.name.lower(), answer.type.name.lower()),
        ("NIC", rpdb.name(way.oif), rpdb.name(answer.oif)),
        ("next hop", way.gateway or "none", answer.gateway or "none"),
        (
            "source",
            (source or "none") if asked_for_source else "",
            (answer.prefsrc or "none") if asked_for_source else "",
        ),
    )
    for what, here, there in pairs:
        if here != there:
            yield f"{what} {here} here, {there} by the kernel"


def _table(rpdb: Rpdb, way: Leaves, answer: Route) -> str:
    """The kernel's table; as long as it keeps local and main in one, it calls both main."""
    in_one = (way.route.table, answer.table) == (LOCAL_TABLE, MAIN_TABLE) and is_stock(rpdb)
    return table_name(LOCAL_TABLE if in_one else answer.table)
