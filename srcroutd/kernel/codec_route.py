"""Route to bytes and back: the body of RTM_NEWROUTE and RTM_DELROUTE, without its nlmsghdr.

``encode_route`` is canonical, and its bytes are the key under which two routes are compared: what
the kernel adds on its own (cache ages, router preference, the v6 guard's ``dev lo``, the flags dead
and linkdown of a route or of one of its paths) is not in it. Normal form of a decoded route:
``dev`` is empty; an IPv6 metric of 1024, the kernel's default, is 0; an IPv6 scope is GLOBAL; an
IPv6 route that refuses its packets has no ``oif``. ``decode_route`` of a dump of
``encode_route(r)`` equals ``r`` for every r in that form. Sources:
fib_dump_info in net/ipv4/fib_semantics.c, rt6_fill_node in net/ipv6/route.c.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from struct import Struct

from srcroutd.core.net import IP, Family, Network, Path, Route, RouteType, Scope
from srcroutd.kernel.wire import (
    BEYOND_HEADER,
    RT_TABLE_COMPAT,
    attribute,
    attributes,
    ip,
    network,
    u32,
    u32_attribute,
)

RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 2, 3, 4, 5, 6, 7
RTA_MULTIPATH = 9
RTA_CACHEINFO, RTA_TABLE, RTA_MARK, RTA_PREF, RTA_EXPIRES = 12, 15, 16, 20, 23
RTA_UID, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 25, 27, 28, 29
RTNH_F_DEAD, RTNH_F_ONLINK = 1, 4
DEFAULT_METRIC_V6 = 1024

RTMSG = Struct("=8BI")
"""rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags."""
RTNEXTHOP = Struct("=HBBi")
"""rtnexthop: length with its attributes, flags, weight - 1, ifindex."""
_CACHE_EXPIRES = Struct("=8xi")
"""rta_cacheinfo up to rta_expires: a lifetime in clock ticks, 0 for ever."""
_MODELLED = frozenset(
    (
        *(RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_MULTIPATH),
        *(RTA_TABLE, RTA_CACHEINFO, RTA_PREF),
    )
)
_REFUSALS = frozenset(
    (RouteType.BLACKHOLE, RouteType.UNREACHABLE, RouteType.PROHIBIT, RouteType.THROW)
)
_FAMILIES = {int(family): family for family in Family}
_TYPES = {int(kind): kind for kind in RouteType}
_SCOPES = {int(scope): scope for scope in Scope}
_EVERYTHING: dict[Family, Network] = {
    Family.V4: IPv4Network("0.0.0.0/0"),
    Family.V6: IPv6Network("::/0"),
}


def encode_route(route: Route) -> bytes:
    """The canonical body of a route. ``dev`` and ``beyond`` are not in it (the latter cannot be
    written).

    The IPv6 metric is always said: in a request to delete, none would mean any.
    """
    family = route.family
    body = RTMSG.pack(
        *(family, route.dst.prefixlen, 0, 0),
        route.table if route.table < 256 else RT_TABLE_COMPAT,
        route.protocol,
        route.scope if family is Family.V4 else Scope.GLOBAL,
        route.type,
        RTNH_F_ONLINK if route.onlink else 0,
    )
    body += u32_attribute(RTA_TABLE, route.table)
    if route.dst.prefixlen:
        body += attribute(RTA_DST, route.dst.network_address.packed)
    if family is Family.V4:
        if route.metric:
            body += u32_attribute(RTA_PRIORITY, route.metric)
        body += _address(RTA_PREFSRC, route.prefsrc)
    else:
        body += _address(RTA_PREFSRC, route.prefsrc)
        body += u32_attribute(RTA_PRIORITY, route.metric or DEFAULT_METRIC_V6)
    body += _address(RTA_GATEWAY, route.gateway)
    if route.oif and not _lo_of_its_own(family, route.type):
        body += u32_attribute(RTA_OIF, route.oif)
    if route.paths:
        body += attribute(RTA_MULTIPATH, b"".join(map(_encode_path, route.paths)))
    return body


def _encode_path(path: Path) -> bytes:
    gateway = _address(RTA_GATEWAY, path.gateway)
    flags = RTNH_F_ONLINK if path.onlink else 0
    size = RTNEXTHOP.size + len(gateway)
    return RTNEXTHOP.pack(size, flags, path.weight - 1, path.oif) + gateway


def _address(kind: int, address: IP | None) -> bytes:
    return attribute(kind, address.packed) if address else b""


def _lo_of_its_own(family: Family, kind: RouteType) -> bool:
    """The kernel hangs an IPv6 route that refuses on lo and shows that as its oif; nobody asked for
    it.
    """
    return family is Family.V6 and kind in _REFUSALS


def decode_route(body: bytes) -> Route | None:
    """The route in a dumped body, in normal form; None where family or type is not one of ours to
    know.
    """
    family_number, dst_len, src_len, tos, table, protocol, scope_number, kind, flags = (
        RTMSG.unpack_from(body)
    )
    family, route_type = _FAMILIES.get(family_number), _TYPES.get(kind)
    if family is None or route_type is None:
        return None
    found = attributes(body, RTMSG.size)
    beyond = _beyond(found)
    scope = _SCOPES.get(scope_number)
    if tos or src_len or scope is None:
        beyond.add(BEYOND_HEADER)
    paths = _paths(found.get(RTA_MULTIPATH, b""))
    if paths is None:
        beyond.add(RTA_MULTIPATH)
    dst, gateway, prefsrc = found.get(RTA_DST), found.get(RTA_GATEWAY), found.get(RTA_PREFSRC)
    metric = _number(found, RTA_PRIORITY)
    return Route(
        family=family,
        table=_number(found, RTA_TABLE, table),
        dst=network(dst, dst_len) if dst else _EVERYTHING[family],
        type=route_type,
        gateway=ip(gateway) if gateway else None,
        oif=0 if _lo_of_its_own(family, route_type) else _number(found, RTA_OIF),
        prefsrc=ip(prefsrc) if prefsrc else None,
        metric=0 if family is Family.V6 and metric == DEFAULT_METRIC_V6 else metric,
        scope=scope if scope is not None and family is Family.V4 else Scope.GLOBAL,
        onlink=bool(flags & RTNH_F_ONLINK),
        protocol=protocol,
        beyond=tuple(sorted(beyond)),
        paths=paths or (),
    )


def dead_paths(body: bytes) -> frozenset[int]:
    """Which of the paths of a dumped body, counted from 0, the kernel does not take: the NIC is
    down, or has no carrier where ignore_routes_with_linkdown is on.
    """
    nexthops = _nexthops(attributes(body, RTMSG.size).get(RTA_MULTIPATH, b""))
    return frozenset(
        place for place, (flags, _, _, _) in enumerate(nexthops) if flags & RTNH_F_DEAD
    )


def _paths(payload: bytes) -> tuple[Path, ...] | None:
    """The ways in RTA_MULTIPATH; None if one of them has more than a Path can say."""
    paths = []
    for flags, hops, index, found in _nexthops(payload):
        if found.keys() - {RTA_GATEWAY}:
            return None
        gateway = found.get(RTA_GATEWAY)
        onlink = bool(flags & RTNH_F_ONLINK)
        paths.append(Path(index, ip(gateway) if gateway else None, "", hops + 1, onlink))
    return tuple(paths)


def _nexthops(payload: bytes) -> Iterator[tuple[int, int, int, dict[int, bytes]]]:
    """Each rtnexthop: flags, weight - 1, ifindex and its attributes."""
    start = 0
    while start + RTNEXTHOP.size <= len(payload):
        length, flags, hops, index = RTNEXTHOP.unpack_from(payload, start)
        if length < RTNEXTHOP.size:
            break
        yield flags, hops, index, attributes(payload[: start + length], start + RTNEXTHOP.size)
        start += (length + 3) & ~3


def _beyond(found: dict[int, bytes]) -> set[int]:
    """What a Route cannot carry. Normal are a medium preference and no lifetime."""
    beyond = found.keys() - _MODELLED
    if found.get(RTA_PREF, b"\0") != b"\0":
        beyond.add(RTA_PREF)
    cache = found.get(RTA_CACHEINFO)
    if cache and _CACHE_EXPIRES.unpack_from(cache)[0]:
        beyond.add(RTA_EXPIRES)
    return beyond


def _number(found: dict[int, bytes], kind: int, otherwise: int = 0) -> int:
    payload = found.get(kind)
    return u32(payload) if payload else otherwise
