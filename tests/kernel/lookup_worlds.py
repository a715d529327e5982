"""Random worlds for the walk: rules, routes and sysctls; ``lookup_packets`` are for them.

A world is applied to the kernel as it is drawn; what the kernel refuses of it is not there, for the
walk sees what the kernel then holds.
"""

import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from srcroutd.core import net
from srcroutd.core.lookup_compare import Answer
from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import Action, Family, Network, Route, RouteType, Rule, Scope
from srcroutd.kernel.codec_route import RTMSG
from srcroutd.kernel.messages import (
    Message,
    add_rule,
    delete_dumped_route,
    delete_dumped_rule,
    put_route,
)
from srcroutd.kernel.requests import Requests

V4, V6 = Family.V4, Family.V6
TABLES = (100, 101, 254)
OURS = 83
_KERNEL = 2
NICS = ("eth1", "eth2", "eth3", "eth4", "eth5")
_MADE = "".join(
    f"link add eth{n} type veth peer name p{n}\n"
    f"link set eth{n} addrgenmode none\nlink set p{n} addrgenmode none\n"
    for n in range(1, 6)
)
SETTLE = f"""{_MADE}
address add 10.10.10.10/32 dev lo
address add 192.0.2.1/24 dev eth1
address add 192.0.2.7/24 dev eth1
address add 198.51.100.1/26 dev eth1
address add 198.51.100.65/26 dev eth1 scope link
address add 192.0.2.2/24 dev eth2
address add 203.0.113.1/24 dev eth3
address add 10.0.0.1 peer 10.0.0.2/32 dev eth3
address add 2001:db8:1::1/64 dev eth1 nodad
address add 2001:db8:1::7/64 dev eth1 nodad preferred_lft 0
address add 2001:db8:2::1/64 dev eth1 nodad
address add 2001:db8:1::2/64 dev eth2 nodad
address add fd00:3::1/64 dev eth3 nodad
address add 2001:db8:10::10/128 dev lo
address add fe80::a1/64 dev eth1 nodad
address add fe80::a2/64 dev eth2 nodad
link set eth1 up
link set p1 up
link set eth2 up
link set p2 up
link set eth3 up
link set eth4 up
link set p4 up
address add 203.0.114.1/24 dev eth5
"""
"""Two NICs in one subnet, one NIC without carrier, one without addresses, one down. Nothing here
is still on its way (a link-local address being proven), so each question has one answer.
"""

_UP = frozenset(f"{kind}{n}" for kind in ("eth", "p") for n in (1, 2, 4))
_PATIENCE_S = 10.0


def settle() -> dict[str, int]:
    """Make the NICs and addresses in this namespace: name to ifindex."""
    subprocess.run(["ip", "-batch", "-"], input=SETTLE, text=True, check=True)
    give_up = time.monotonic() + _PATIENCE_S
    # The kernel finishes a link's coming up later, and adds routes then.
    while not {line.split()[0].partition("@")[0] for line in _links("UP")} >= _UP:
        assert time.monotonic() < give_up, "the links do not come up"
        time.sleep(0.01)
    return {name: socket.if_nametoindex(name) for name in ("lo", *NICS)}


def _links(state: str) -> list[str]:
    shown = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True)
    return [line for line in shown.stdout.splitlines() if line.split()[1] == state]


async def ask(requests: Requests, packet: Packet, indexes: Mapping[str, int]) -> Answer:
    """What the kernel says of a packet."""
    answer = await requests.way_of(packet, indexes)
    return answer if isinstance(answer, Route) else answer.errno


