"""The codecs of routes, links and addresses against the kernel and against pyroute2.

What we encode comes back from the kernel byte for byte; what the kernel shows, pyroute2 reads as we
do.
"""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from srcroutd.core.net import (
    GUARD_METRIC,
    IP,
    Address,
    Family,
    Link,
    Path,
    Route,
    RouteType,
    Scope,
)
from srcroutd.kernel.codec_link import decode_address
from srcroutd.kernel.codec_route import dead_paths, decode_route, encode_route
from srcroutd.kernel.memo import RouteMemo
from srcroutd.kernel.messages import (
    Message,
    delete_dumped_route,
    delete_route,
    put_route,
)
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.stranger import describe

V4, V6 = Family.V4, Family.V6
TABLE = 18001
Ip = Callable[[str], str]


NET4, NET6 = IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8:5::/48")
GW4, GW6 = IPv4Address("192.0.2.2"), IPv6Address("2001:db8::2")
OUR4, OUR6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
FAR4, FAR6 = IPv4Address("203.0.113.1"), IPv6Address("2001:db8:ffff::1")

ROUTES = [
    Route(V4, TABLE, NET4, oif=1, scope=Scope.LINK, prefsrc=OUR4, protocol=83),
    Route(V4, TABLE, V4.everything, gateway=GW4, oif=1, protocol=83),
    Route(V4, TABLE, V4.everything, gateway=GW4, oif=1, prefsrc=OUR4, metric=9, protocol=83),
    Route(V4, TABLE, V4.everything, gateway=FAR4, oif=1, onlink=True, protocol=83),
    Route(V4, 77, V4.everything, gateway=GW4, oif=1, protocol=83),
    Route(V4, TABLE, V4.everything, RouteType.UNREACHABLE, metric=GUARD_METRIC, protocol=83),
    Route(V4, TABLE, NET4, RouteType.BLACKHOLE, protocol=83),
    Route(V4, TABLE, NET4, RouteType.PROHIBIT, protocol=83),
    Route(V4, TABLE, NET4, RouteType.THROW, protocol=83),
    Route(V4, TABLE, NET4, RouteType.LOCAL, oif=1, scope=Scope.HOST, protocol=83),
    Route(V6, TABLE, NET6, oif=1, prefsrc=OUR6, protocol=83),
    Route(V6, TABLE, V6.everything, gateway=GW6, oif=1, protocol=83),
    Route(V6, TABLE, V6.everything, gateway=GW6, oif=1, prefsrc=OUR6, metric=9, protocol=83),
    Route(V6, TABLE, V6.everything, gateway=FAR6, oif=1, onlink=True, protocol=83),
    Route(V6, TABLE, V6.everything, gateway=IPv6Address("fe80::1"), oif=1, protocol=83),
    Route(V6, TABLE, V6.everything, RouteType.UNREACHABLE, metric=GUARD_METRIC, protocol=83),
    Route(V6, TABLE, NET6, RouteType.BLACKHOLE, protocol=83),
    Route(V6, TABLE, NET6, RouteType.PROHIBIT, protocol=83),
    Route(V6, TABLE, NET6, RouteType.THROW, protocol=83),
]
BY_TWO4 = (Path(1, GW4, weight=3), Path(1, IPv4Address("192.0.2.9"), weight=256))
BY_TWO6 = (Path(1, GW6, weight=3), Path(1, IPv6Address("2001:db8::9"), weight=256))
MULTIPATH = [
    Route(V4, TABLE, V4.everything, protocol=83, paths=BY_TWO4),
    Route(V4, TABLE, NET4, protocol=83, prefsrc=OUR4, metric=9, paths=BY_TWO4[::-1]),
    Route(V4, TABLE, NET4, protocol=83, paths=(*BY_TWO4, Path(1, FAR4, onlink=True))),
    Route(V4, TABLE, NET4, protocol=83, paths=(*BY_TWO4, Path(1, weight=7))),
    Route(V6, TABLE, V6.everything, protocol=83, paths=BY_TWO6),
    Route(V6, TABLE, NET6, protocol=83, prefsrc=OUR6, metric=9, paths=BY_TWO6[::-1]),
    Route(V6, TABLE, NET6, protocol=83, paths=(*BY_TWO6, Path(1, FAR6, onlink=True))),
    Route(V6, TABLE, NET6, protocol=83, paths=(*BY_TWO6, Path(1, IPv6Address("fe80::1")))),
]
ROUTES += MULTIPATH


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_the_kernel_shows_a_route_as_we_encode_it(nics: dict[str, int], route: Route) -> None:
    route = by_nic(route, nics["eth1"])
    view, after = asyncio.run(route_seen_and_gone(route))
    assert dict(view) == {encode_route(route): route}
    assert not after


