"""What would decide about a packet once a rule in front of ours is gone.

Ours are asked only after every rule that stands before them, and their second tier asks main
without its default. Both may lead a packet where the rule that is taken away did not. Promise: in
doubt a rule decides, a route attracts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from srcroutd.core.adoption_sight import DEFAULT_TABLE, LOCAL_TABLE, Found
from srcroutd.core.net import IP, MAIN_TABLE, Action, Family, Network, Route, RouteType, Rule
from srcroutd.core.view import NicView

FAR = 8
"""A route with a shorter prefix than this leads to far away, as a default does (VPN clients split
it).
"""
SMALL = 24
"""A prefix of this length or longer that main refuses is the block of a container network."""
REFUSALS = frozenset({RouteType.BLACKHOLE, RouteType.UNREACHABLE, RouteType.PROHIBIT})
CLOUD_SERVICES = (IPv4Network("100.64.0.0/10"), IPv4Network("169.254.0.0/16"))
"""The cloud's own name servers and metadata: DHCP clients put routes to them into main."""


def heir(
    ip: IP,
    rules: Iterable[Rule],
    routes: Callable[[Family, int], tuple[Found[Route], ...]],
) -> Rule | None:
    """The first of these rules that would decide about a packet from ``ip`` to far away, None if
    each passes it on.

    A rule that asks for more than a source (mark, destination, device, port) was put there for
    packets of its own and does not count.
    """
    return next((rule for rule in rules if _decides(rule, ip, routes)), None)


def _decides(rule: Rule, ip: IP, routes: Callable[[Family, int], tuple[Found[Route], ...]]) -> bool:
    if rule.action is Action.NOP or rule.table == LOCAL_TABLE:
        return False
    specific = rule.dst is not None and rule.dst.prefixlen >= FAR
    marked = rule.mark or rule.mask
    if specific or marked or rule.iif or rule.oif or rule.asks_more or rule.beyond:
        return rule.invert
    inside = rule.src is None or ip in rule.src
    if inside is rule.invert:
        return False
    if rule.action is not Action.LOOKUP:
        return True
    if rule.table == MAIN_TABLE:
        return rule.suppress_prefixlength < 0  # the rest of main is ``main_lures``' matter
    if rule.table == DEFAULT_TABLE:
        return True
    return any(
        found.thing is None or rule.suppress_prefixlength < found.thing.dst.prefixlen < FAR
        for found in routes(rule.family, rule.table)
    )


def main_lures(
    nic: NicView, family: Family, main: Sequence[Found[Route]], nics: Mapping[int, NicView]
) -> Route | None:
    """A route in main that would lead packets of the NIC's addresses out of another ENI, or most
    of them anywhere else, or refuse them; None if there is none.

    Containers and tunnels with prefixes of their own are meant to be found there. The cloud's
    services count for nothing: nobody asks them with a secondary NIC's address.
    """
    decided = [
        want.thing.dst
        for want in nic.desired.routes
        if isinstance(want.thing, Route)
        and want.thing.family is family
        and want.thing.oif
        and want.thing.dst.prefixlen
    ]
    best = _best_default(main)
    if best and best.type in REFUSALS:
        return best  # the kernel suppresses a default that leads somewhere, not one that refuses
    for found in main:
        route = found.thing
        if route is None or not route.dst.prefixlen or _within(route.dst, decided):
            continue
        if _lures(route, nic, nics):
            return route
    return None


def _lures(route: Route, nic: NicView, nics: Mapping[int, NicView]) -> bool:
    if route.type in REFUSALS:
        return route.dst.prefixlen < SMALL
    if route.type is not RouteType.UNICAST or route.oif == nic.link.index:
        return False
    if route.dst.prefixlen < FAR:
        return True
    several = route.oif == 0
    other_eni = route.oif in nics and route.gateway is not None
    return (several or other_eni) and not _within(route.dst, CLOUD_SERVICES)


def _best_default(main: Iterable[Found[Route]]) -> Route | None:
    defaults = [found.thing for found in main if found.thing and not found.thing.dst.prefixlen]
    return min(defaults, key=lambda route: route.metric, default=None)


def _within(prefix: Network, others: Iterable[Network]) -> bool:
    return any(
        prefix.version == other.version and prefix.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )
