"""The kernel's routing state of one family, as much of it as decides about a few addresses.

Promises: reading needs no privilege. Of each table only the routes that cover one of the addresses
asked about are decoded; the others, a million perhaps, are passed over by comparing bytes. What
stood in the rules before the rest was read still stands in them after it, or TornDump is raised.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from struct import Struct

from srcroutd.core.lookup_values import Own, Rpdb
from srcroutd.core.net import IP, Action, Family, Link, Network, Route, Rule, with_dev
from srcroutd.kernel.answers import read_dump
from srcroutd.kernel.codec_link import decode_address
from srcroutd.kernel.codec_route import RTA_DST, RTA_MULTIPATH, RTMSG, dead_paths, decode_route
from srcroutd.kernel.codec_rule import FRA_DST, FRA_PRIORITY, FRA_SRC, decode_rule
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.request_socket import RequestSocket
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.sysctl import read_sysctls
from srcroutd.kernel.wire import (
    ATTRIBUTE,
    BEYOND_HEADER,
    MESSAGE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RTM_GETADDR,
    attributes,
    ip,
    u32,
)

_LOCAL, _MAIN, _DEFAULT = 255, 254, 253
_TRIES = 3
_RTM_GETNEIGH, _RTM_GETADDRLABEL = 30, 74

_RULE_HEADER = Struct("=8BI")
_FIB_RULE_FIND_SADDR = 0x10000
_RTNH_F_DEAD = 0x1
_RTA_CACHEINFO = 12
_EXPIRES = Struct("=8xi")
_FIRST_ATTRIBUTE = RTMSG.size
_SECOND_ATTRIBUTE = _FIRST_ATTRIBUTE + 8
"""Where the destination stands in a dumped route: behind the table."""

_IFADDRMSG = Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_OPTIMISTIC, _IFA_F_HOME, _IFA_F_DEPRECATED = 0x4, 0x10, 0x20

_NDMSG = Struct("=B3xiHBB")
_NDA_DST = 1
_NUD_FAILED = 0x20

_IFADDRLBLMSG = Struct("=BBBBII")
_IFAL_ADDRESS, _IFAL_LABEL = 1, 2


async def read_rpdb(
    requests: Requests, family: Family, about: Iterable[IP], nics: Iterable[str] = ()
) -> Rpdb:
    """The RPDB for packets whose addresses are in ``about``, are this host's own, or are gateways
    on the way to either. Raises TornDump, KernelLacks.

    The sysctls of NICs that bear addresses or routes are read, and those of ``nics``.
    """
    names = frozenset(nics)
    for _ in range(_TRIES):
        before = await requests.rules(family)
        links = {link.index: link for link in await requests.links()}
        owns = tuple(filter(None, map(_own, _dump(RTM_GETADDR, _IFADDRMSG, family))))
        rules = tuple(map(_rule, before))
        bodies = {table: await requests.routes(family, table) for table in _tables(rules)}
        covering = frozenset(about) | {own.address.ip for own in owns}
        tables = _decoded(bodies, covering, links)
        gateways = {
            way.gateway for routes in tables.values() for route in routes for way in route.ways
        }
        if more := frozenset(one for one in gateways if one and one.version == _version(family)):
            covering |= more
            tables = _decoded(bodies, covering, links)
        failed, labels = _of_ipv6() if family is Family.V6 else (frozenset(), ())
        if before == await requests.rules(family):
            wanted = {
                way.oif for routes in tables.values() for route in routes for way in route.ways
            }
            wanted |= {own.address.index for own in owns}
            known = {links[index].name for index in wanted if index in links}
            sysctls = read_sysctls(known | names)
            return Rpdb(family, rules, tables, links, owns, sysctls, failed, labels, covering)
    raise TornDump(
        f"the IP{family.name.lower()} rules change faster than they can be read; look again"
    )


def _tables(rules: Iterable[Rule]) -> set[int]:
    """The tables that rules ask, and those that the kernel asks on its own."""
    asked = {rule.table for rule in rules if rule.action is Action.LOOKUP}
    return asked | {_LOCAL, _MAIN, _DEFAULT}


def _rule(body: bytes) -> Rule:
    """A rule; what our types cannot say of it is in its ``beyond``, and never left out."""
    header, found = _RULE_HEADER.unpack_from(body), attributes(body, _RULE_HEADER.size)
    rule = decode_rule(body)
    if rule is None:
        priority = found.get(FRA_PRIORITY)
        number = u32(priority) if priority else 0
        return Rule(Family(header[0]), number, Action.BLACKHOLE, beyond=(BEYOND_HEADER,))
    if header[8] & _FIB_RULE_FIND_SADDR:
        rule = replace(rule, beyond=(BEYOND_HEADER, *rule.beyond))
    if FRA_SRC in rule.beyond or FRA_DST in rule.beyond:
        # The kernel compares as many bits as the length says, host bits or not.
        rule = replace(
            rule,
            dst=_masked(found.get(FRA_DST), header[1]),
            src=_masked(found.get(FRA_SRC), header[2]),
            beyond=tuple(number for number in rule.beyond if number not in {FRA_SRC, FRA_DST}),
        )
    return rule


def _masked(packed: bytes | None, length: int) -> Network | None:
    if packed is None:
        return None
    if len(packed) == 4:
        return IPv4Network((packed, length), strict=False)
    return IPv6Network((packed, length), strict=False)


def _decoded(
    bodies: Mapping[int, list[bytes]], covering: frozenset[IP], links: Mapping[int, Link]
) -> dict[int, tuple[Route, ...]]:
    """The routes of each table that cover any of the addresses, in the kernel's order."""
    wanted = frozenset(
        (length, _masked_bytes(address, length))
        for address in covering
        for length in range(1, address.max_prefixlen + 1)
    )
    return {
        table: tuple(
            _named(route, links) for route in map(_route, _covering(found, wanted)) if route
        )
        for table, found in sorted(bodies.items())
    }