def by_nic(route: Route, index: int) -> Route:
    """The route with all its ways through a NIC of this namespace."""
    paths = tuple(replace(path, oif=index) for path in route.paths)
    return replace(route, oif=index if route.oif else 0, paths=paths)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """Routes of both families to any prefix: by a neighbour, on the wire, or refused."""
    family = draw(st.sampled_from(Family))
    bits = family.everything.max_prefixlen
    length = draw(st.integers(0, bits))
    number = draw(st.integers(0, 2**bits - 1)) >> (bits - length) << (bits - length)
    kind = draw(st.sampled_from((RouteType.UNICAST, RouteType.UNREACHABLE, RouteType.THROW)))
    gateway = draw(st.sampled_from((None, GW4 if family is V4 else GW6)))
    forwarded = kind is RouteType.UNICAST
    on_wire = forwarded and not gateway and family is V4
    if forwarded and draw(st.booleans()):
        gateway, forwarded, on_wire = None, False, False
        more: tuple[IP, ...] = (GW6, FAR6, IPv6Address("fe80::7"))
        gateways = (GW4, FAR4) if family is V4 else more
        found = draw(
            st.lists(
                st.tuples(st.sampled_from(gateways), st.integers(1, 256)),
                min_size=2,
                max_size=3,
                unique_by=lambda pair: pair[0],
            )
        )
        paths = tuple(Path(1, via, "", weight, onlink=True) for via, weight in found)
    else:
        paths = ()
    return Route(
        family=family,
        table=draw(st.sampled_from((1, 252, 256, TABLE, 2**32 - 1))),
        dst=(IPv4Network if family is V4 else IPv6Network)((number, length)),
        type=kind,
        gateway=gateway if forwarded else None,
        oif=int(forwarded),
        prefsrc=draw(st.sampled_from((None, OUR4 if family is V4 else OUR6)))
        if forwarded
        else None,
        metric=draw(st.sampled_from((0, 1, 1023, GUARD_METRIC, 2**32 - 1))),
        scope=Scope.LINK if on_wire else Scope.GLOBAL,
        onlink=bool(forwarded and gateway and draw(st.booleans())),
        protocol=draw(st.integers(5, 255)),
        paths=paths,
    )


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=routes())
def test_the_kernel_shows_any_route_as_we_encode_it(nics: dict[str, int], route: Route) -> None:
    route = by_nic(route, nics["eth1"])
    view, after = asyncio.run(route_seen_and_gone(route))
    assert view == {encode_route(route): route}
    assert not after


async def route_seen_and_gone(route: Route) -> tuple[dict[bytes, Route], list[bytes]]:
    """What the kernel shows of a table with the route, and after deleting it."""
    requests = Requests()
    try:
        assert not await requests.execute([put_route(route, replace=False)])
        view = RouteMemo().view(await requests.routes(route.family, route.table))
        assert not await requests.execute([delete_route(route)])
        return dict(view), await requests.routes(route.family, route.table)
    finally:
        requests.close()


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_pyroute2_reads_a_route_as_we_mean_it(route: Route) -> None:
    heard = pyroute2_reads(encode_route(route))
    metric = route.metric or (1024 if route.family is V6 else 0)
    assert heard == {
        "family": route.family,
        "dst_len": route.dst.prefixlen,
        "proto": route.protocol,
        "type": route.type,
        "scope": route.scope,
        "flags": 4 if route.onlink else 0,
        "RTA_TABLE": route.table,
        **({"RTA_DST": str(route.dst.network_address)} if route.dst.prefixlen else {}),
        **({"RTA_PRIORITY": metric} if metric else {}),
        **({"RTA_PREFSRC": str(route.prefsrc)} if route.prefsrc else {}),
        **({"RTA_GATEWAY": str(route.gateway)} if route.gateway else {}),
        **({"RTA_OIF": route.oif} if route.oif else {}),
        **({"RTA_MULTIPATH": [as_path(path) for path in route.paths]} if route.paths else {}),
    }


def as_path(path: Path) -> tuple[int, int, int, list[tuple[str, Any]]]:
    """What pyroute2 should read of a path: ifindex, weight - 1, flags and attributes."""
    gateway = [("RTA_GATEWAY", path.gateway)] if path.gateway else []
    return path.oif, path.weight - 1, 4 if path.onlink else 0, gateway


def test_the_default_metric_of_ipv6_is_one_key_however_it_is_said() -> None:
    said = Route(V6, TABLE, V6.everything, gateway=GW6, oif=3, metric=1024, dev="eth1")
    unsaid = replace(said, metric=0, dev="")
    assert encode_route(said) == encode_route(unsaid)
    assert decode_route(encode_route(said)) == unsaid


@pytest.mark.parametrize(
    ("words", "beyond"),
    [
        ("198.51.100.0/24 nexthop via inet6 fe80::1 dev eth1 nexthop via 192.0.2.9", (9,)),
        ("198.51.100.0/24 via 192.0.2.2 mtu 1400", (8,)),
        ("198.51.100.0/24 via inet6 fe80::1 dev eth1", (18,)),
        ("198.51.100.0/24 tos 0x10 via 192.0.2.2", (0,)),
        ("-6 2001:db8:5::/48 via 2001:db8::2 expires 300", (23,)),
        ("-6 2001:db8:5::/48 via 2001:db8::2 pref high", (20,)),
    ],
)
@pytest.mark.usefixtures("nics")
def test_what_our_type_cannot_say_of_a_route_is_beyond_and_deletable(
    ip: Ip, words: str, beyond: tuple[int, ...]
) -> None:
    family = V6 if words.startswith("-6") else V4
    option = "-6 " if family is V6 else ""
    ip(f"{option}route add table {TABLE} {words.removeprefix('-6 ')}")
    ((key, route),) = asyncio.run(table_of(family, TABLE)).items()
    assert route.beyond == beyond
    assert str(TABLE) in describe("route", key)
    assert not asyncio.run(table_of(family, TABLE, [delete_dumped_route(key)]))


def test_the_word_for_a_strangers_route_names_each_nexthop(ip: Ip, nics: dict[str, int]) -> None:
    assert nics["eth1"]
    hops = "nexthop via inet6 fe80::1 dev eth1 nexthop via 192.0.2.9"
    ip(f"route add table {TABLE} 198.51.100.0/24 {hops}")
    (key,) = asyncio.run(table_of(V4, TABLE)).keys()
    line = describe("route", key)
    assert line.startswith(f"IPv4 route 198.51.100.0/24 table {TABLE} (")
    assert "fe80::1" in line
    assert "192.0.2.9" in line


def test_carrier_loss_does_not_change_the_key_of_a_route(ip: Ip, nics: dict[str, int]) -> None:
    route = Route(V4, TABLE, V4.everything, gateway=GW4, oif=nics["eth1"], protocol=83)
    before = asyncio.run(table_of(V4, TABLE, [put_route(route, replace=False)]))
    ip("link set eth2 down")
    assert asyncio.run(table_of(V4, TABLE)) == before == {encode_route(route): route}


def test_a_way_that_is_dead_for_now_does_not_change_the_key_of_a_route(
    ip: Ip, nics: dict[str, int]
) -> None:
    paths = (Path(nics["eth1"], GW4, weight=2), Path(nics["eth2"], FAR4, onlink=True))
    paths6 = (Path(nics["eth1"], GW6, weight=2), Path(nics["eth2"], FAR6, onlink=True))
    ip("link set eth2 up")
    for family, ways in ((V4, paths), (V6, paths6)):
        route = Route(family, TABLE, family.everything, protocol=83, paths=ways)
        asyncio.run(table_of(family, TABLE, [put_route(route, replace=False)]))
        before = asyncio.run(bodies_of(family))
        ip("link set eth2 down")
        after = asyncio.run(bodies_of(family))
        assert (
            set(RouteMemo().view(after)) == set(RouteMemo().view(before)) == {encode_route(route)}
        )
        assert [dead_paths(body) for body in (*before, *after)] == [frozenset(), frozenset({1})]
        ip("link set eth2 up")


