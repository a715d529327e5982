"""IPv4: from a packet to its way and its source address.

Written after fib_table_lookup (net/ipv4/fib_trie.c), ip_route_output_key_hash_rcu and
ip_route_input_slow (net/ipv4/route.c). What the kernel learned on its own, redirects and path MTUs,
is not looked at.
"""

import errno
from ipaddress import IPv4Address, IPv4Network

from srcroutd.core.lookup_check import check_source
from srcroutd.core.lookup_fib4 import is_own, look_up
from srcroutd.core.lookup_rules import LOOPBACK_INDEX, Verdict, flow_of
from srcroutd.core.lookup_source4 import choose_source, source_on
from srcroutd.core.lookup_values import (
    Beyond,
    End,
    Leaves,
    Packet,
    Refused,
    Rpdb,
    Source,
    Walk,
    single_ways,
    spread,
)
from srcroutd.core.net import Family, Link, Route, RouteType, Scope, network_of

_EVERYBODY = IPv4Address("255.255.255.255")
_ZERO = IPv4Network("0.0.0.0/8")
_LOOPBACK = IPv4Network("127.0.0.0/8")


def walk4(rpdb: Rpdb, packet: Packet) -> Walk:
    """Walk one IPv4 packet, sent or coming in."""
    special = _special(packet)
    if special:
        return Walk(packet, (), special)
    return _coming_in(rpdb, packet) if packet.iif else _sent(rpdb, packet)


def _special(packet: Packet) -> End | None:
    """Addresses for which the kernel does not, or not only, ask the RPDB."""
    dst, src = packet.dst, packet.src
    if dst.is_multicast or dst == _EVERYBODY or dst in _ZERO:
        return Beyond(f"{dst} is no unicast address")
    if src is None and packet.iif:
        return _refused(errno.EINVAL, "a packet that comes in needs a source")
    if src is not None and (src.is_multicast or src == _EVERYBODY or src in _ZERO):
        return _refused(errno.EINVAL, f"{src} cannot be a source")
    return None


def _refused(number: int, why: str, *more: int) -> Refused:
    return Refused(frozenset({number, *more}), why)


def _sent(rpdb: Rpdb, packet: Packet) -> Walk:
    """A packet that this host sends."""
    if packet.src is not None:
        own = is_own(rpdb, packet.src)
        if own is None:
            return Walk(packet, (), Beyond(f"whether {packet.src} is an address of this host"))
        if not own:
            # EINVAL before Linux 6.14 or so.
            why = f"{packet.src} is no address of this host"
            return Walk(packet, (), _refused(errno.ENETUNREACH, why, errno.EINVAL))
    oif = 0
    if packet.oif:
        link = rpdb.link_named(packet.oif)
        trouble = _unusable(rpdb, packet.oif, link)
        if trouble or link is None:
            return Walk(packet, (), trouble or Beyond(""))
        oif = link.index
    verdict = look_up(rpdb, flow_of(packet, oif=oif))
    return Walk(packet, verdict.steps, _way_out(rpdb, packet, verdict, oif))


def _unusable(rpdb: Rpdb, name: str, link: Link | None) -> End | None:
    if link is None:
        return _refused(errno.ENODEV, f"there is no NIC {name}")
    if rpdb.in_vrf(link.index):
        return Beyond(f"{name} belongs to a VRF")
    return None if link.up else _refused(errno.ENETUNREACH, f"{name} is down")


def _way_out(rpdb: Rpdb, packet: Packet, verdict: Verdict, oif: int) -> End:
    """What becomes of a packet sent: the RPDB's word, and what the kernel makes of it."""
    if verdict.doubt:
        return Beyond(verdict.doubt)
    if oif and verdict.refusal:
        return _assumed_on_link(rpdb, packet, oif)
    route = verdict.route
    if route is None or verdict.refusal:
        return Refused(verdict.errnos, verdict.why, verdict.rule, route)
    if route.type is RouteType.LOCAL:
        chosen = Source(route.prefsrc or packet.dst, 2 if route.prefsrc else 3, "it is our own")
        return Leaves(route, verdict.rule, LOOPBACK_INDEX, None, _bound(packet) or chosen)
    ways = single_ways(route)
    if oif:
        # A sender bound to a NIC gets the first way by it, whatever the hash.
        ways = [way for way in ways if way.oif == oif][:1]
    return spread([_one_way_out(rpdb, packet, verdict, way, oif) for way in ways])


def _one_way_out(rpdb: Rpdb, packet: Packet, verdict: Verdict, way: Route, oif: int) -> End:
    """The same of one way of the route."""
    route = verdict.route or way
    trouble = _beyond_this_route(rpdb, way, 1 if route.paths else oif)
    if trouble:
        return Beyond(trouble)
    source = _bound(packet) or choose_source(rpdb, way)
    if isinstance(source, str):
        return Beyond(source)
    return _with_source(rpdb, Leaves(route, verdict.rule, way.oif, way.gateway, source))


def _bound(packet: Packet) -> Source | None:
    return Source(packet.src, 1, "the application bound it") if packet.src else None


