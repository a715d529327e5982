"""IPv6: which source address the kernel chooses where nobody bound one (RFC 6724, section 5).

Written after ipv6_dev_get_saddr in net/ipv6/addrconf.c. All addresses of the host are candidates,
but for destinations on the link only those of the NIC the packet leaves by.
"""

from ipaddress import IPv6Address, IPv6Network

from srcroutd.core.lookup_values import Own, Rpdb, Source
from srcroutd.core.net import IP, Route, table_name

_ROUTE_SRC, _SEARCHED = 2, 3
_LINK_SCOPE, _SITE_SCOPE, _GLOBAL_SCOPE = 0x2, 0x5, 0xE
_LINK_LOCAL, _SITE_LOCAL = IPv6Network("fe80::/10"), IPv6Network("fec0::/10")
_LOOPBACK = IPv6Address("::1")
_ORCHID = IPv6Network("2001:10::/28")
_ALWAYS_PREFERRED = (IPv6Network("fc00::/7"), IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"))
"""Reserved, loopback, compatible, mapped: their being deprecated does not count."""
_CLAUSES = (
    "the destination itself",
    "its scope suits the destination",
    "the others are deprecated",
    "it is on the NIC that the packet leaves by",
    "its label is the destination's",
    "the others are temporary",
    "it is of the destination's kind",
    "it shares the longest prefix with the destination",
)


def choose_source(rpdb: Rpdb, route: Route, dst: IP) -> Source | str:
    """The source of a packet to ``dst`` by ``route``; a clause instead if we cannot know."""
    if route.prefsrc:
        return Source(
            route.prefsrc, _ROUTE_SRC, f"src of the route in table {table_name(route.table)}"
        )
    link = rpdb.links.get(route.oif)
    conf = rpdb.sysctls.in_force6(link.name if link else "")
    here_only = dst.is_multicast or _scope(dst) <= _LINK_SCOPE or bool(conf.use_oif_addrs_only)
    best: tuple[tuple[int, ...], Own] | None = None
    rivals: list[tuple[tuple[int, ...], Own]] = []
    for own in rpdb.owns:
        if own.address.tentative or (here_only and own.address.index != route.oif):
            continue
        scored = (_score(rpdb, own, dst, route.oif), own)
        rivals.append(scored)
        if best is None or scored[0] > best[0]:
            best = scored
    if best is None:
        return Source(None, _SEARCHED, "no address suits")
    return _doubt(best, rivals) or Source(best[1].address.ip, _SEARCHED, _why(best, rivals))


def _score(rpdb: Rpdb, own: Own, dst: IP, oif: int) -> tuple[int, ...]:
    """The kernel's rules in order, each a number of which the larger wins."""
    ip, link = own.address.ip, rpdb.links.get(own.address.index)
    scope, wanted = _scope(ip), _scope(dst)
    conf = rpdb.sysctls.in_force6(link.name if link else "")
    shared = (128 - (int(ip) ^ int(dst)).bit_length()) if ip != dst else 128
    return (
        ip == dst,
        -scope if scope >= wanted else scope - 128,
        not own.deprecated or any(ip in network for network in _ALWAYS_PREFERRED),
        oif in {0, own.address.index},
        _label(rpdb, ip) == _label(rpdb, dst),
        own.address.secondary == (conf.use_tempaddr >= 2),
        (ip in _ORCHID) == (dst in _ORCHID),
        min(shared, own.address.interface.network.prefixlen),
    )


def _scope(ip: IP) -> int:
    """How far an address reaches (RFC 4291, 2.7; lo's is the link's)."""
    if ip.is_multicast:
        return ip.packed[1] & 0xF
    if ip in _LINK_LOCAL or ip == _LOOPBACK:
        return _LINK_SCOPE
    return _SITE_SCOPE if ip in _SITE_LOCAL else _GLOBAL_SCOPE


def _label(rpdb: Rpdb, ip: IP) -> int:
    return next((label for network, label in rpdb.labels if ip in network), -1)


def _doubt(best: tuple[tuple[int, ...], Own], rivals: list[tuple[tuple[int, ...], Own]]) -> str:
    """Why the choice cannot be known; empty if it can."""
    for own in (best[1], *(own for _, own in rivals)):
        if own.odd:
            return f"{own.address.ip} is {own.odd}"
    for score, own in rivals:
        if score == best[0] and own.address.index != best[1].address.index:
            # NICs come in the order of their making, which no dump shows.
            return f"{own.address.ip} and {best[1].address.ip} suit equally, on two NICs"
    return ""


def _why(best: tuple[tuple[int, ...], Own], rivals: list[tuple[tuple[int, ...], Own]]) -> str:
    """The rule that told the chosen address from the one that came nearest."""
    others = [score for score, own in rivals if own is not best[1]]
    if not others:
        return "the only address that can be"
    nearest = max(others)
    for place, clause in enumerate(_CLAUSES):
        if best[0][place] != nearest[place]:
            return f"RFC 6724: {clause}"
    return "RFC 6724: the first of equals"