def _named(route: Route, links: Mapping[int, Link]) -> Route:
    return with_dev(route, {way.oif: links[way.oif].name for way in route.ways if way.oif in links})


def _version(family: Family) -> int:
    return family.everything.version


def _covering(bodies: Iterable[bytes], wanted: frozenset[tuple[int, bytes]]) -> Iterator[bytes]:
    """The bodies whose destination is one of ``wanted``, told by their bytes."""
    for body in bodies:
        length = body[1]
        if length == 0:
            yield body
            continue
        start = _SECOND_ATTRIBUTE
        size, kind = ATTRIBUTE.unpack_from(body, start)
        if kind == RTA_DST:
            prefix = body[start + 4 : start + size]
        else:
            prefix = attributes(body, _FIRST_ATTRIBUTE).get(RTA_DST, b"")
        if (length, prefix) in wanted:
            yield body


def _masked_bytes(address: IP, length: int) -> bytes:
    size = address.max_prefixlen
    return (int(address) >> (size - length) << (size - length)).to_bytes(size // 8, "big")


def _route(body: bytes) -> Route | None:
    """A route that the kernel would consider. It passes over those that have expired, and those it
    shows as dead: the NIC has no carrier, and ignore_routes_with_linkdown is on.
    """
    header = RTMSG.unpack_from(body)
    if header[8] & _RTNH_F_DEAD:
        return None
    cache = attributes(body, RTMSG.size).get(_RTA_CACHEINFO)
    if cache and _EXPIRES.unpack_from(cache)[0] < 0:
        return None
    route = decode_route(body)
    if route is None:
        known = decode_route(body[:7] + b"\1" + body[8:])
        return known and replace(known, beyond=(BEYOND_HEADER, *known.beyond))
    if route.paths and dead_paths(body):
        # Nothing is sent by a dead way, but rp_filter still believes what comes in by it.
        return replace(route, beyond=(RTA_MULTIPATH, *route.beyond))
    return route


def _own(body: bytes) -> Own | None:
    """An address with what the choice of a source needs to know of it."""
    address = decode_address(body)
    if address is None:
        return None
    _, length, flags, _, _ = _IFADDRMSG.unpack_from(body)
    found = attributes(body, _IFADDRMSG.size)
    if _IFA_FLAGS in found:
        flags = u32(found[_IFA_FLAGS])
    odd = "a mobile node's home address" if flags & _IFA_F_HOME else ""
    return Own(
        address,
        _masked(found.get(_IFA_ADDRESS) or found.get(_IFA_LOCAL), length)
        or address.interface.network,
        bool(flags & _IFA_F_DEPRECATED),
        "optimistic" if flags & _IFA_F_OPTIMISTIC else odd,
    )


def _of_ipv6() -> tuple[frozenset[tuple[int, IP]], tuple[tuple[Network, int], ...]]:
    """Neighbours that do not answer, and the labels of addresses (none without IPv6)."""
    failed: set[tuple[int, IP]] = set()
    for body in _dump(_RTM_GETNEIGH, _NDMSG, Family.V6):
        _, index, state, _, _ = _NDMSG.unpack_from(body)
        packed = attributes(body, _NDMSG.size).get(_NDA_DST)
        if state & _NUD_FAILED and packed:
            failed.add((index, ip(packed)))
    labels: list[tuple[Network, int]] = []
    for body in _dump(_RTM_GETADDRLABEL, _IFADDRLBLMSG, Family.V6):
        _, _, length, _, _, _ = _IFADDRLBLMSG.unpack_from(body)
        found = attributes(body, _IFADDRLBLMSG.size)
        prefix = _masked(found.get(_IFAL_ADDRESS), length)
        if prefix is not None:
            labels.append((prefix, u32(found[_IFAL_LABEL])))
    return frozenset(failed), tuple(labels)


def _dump(kind: int, header: Struct, family: Family) -> list[bytes]:
    """All bodies of a dump of this family for which ``Requests`` has no question."""
    body = bytes([family]) + bytes(header.size - 1)
    bodies: list[bytes] = []
    sock = RequestSocket()
    try:
        size = MESSAGE.size + len(body)
        sock.send(MESSAGE.pack(size, kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        while read_dump(sock.receive(), 1, sock.portid, bodies) is None:
            pass
    finally:
        sock.close()
    return [found for found in bodies if found[0] == family]