_PREFIXES: dict[Family, tuple[str, ...]] = {
    V4: (
        *("0.0.0.0/0", "0.0.0.0/1", "172.16.0.0/12", "172.16.5.0/24", "172.16.5.5/32"),
        *("192.0.2.0/24", "192.0.2.0/28", "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/8"),
        "192.0.2.1/32",
    ),
    V6: (
        *("::/0", "2000::/3", "2001:db8::/32", "2001:db8:7::/48", "2001:db8:7::7/128"),
        *("2001:db8:1::/64", "2001:db8:1::/120", "fd00::/8", "2001:db8:1::1/128"),
    ),
}
_GATEWAYS: dict[Family, tuple[str, ...]] = {
    V4: (
        "192.0.2.254",
        "198.51.100.62",
        "198.51.100.66",
        "203.0.113.254",
        "10.0.0.2",
        "172.31.0.1",
    ),
    V6: ("2001:db8:1::fe", "2001:db8:2::fe", "fd00:3::fe", "fe80::1", "2001:db8:99::1"),
}
_PREFSRCS: dict[Family, tuple[str, ...]] = {
    V4: ("192.0.2.1", "192.0.2.7", "192.0.2.2", "10.10.10.10"),
    V6: ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:10::10"),
}
_SUPPRESSIONS = {V4: (-1, -1, 0, 1, 12, 23, 24, 32), V6: (-1, -1, 0, 3, 31, 32, 64, 128)}
_TYPES = (
    *(RouteType.UNICAST,) * 8,
    *(RouteType.UNREACHABLE, RouteType.PROHIBIT, RouteType.BLACKHOLE, RouteType.THROW),
    RouteType.THROW,
    RouteType.LOCAL,
)
_ACTIONS = (
    *(Action.LOOKUP,) * 10,
    *(Action.GOTO,) * 2,
    *(Action.NOP, Action.UNREACHABLE, Action.PROHIBIT, Action.BLACKHOLE),
)
DEAD = "2001:db8:1::fe"
MARKS = (0, 0x10000, 0x20005)
ICMP = {V4: 1, V6: 58}
_TOS = {V4: (0x8, 0x10, 0x1C), V6: (0x8, 0x10, 0xB8)}
_PORTS = ((443, 443), (1, 1023), (53, 53), (1024, 65534), (5000, 5000))
_UIDS = ((0, 0), (0, 99), (33, 33), (1, 2**32 - 2))


@dataclass(frozen=True)
class World:
    """What an example puts into the kernel."""

    family: Family
    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    sysctls: tuple[tuple[str, int], ...]
    dead: bool = False
    """Whether the gateway ``DEAD`` does not answer."""


def prefixes(family: Family) -> st.SearchStrategy[Network]:
    """A prefix that covers some of the packets."""
    return st.sampled_from([ip_network(words) for words in _PREFIXES[family]])


_SELECTORS = (
    *("src", "src", "dst", "dst", "iif", "oif", "mark", "mark"),
    *("tos", "ip_proto", "sport", "dport", "uids"),
)


@st.composite
def rules(draw: st.DrawFn, family: Family) -> Rule:
    """One rule, most of them with one to three selectors."""
    priority = draw(st.integers(1, 12))
    action = draw(st.sampled_from(_ACTIONS))
    has = draw(st.lists(st.sampled_from(_SELECTORS), max_size=3))
    nic = st.sampled_from((*NICS, "lo", "gone0"))
    lookup = action is Action.LOOKUP
    rule = Rule(
        family,
        priority,
        action,
        table=draw(st.sampled_from((*TABLES, *TABLES, 253, 255, 999))) if lookup else 0,
        src=draw(prefixes(family)) if "src" in has else None,
        dst=draw(prefixes(family)) if "dst" in has else None,
        iif=draw(nic) if "iif" in has else "",
        oif=draw(nic) if "oif" in has else "",
        mark=draw(st.sampled_from((*MARKS, 5))) if "mark" in has else 0,
        mask=draw(st.sampled_from((0xFFFFFFFF, 0xFF0000, 0xF))) if "mark" in has else 0,
        invert=draw(st.booleans()) and draw(st.booleans()),
        goto=priority + draw(st.integers(1, 4)) if action is Action.GOTO else 0,
        suppress_prefixlength=draw(st.sampled_from(_SUPPRESSIONS[family])) if lookup else -1,
        protocol=OURS,
    )
    chosen: dict[str, tuple[Any, ...]] = {
        "tos": _TOS[family],
        "ip_proto": (6, 17, 47, ICMP[family]),
        "sport": _PORTS,
        "dport": _PORTS,
        "uids": _UIDS,
    }
    asked = {name: draw(st.sampled_from(chosen[name])) for name in chosen if name in has}
    return replace(rule, **asked)


@st.composite
def routes(draw: st.DrawFn, family: Family, indexes: dict[str, int]) -> Route:
    """One route of any kind; not each is one that the kernel takes."""
    kind = draw(st.sampled_from(_TYPES))
    out = kind is RouteType.UNICAST
    gateway = (
        ip_address(draw(st.sampled_from(_GATEWAYS[family])))
        if out and draw(st.booleans())
        else None
    )
    v4 = family is V4
    scope = Scope.GLOBAL
    if v4 and kind is RouteType.LOCAL:
        scope = Scope.HOST
    elif v4 and out and gateway is None:
        scope = Scope.LINK
    found = Route(
        family,
        draw(st.sampled_from((*TABLES, *TABLES, *TABLES, 253, 255))),
        draw(prefixes(family)),
        kind,
        gateway=gateway,
        oif=indexes[draw(st.sampled_from(NICS if out else ("lo", "eth1")))]
        if out or kind is RouteType.LOCAL
        else 0,
        prefsrc=ip_address(draw(st.sampled_from(_PREFSRCS[family])))
        if out and draw(st.booleans())
        else None,
        metric=draw(st.sampled_from((0, 0, 10, 2000))),
        scope=scope,
        onlink=gateway is not None and draw(st.booleans()),
        protocol=OURS,
    )
    if not out or draw(st.integers(0, 5)):
        return found
    # IPv6 refuses a route that has one way twice.
    every = paths(family, indexes)
    ways = draw(
        st.lists(every, min_size=2, max_size=3, unique_by=lambda way: (way.oif, way.gateway))
    )
    return replace(found, gateway=None, oif=0, onlink=False, scope=Scope.GLOBAL, paths=tuple(ways))


