"""What was seen of main, parted among the NICs: each gets what its settings ask about."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from srcroutd.core.desired import Nic
from srcroutd.core.join import Joined
from srcroutd.core.main_table import MainDefault, MainPart, MainRoutes
from srcroutd.core.mirror import asked_by
from srcroutd.core.net import Link, Route, with_dev
from srcroutd.core.numbering import Domain, Seating


def with_main(
    joined: Joined,
    main: MainRoutes,
    ours: Callable[[Route], bool],
    names: Mapping[int, str],
    primary: str | None,
) -> Joined:
    """The join, its NICs with what they are to know of main.

    ``ours`` comes from ``owner``; ``names`` are all NICs of the host by ifindex; ``primary`` is the
    primary's MAC, None if it is not known.
    """
    if not any(nic.settings.main_default_metric or nic.settings.mirror for nic in joined.nics):
        return joined
    defaults = tuple(
        MainDefault(with_dev(one.route, names), one.oifs)
        for one in main.defaults
        if not ours(one.route)
    )
    routes = [
        with_dev(route, names) for route in main.routes if route.oif in names and not ours(route)
    ]
    nics: list[Nic] = []
    for nic in joined.nics:
        part = MainPart()
        if nic.settings.main_default_metric:
            why, unsure = _no_default(nic, nics, primary)
            part = MainPart(defaults, no_default=why, unsure=unsure)
        if nic.settings.mirror:
            asked = tuple(route for route in routes if asked_by(nic, route))
            part = replace(part, routes=asked, overfull=main.overfull)
        nics.append(replace(nic, main=part))
    return replace(joined, nics=tuple(nics))


def owner(
    domains: tuple[Domain, ...], seating: Seating, links: Iterable[Link]
) -> Callable[[Route], bool]:
    """Which routes of main are ours: those with our marks, by a NIC that ever had a number."""
    macs = {seat.mac for seat in seating.seats}
    oifs = {link.index for link in links if link.mac in macs}

    def ours(route: Route) -> bool:
        return route.oif in oifs and any(domain.owns_route(route) for domain in domains)

    return ours


def _no_default(nic: Nic, before: Iterable[Nic], primary: str | None) -> tuple[str, bool]:
    """Why the NIC can have no default of ours, and whether that is only for want of knowledge."""
    if primary is None:
        return "nobody knows which NIC is the primary", True
    if nic.link.mac == primary:
        return f"{nic.link.name} is the primary NIC", False
    asked = nic.settings.main_default_metric
    for other in before:
        same = asked != "auto" and other.settings.main_default_metric == asked
        if same and other.link.mac != primary:
            return f"metric {asked} is that of {other.link.name}; give each NIC its own", False
    return "", False
