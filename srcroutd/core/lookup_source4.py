"""IPv4: which source address the kernel chooses where nobody bound one, and whose an address is.

Written after inet_select_addr and __ip_dev_find in net/ipv4/devinet.c. An address that another of
the same subnet stood on before is ``secondary`` and is never chosen.
"""

from srcroutd.core.lookup_values import Own, Rpdb, Source
from srcroutd.core.net import IP, Route, Scope, table_name

_ROUTE_SRC, _SEARCHED = 2, 3


def choose_source(rpdb: Rpdb, route: Route) -> Source | str:
    """The source of a packet that takes ``route``; a clause instead if we cannot know."""
    if route.prefsrc:
        return Source(
            route.prefsrc, _ROUTE_SRC, f"src of the route in table {table_name(route.table)}"
        )
    return source_on(rpdb, route.oif, route.gateway, route.scope)


def source_on(rpdb: Rpdb, index: int, near: IP | None, scope: int) -> Source | str:
    """The address of a NIC that suits: reaching as far as ``scope``, in the subnet of ``near``.

    Where the NIC has none, another NIC's is taken, lo's first.
    """
    usable = [
        own
        for own in rpdb.owns
        if own.address.index == index and not own.address.secondary and _reach(rpdb, own) <= scope
    ]
    nic = rpdb.name(index)
    for own in usable:
        if near is not None and near in own.network:
            why = f"the first address on {nic} in the gateway's subnet {own.network}"
            return Source(own.address.ip, _SEARCHED, why)
    if usable:
        return Source(usable[0].address.ip, _SEARCHED, f"the first address on {nic}")
    return _borrowed(rpdb, nic, scope)


def _reach(rpdb: Rpdb, own: Own) -> int:
    """The scope of an address; where route_localnet is on, lo's count as the link's."""
    localnet = rpdb.sysctls.in_force(rpdb.name(own.address.index)).route_localnet
    return min(own.address.scope, Scope.LINK if localnet else Scope.HOST)


def _borrowed(rpdb: Rpdb, nic: str, scope: int) -> Source | str:
    """An address of another NIC. Their order is that of their making, which no dump shows."""
    found: dict[int, IP] = {}
    for own in rpdb.owns:
        address = own.address
        if not address.secondary and address.scope != Scope.LINK and address.scope <= scope:
            found.setdefault(address.index, address.ip)
    first = min(found, key=lambda index: (not _is_loopback(rpdb, index), index), default=0)
    if len(set(found.values())) > 1 and not _is_loopback(rpdb, first):
        return f"{nic} has no address, and several other NICs could lend theirs"
    if not found:
        return Source(None, _SEARCHED, f"{nic} has no address, and no other NIC has one")
    why = f"{nic} has none; borrowed from {rpdb.name(first)}"
    return Source(found[first], _SEARCHED, why)


def _is_loopback(rpdb: Rpdb, index: int) -> bool:
    link = rpdb.links.get(index)
    return bool(link and link.loopback)


def bearers(rpdb: Rpdb, ip: IP) -> tuple[int, ...]:
    """The ifindexes of the NICs that bear an address."""
    return tuple(own.address.index for own in rpdb.owns if own.address.ip == ip)
