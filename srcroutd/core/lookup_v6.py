"""IPv6: from a packet to its way and its source address.

Written after ip6_route_output_flags and ip6_route_input_lookup in net/ipv6/route.c. The kernel does
not ask whose a source address is, nor filters by the way back, nor asks here whether it forwards.
"""

import errno
from ipaddress import IPv6Address

from srcroutd.core.lookup_fib6 import Search, best_route, good_ways, needs_device
from srcroutd.core.lookup_rules import LOOPBACK_INDEX, Verdict, flow_of, walk_rules
from srcroutd.core.lookup_source6 import choose_source
from srcroutd.core.lookup_values import (
    Beyond,
    End,
    Leaves,
    Packet,
    Refused,
    Rpdb,
    Source,
    Walk,
    spread,
)
from srcroutd.core.net import Route, RouteType

_UNSPECIFIED = IPv6Address("::")


def walk6(rpdb: Rpdb, packet: Packet) -> Walk:
    """Walk one IPv6 packet, sent or coming in."""
    if packet.dst == _UNSPECIFIED:
        return Walk(packet, (), Beyond(":: is no destination"))
    if packet.dst.is_multicast and packet.iif:
        return Walk(packet, (), Beyond("a multicast that comes in"))
    name = packet.iif or packet.oif
    link = rpdb.link_named(name)
    if name and link is None:
        why = f"there is no NIC {name}"
        return Walk(packet, (), Refused(frozenset({errno.ENODEV}), why))
    if link and (rpdb.in_vrf(link.index) or (packet.iif and link.loopback)):
        return Walk(packet, (), Beyond(f"what {name} does with its packets"))
    index = link.index if link else 0
    iif, oif = (index, 0) if packet.iif else (LOOPBACK_INDEX, index)
    flow = flow_of(packet, iif, oif)
    strict = needs_device(packet.dst) or bool(oif and packet.src is None)
    search = Search(packet.dst, index, strict)
    verdict = walk_rules(rpdb, flow, lambda table: best_route(rpdb, table, search))
    return Walk(packet, verdict.steps, _end(rpdb, packet, verdict, search))


def _end(rpdb: Rpdb, packet: Packet, verdict: Verdict, search: Search) -> End:
    """What becomes of the packet."""
    route = verdict.route
    if verdict.doubt:
        return Beyond(verdict.doubt)
    if verdict.refusal or route is None:
        return Refused(verdict.errnos, verdict.why, verdict.rule, route)
    ways = good_ways(rpdb, route, search) if route.paths else [route]
    return spread([_one_way(rpdb, packet, verdict, way) for way in ways])


def _one_way(rpdb: Rpdb, packet: Packet, verdict: Verdict, way: Route) -> End:
    """The same of one way of the route."""
    route, rule = verdict.route or way, verdict.rule
    if rpdb.in_vrf(way.oif):
        return Beyond(f"{rpdb.name(way.oif)} belongs to a VRF")
    here = way.type in {RouteType.LOCAL, RouteType.ANYCAST}
    oif = LOOPBACK_INDEX if here else way.oif
    if packet.iif:
        return Leaves(route, rule, oif, way.gateway)
    source = (
        Source(packet.src, 1, "the application bound it")
        if packet.src
        else choose_source(rpdb, way, packet.dst)
    )
    if isinstance(source, str):
        return Beyond(source)
    return Leaves(route, rule, oif, way.gateway, source)
