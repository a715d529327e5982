"""A NIC's table in words: where each destination goes, other subnets folded where they are many."""

from collections.abc import Sequence

from srcroutd.core.net import GUARD_METRIC, IP, Route, RouteType, table_name
from srcroutd.export.graph.drift import Drift
from srcroutd.export.graph.picture import Line, Mark
from srcroutd.export.graph.text import clean

SHOWN = 4
"""This many other subnets are listed one by one."""
SHORT = 24
"""A way out longer than this (an IPv6 gateway) goes below its destination."""


def route_lines(
    marked: Sequence[tuple[Route, Mark]], drift: Drift, table: int, gateway: IP | None
) -> tuple[Line, ...]:
    """The lines for one family: what is near first, the guard last."""
    lines = [
        (route, _line(route, mark, drift.instead(route), table, gateway))
        for route, mark in sorted(marked, key=lambda pair: _place(*pair))
    ]
    others = [
        line
        for route, line in lines
        if route.gateway and route.dst.prefixlen and line.mark is Mark.NONE
    ]
    if len(others) <= SHOWN:
        return tuple(line for _, line in lines)
    things = tuple(thing for line in others for thing in line.things)
    summary = Line(others[0].text, lead=f"{len(others)} other subnets", things=things)
    shown: list[Line] = []
    for _, line in lines:
        if line is others[0]:
            shown.append(summary)
        elif not any(line is other for other in others):
            shown.append(line)
    return tuple(shown)


def _place(route: Route, mark: Mark) -> tuple[int, int, int, bool]:
    """The kernel's order as people think of it: the narrow before the wide, the guard at the
    end.
    """
    rank = 2 if not route.dst.prefixlen else 1 if route.gateway else 0
    guard = 1 if route.type is not RouteType.UNICAST else 0
    return (rank + guard, -route.dst.prefixlen, int(route.dst.network_address), mark.value != "")


def _line(route: Route, mark: Mark, instead: Route | None, table: int, gateway: IP | None) -> Line:
    way = _way(route, gateway)
    below = [way] if len(way) > SHORT else []
    below += [f"in its place {_held(instead)}"] if instead else []
    return Line(
        "" if len(way) > SHORT else way,
        lead="default" if not route.dst.prefixlen else str(route.dst),
        under=", ".join(below),
        note="" if route.table == table else f"table {table_name(route.table)}",
        mark=mark,
        things=(route,),
    )


def _way(route: Route, gateway: IP | None) -> str:
    """Where a route leads, in words."""
    if route.type is not RouteType.UNICAST:
        word = route.type.name.lower()
        return f"{word} (guard)" if route.metric == GUARD_METRIC else word
    if route.paths:
        return f"{len(route.paths)} ways"
    if route.gateway is None:
        return "on the link"
    return "via the gateway" if route.gateway == gateway else f"via {route.gateway}"


def _held(route: Route) -> str:
    """A route that has the place of a wanted one."""
    dev = f" dev {clean(route.dev or str(route.oif))}" if route.oif else ""
    return f"{_way(route, None)}{dev} proto {route.protocol}"