async def table_of(
    family: Family, table: int, first: list[Message] | None = None
) -> dict[bytes, Route]:
    """One table as a view, after some messages that must all succeed."""
    return dict(RouteMemo().view(await bodies_of(family, table, first)))


async def bodies_of(
    family: Family, table: int = TABLE, first: list[Message] | None = None
) -> list[bytes]:
    """The same as it was dumped."""
    requests = Requests()
    try:
        assert not await requests.execute(first or [])
        return await requests.routes(family, table)
    finally:
        requests.close()


def test_links_have_their_permanent_mac_their_kind_and_their_master(
    ip: Ip, nics: dict[str, int]
) -> None:
    ip("link add br0 type bridge")
    ip("link set eth2 master br0 down")
    links = {link.name: link for link in asyncio.run(looked())[0]}
    assert nics.keys() < links.keys()
    assert links["lo"].loopback
    assert links["lo"].mac == ""
    assert links["eth2"].master == links["br0"].index
    assert (links["eth2"].up, links["eth1"].up, links["eth1"].carrier) == (False, True, False)
    assert (links["eth1"].kind, links["br0"].kind, links["lo"].kind) == ("veth", "bridge", "")
    assert links["eth1"].mac in ip("link show eth1")


def test_addresses_are_our_own_end_and_say_whether_they_are_proven(
    ip: Ip, nics: dict[str, int]
) -> None:
    ip("address add 198.51.100.1 peer 198.51.100.2/32 dev eth1")
    ip("address add 192.0.2.7/24 dev eth1")
    ip("-6 address add 2001:db8::2/64 dev eth1")
    found = {str(found.interface): found for found in asyncio.run(looked())[1]}
    assert found["198.51.100.1/32"].index == nics["eth1"]
    assert found["192.0.2.7/24"].secondary
    assert not found["192.0.2.1/24"].secondary
    assert found["2001:db8::2/64"].tentative
    assert not found["2001:db8::1/64"].tentative
    assert found["127.0.0.1/8"].scope == Scope.HOST


@pytest.mark.parametrize(
    ("flags", "tentative"), [(0, False), (0x40, True), (0x44, False), (0x8, True), (0x48, True)]
)
def test_an_address_is_tentative_until_it_is_proven_and_after_it_failed(
    flags: int, *, tentative: bool
) -> None:
    address = ip_interface("2001:db8::1/64")
    body = struct.pack("=BBBBI", 10, 64, 0xFF, 0, 3)
    body += struct.pack("=HH16s", 20, 1, address.ip.packed) + struct.pack("=HHI", 8, 8, flags)
    found = decode_address(body)
    assert found is not None
    assert (found.interface, found.tentative) == (address, tentative)


async def looked() -> tuple[tuple[Link, ...], tuple[Address, ...]]:
    """Links and addresses of the namespace."""
    requests = Requests()
    try:
        return await requests.links(), await requests.addresses()
    finally:
        requests.close()


def pyroute2_reads(body: bytes) -> dict[str, Any]:
    """Header fields and attributes as pyroute2 decodes them."""
    message = rtmsg(struct.pack("=IHHII", 16 + len(body), 0, 0, 0, 0) + body)
    message.decode()
    attributes = message["attrs"]
    unused = {"attrs", "header", "table", "tos", "src_len"}
    heard = {name: value for name, value in message.items() if name not in unused}
    assert heard.keys().isdisjoint(dict(attributes))
    heard |= dict(attributes)
    if several := heard.get("RTA_MULTIPATH"):
        # pyroute2 0.9.7 may leave the addresses in there as bytes: ip_address reads both.
        heard["RTA_MULTIPATH"] = [
            (one["oif"], one["hops"], one["flags"],
             [(name, ip_address(value)) for name, value in one["attrs"]])
            for one in several
        ]  # fmt: skip
    return heard