@st.composite
def paths(draw: st.DrawFn, family: Family, indexes: dict[str, int]) -> net.Path:
    """One of several ways, by a gateway that the kernel takes on any NIC."""
    near = family is V6 and draw(st.booleans())
    far = _GATEWAYS[family] if family is V4 else _GATEWAYS[family][-1:]
    gateway = "fe80::1" if near else draw(st.sampled_from(far))
    nic = indexes[draw(st.sampled_from((*NICS[:2] * 40, *NICS)))]
    weight = draw(st.integers(1, 256))
    return net.Path(nic, ip_address(gateway), "", weight, onlink=not near)


@st.composite
def sysctls(draw: st.DrawFn) -> tuple[tuple[str, int], ...]:
    """Settings that look-ups depend on."""
    chosen = [
        (f"{family}/conf/{nic}/ignore_routes_with_linkdown", draw(st.integers(0, 1)))
        for family, nic in (("ipv4", "eth3"), ("ipv6", "eth3"), ("ipv4", "all"), ("ipv6", "all"))
    ]
    for name, most in (("rp_filter", 2), ("src_valid_mark", 1), ("accept_local", 1)):
        chosen += [
            (f"ipv4/conf/{nic}/{name}", draw(st.integers(0, most)) * draw(st.integers(0, 1)))
            for nic in ("all", "eth1", "eth2", "eth4")
        ]
    chosen += [("ipv4/conf/eth1/send_redirects", draw(st.integers(0, 1)))]
    forwards = draw(st.sampled_from((0, 1, 1)))
    chosen += [("ipv4/ip_forward", forwards), ("ipv6/conf/all/forwarding", forwards)]
    return tuple(chosen)


@st.composite
def worlds(draw: st.DrawFn, family: Family, indexes: dict[str, int]) -> World:
    """A whole example."""
    stock = [Rule(family, 0, table=255), Rule(family, 32766, table=254)]
    stock += [Rule(family, 32767, table=253)] if family is V4 else []
    kept = draw(st.sampled_from((stock, stock, stock, stock[:1], stock[1:])))
    drawn = draw(st.lists(rules(family), min_size=4, max_size=14))
    return World(
        family,
        (*kept, *drawn),
        tuple(draw(st.lists(routes(family, indexes), min_size=6, max_size=18))),
        draw(sysctls()),
        draw(st.booleans()),
    )


def prepare(world: World) -> None:
    """Set what of a world is neither rule nor route."""
    for name, value in world.sysctls:
        (Path("/proc/sys/net") / name).write_text(str(value))
    state = "failed" if world.dead else "noarp lladdr 02:00:00:00:00:99"
    subprocess.run(f"ip neigh replace {DEAD} dev eth1 nud {state}".split(), check=True)


async def apply(requests: Requests, world: World) -> None:
    """Make the kernel hold the rules and routes of a world and nothing else of the kind."""
    await clear(requests, world.family)
    await lay(requests, world.routes)
    await requests.execute([add_rule(rule, exclusive=False) for rule in world.rules])


async def lay(requests: Requests, routes: Iterable[Route]) -> None:
    """Put routes in, as far as the kernel takes them."""
    await requests.execute([put_route(route, replace=False) for route in routes])


async def clear(requests: Requests, family: Family) -> None:
    """Take away every rule and all that ``lift`` does."""
    await lift(requests, family)
    await requests.execute([delete_dumped_rule(body) for body in await requests.rules(family)])


async def lift(requests: Requests, family: Family) -> None:
    """Take away every route that the kernel or ``SETTLE`` did not put in."""
    gone: list[Message] = []
    for table in (*TABLES, 253, 255):
        found = await requests.routes(family, table)
        strange = [body for body in found if RTMSG.unpack_from(body)[5] != _KERNEL]
        gone += map(delete_dumped_route, strange)
    await requests.execute(gone)