def _assumed_on_link(rpdb: Rpdb, packet: Packet, oif: int) -> End:
    """A socket bound to a NIC goes out there, route or no route, refusal or not: the kernel then
    takes every address to be on that link.
    """
    dst = network_of(packet.dst)
    route = Route(Family.V4, 0, dst, oif=oif, dev=rpdb.name(oif), scope=Scope.LINK)
    source = _bound(packet) or source_on(rpdb, oif, None, Scope.LINK)
    if isinstance(source, str):
        return Beyond(source)
    return _with_source(rpdb, Leaves(route, None, oif, None, source))


def _beyond_this_route(rpdb: Rpdb, route: Route, oif: int) -> str:
    """Why the route found is not the whole answer; empty if it is."""
    if route.type not in {RouteType.UNICAST, RouteType.BROADCAST}:
        return f"a route of type {route.type.name.lower()}"
    if rpdb.in_vrf(route.oif):
        return f"{rpdb.name(route.oif)} belongs to a VRF"
    if _gateway_is_local(rpdb, route):
        return f"the gateway {route.gateway} lies in a local route"
    if not oif and route.dst.prefixlen == 0 and route.gateway:
        for other in rpdb.tables[route.table]:
            same = other.dst.prefixlen == 0 and other.metric == route.metric
            several = other.gateway or other.paths or other.beyond
            if same and other is not route and several:
                return (
                    "several defaults of one metric: the kernel takes the one whose gateway lives"
                )
    return ""


def _gateway_is_local(rpdb: Rpdb, route: Route) -> bool:
    """Whether the kernel may have found the gateway to be this host when the route was made: then
    it sends straight to the destination, which no dump shows.
    """
    gateway = route.gateway
    return (
        gateway is not None
        and not route.onlink
        and any(
            other.type is RouteType.LOCAL and gateway in other.dst
            for table in rpdb.tables.values()
            for other in table
        )
    )


def _with_source(rpdb: Rpdb, way: Leaves) -> End:
    """Loopback addresses stay at home."""
    link = rpdb.links.get(way.oif)
    source = way.source.ip if way.source else None
    at_home = link is not None and link.loopback
    if source is None or source not in _LOOPBACK or at_home:
        return way
    if rpdb.sysctls.in_force(rpdb.name(way.oif)).route_localnet:
        return way
    why = f"{source} may not leave by {rpdb.name(way.oif)}"
    return Refused(frozenset({errno.EINVAL}), why, way.rule, way.route)


def _coming_in(rpdb: Rpdb, packet: Packet) -> Walk:
    """A packet that came in by a NIC, for this host or to be forwarded."""
    link = rpdb.link_named(packet.iif)
    if link is None:
        return Walk(packet, (), _refused(errno.ENODEV, f"there is no NIC {packet.iif}"))
    if rpdb.in_vrf(link.index) or link.loopback:
        return Walk(packet, (), Beyond(f"what comes in by {packet.iif}"))
    if packet.iif not in rpdb.sysctls.nics:
        return Walk(packet, (), Beyond(f"the sysctls of {packet.iif} were not read"))
    conf = rpdb.sysctls.in_force(packet.iif)
    for address in (packet.dst, packet.src):
        if address is not None and address in _LOOPBACK and not conf.route_localnet:
            why = f"{address} may not come in by {packet.iif}"
            return Walk(packet, (), _refused(errno.EINVAL, why))
    verdict = look_up(rpdb, flow_of(packet, iif=link.index))
    return Walk(packet, verdict.steps, _way_through(rpdb, packet, verdict, conf.forwarding))


def _way_through(rpdb: Rpdb, packet: Packet, verdict: Verdict, forwarding: int) -> End:
    """What becomes of a packet that came in."""
    route, rule = verdict.route, verdict.rule
    if verdict.doubt:
        return Beyond(verdict.doubt)
    if not forwarding and (verdict.refusal or route is None or route.type is RouteType.UNICAST):
        why = f"it is not for this host, and {packet.iif} does not forward"
        return Refused(frozenset({errno.EHOSTUNREACH}), why, rule, route)
    if verdict.refusal or route is None:
        return Refused(verdict.errnos, verdict.why, rule, route)
    if route.type not in {RouteType.UNICAST, RouteType.LOCAL}:
        return Beyond(f"a {route.type.name.lower()} that comes in")
    if route.type is RouteType.LOCAL:
        return _believed(rpdb, packet, verdict, route)
    return spread([_believed(rpdb, packet, verdict, way) for way in single_ways(route)])


def _believed(rpdb: Rpdb, packet: Packet, verdict: Verdict, way: Route) -> End:
    """What becomes of it on one way of the route."""
    route, rule = verdict.route or way, verdict.rule
    if rpdb.in_vrf(way.oif):
        return Beyond(f"{rpdb.name(way.oif)} belongs to a VRF")
    if _gateway_is_local(rpdb, way):
        return Beyond(f"the gateway {way.gateway} lies in a local route")
    check = check_source(rpdb, packet, 0 if way.type is RouteType.LOCAL else way.oif)
    if check.passes is None:
        return Beyond(check.why)
    if not check.passes:
        # EXDEV for rp_filter up to about Linux 6.13.
        return Refused(frozenset({errno.EINVAL, errno.EXDEV}), check.why, rule, route)
    if route.type is RouteType.LOCAL:
        return Leaves(route, rule, LOOPBACK_INDEX)
    return Leaves(route, rule, way.oif, way.gateway)
