"""What the administrator wants of one NIC beyond its mode: routes of his own in its table, and
destinations that main decides.

His word wins: a route of his takes the place of the mode's route with the same identity. Neither
leads a packet out of a NIC whose address it does not bear: the routes are in the NIC's table, the
rules ask for its addresses.
"""

from collections.abc import Iterator
from dataclasses import replace

from srcroutd.core.desired import ExtraRoute, Nic, NicDesired, Want
from srcroutd.core.net import (
    IP,
    MAIN_TABLE,
    Family,
    Network,
    Route,
    RouteType,
    Rule,
    Scope,
)

KEPT_STEP = 3
"""Where among a NIC's ten priorities: before the tiers of its addresses."""
FIRST_TIER_STEP = 4


def with_extras(nic: Nic, wanted: NicDesired) -> NicDesired:
    """What the mode wants, with the administrator's routes and exceptions laid over it."""
    settings = nic.settings
    if not settings.routes and not settings.keep_main:
        return wanted
    extra = tuple(_routes(nic, wanted))
    taken = {want.thing.identity for want in extra if isinstance(want.thing, Route)}
    kept = (
        want
        for want in wanted.routes
        if not isinstance(want.thing, Route) or want.thing.identity not in taken
    )
    rules = (*wanted.rules, *_to_main(nic, wanted))
    return replace(wanted, routes=(*kept, *extra), rules=rules)


def _routes(nic: Nic, wanted: NicDesired) -> Iterator[Want]:
    sources = _sources(nic, wanted)
    for extra in nic.settings.routes:
        family = Family.of(extra.dst)
        if family not in sources:
            continue  # this family is not managed here, or has no address yet
        if extra.type is RouteType.UNICAST and not nic.link.up:
            continue
        yield Want(_route(nic, extra, sources[family]), f"configured for {nic.link.name}")


def _route(nic: Nic, extra: ExtraRoute, source: IP | None) -> Route:
    family = Family.of(extra.dst)
    route = Route(
        family,
        nic.table,
        extra.dst,
        type=extra.type,
        metric=extra.metric,
        protocol=nic.protocol,
    )
    if extra.type is not RouteType.UNICAST:
        return route
    on_link = extra.gateway is None
    addressing = nic.eni.addressing(family)
    subnet = addressing.subnet if addressing else None
    return replace(
        route,
        gateway=extra.gateway,
        oif=nic.link.index,
        dev=nic.link.name,
        prefsrc=source,
        scope=Scope.LINK if on_link and family is Family.V4 else Scope.GLOBAL,
        onlink=not on_link and (subnet is None or extra.gateway not in subnet),
    )


def _sources(nic: Nic, wanted: NicDesired) -> dict[Family, IP | None]:
    """Per family that has rules for addresses: the address that new connections get, if known."""
    sources: dict[Family, IP | None] = {tier.family: None for tier, _ in _first_tiers(nic, wanted)}
    for want in wanted.routes:
        route = want.thing
        if isinstance(route, Route) and route.prefsrc and route.family in sources:
            sources[route.family] = route.prefsrc
    return sources


def _to_main(nic: Nic, wanted: NicDesired) -> Iterator[Want]:
    for destination in nic.settings.keep_main:
        for tier, source in _first_tiers(nic, wanted):
            if tier.family is Family.of(destination):
                rule = Rule(
                    tier.family,
                    nic.priority + KEPT_STEP,
                    table=MAIN_TABLE,
                    src=source,
                    dst=destination,
                    protocol=nic.protocol,
                )
                yield Want(rule, f"{destination} is left to main (keep_main)")


def _first_tiers(nic: Nic, wanted: NicDesired) -> Iterator[tuple[Rule, Network]]:
    """The first rule of each of the NIC's addresses and prefixes."""
    for want in wanted.rules:
        rule = want.thing
        if isinstance(rule, Rule) and rule.src and rule.priority == nic.priority + FIRST_TIER_STEP:
            yield rule, rule.src
