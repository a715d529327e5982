"""A host with three NICs for the tests of adopt: eth0 left alone, eth1 and eth2 kept, and what a
kernel shows that holds ours and what people typed.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from srcroutd.core.adoption import Adoption, adoption
from srcroutd.core.adoption_sight import Found, Sighting
from srcroutd.core.join import State
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import MAIN_TABLE, Family, Route, Rule, Scope
from srcroutd.core.view import NicView, View
from tests.pure.worlds import address, addressing, eni, nic

_KNOWN = {
    0: ("203.0.113", "2001:db8", "5"),
    1: ("192.0.2", "2001:db8:1", "10"),
    2: ("198.51.100", "2001:db8:2", "20"),
}


def _nic(number: int) -> NicView:
    four, six, host = _KNOWN[number]
    v4 = addressing(f"{four}.{host}", subnet=f"{four}.0/24", gateway=f"{four}.1")
    v6 = addressing(f"{six}::{host}", subnet=f"{six}::/64", gateway=f"{six}::1")
    made = nic(
        number,
        eni(number, v4, v6),
        [address(number, f"{four}.{host}/24"), address(number, f"{six}::{host}/64")],
    )
    if not number:
        state, why = State.LEFT_ALONE, "the primary"
        return NicView(made.link, state, why, primary=True, eni=made.eni, addresses=made.addresses)
    return NicView(
        made.link,
        State.MANAGED,
        eni=made.eni,
        addresses=made.addresses,
        seat=number,
        table=made.table,
        priority=made.priority,
        desired=derive_source(made),
    )


ETH0, ETH1, ETH2 = _nic(0), _nic(1), _nic(2)
VIEW = View(0.0, by_daemon=True, in_sync=True, nics=(ETH0, ETH1, ETH2))


def from_ip(prefix: str, table: int, priority: int, **more: Any) -> Rule:
    """``ip rule add priority P from PREFIX lookup TABLE``."""
    src = ip_network(prefix)
    return Rule(Family.of(src), priority, table=table, src=src, **more)


def typed(rule: Rule, **otherwise: Any) -> Rule:
    """The rule with something else."""
    return replace(rule, **otherwise)


def default(of: NicView, table: int, *, version: int = 4, **more: Any) -> Route:
    """``ip route add default via GATEWAY dev NIC table TABLE``."""
    family = Family.V4 if version == 4 else Family.V6
    known = of.eni.addressing(family) if of.eni else None
    gateway = known.gateway if known else None
    more = {"protocol": 3} | more
    return Route(family, table, family.everything, gateway=gateway, oif=of.link.index, **more)


def connected(of: NicView, table: int, **more: Any) -> Route:
    """``ip route add SUBNET dev NIC table TABLE``."""
    subnet = of.eni.v4.subnet if of.eni and of.eni.v4 else None
    assert subnet
    more = {"protocol": 3, "scope": Scope.LINK} | more
    return Route(Family.V4, table, subnet, oif=of.link.index, **more)


def seen(
    view: View, rules: Iterable[Rule], routes: Iterable[Route] = (), *, standing: bool = True
) -> Sighting:
    """What the kernel shows: its own rules, ours if they stand, and these."""
    every = [*_kernels(), *rules]
    held = [*routes]
    for one in view.nics if standing else ():
        every += [want.thing for want in one.desired.rules if isinstance(want.thing, Rule)]
        held += [want.thing for want in one.desired.routes if isinstance(want.thing, Route)]
    every.sort(key=lambda rule: (rule.family, rule.priority))
    tables: dict[tuple[Family, int], list[Found[Route]]] = defaultdict(list)
    for number, route in enumerate(held):
        bare = replace(route, dev="")
        tables[route.family, route.table].append(Found(f"{number} {bare}".encode(), bare))
    found = tuple(Found(f"{number} {rule}".encode(), rule) for number, rule in enumerate(every))
    return Sighting(found, {key: tuple(each) for key, each in tables.items()})


def _kernels() -> list[Rule]:
    made = [Rule(Family.V4, 32767, table=253, protocol=2)]
    for family in Family:
        made += [
            Rule(family, 0, table=255, protocol=2),
            Rule(family, 32766, table=MAIN_TABLE, protocol=2),
        ]
    return made


def way_of(sighting: Sighting, src: str, dst: str) -> int | None:
    """A small model of the RPDB: the ifindex by which a packet without a mark leaves, None if it
    does not. Rules that ask for more (ports, users, what is beyond our types) do not match it.
    """
    source, target = ip_address(src), ip_address(dst)
    for found in sighting.rules:
        rule = found.thing
        if rule is None or rule.family is not Family.of(source) or rule.table == 255:
            continue
        if (
            rule.beyond
            or rule.asks_more
            or rule.mark
            or rule.iif
            or rule.oif
            or (rule.dst and target not in rule.dst)
        ):
            continue
        if (rule.src is None or source in rule.src) is rule.invert:
            continue
        if rule.action.name in {"BLACKHOLE", "UNREACHABLE", "PROHIBIT"}:
            return None
        matching = [
            one.thing
            for one in sighting.routes(rule.family, rule.table)
            if one.thing and target in one.thing.dst
        ]
        if not matching:
            continue
        best = min(matching, key=lambda route: (-route.dst.prefixlen, route.metric))
        if best.type.name != "UNICAST":
            return None
        if best.dst.prefixlen > rule.suppress_prefixlength:
            return best.oif
    return None


def without(sighting: Sighting, rules: set[bytes], routes: set[bytes]) -> Sighting:
    """The same after these have been deleted."""
    return Sighting(
        tuple(found for found in sighting.rules if found.body not in rules),
        {
            key: tuple(found for found in each if found.body not in routes)
            for key, each in sighting.tables.items()
        },
    )


IP1, IP2 = "192.0.2.10", "198.51.100.20"
S1 = [default(ETH1, 200, protocol=4, metric=100), connected(ETH1, 200, protocol=4, metric=100)]
"""What nmcli leaves in table 200 (seed 000)."""
S3 = [default(ETH1, 1001, protocol=3)]
"""``ip route add default via GW dev eth1 table 1001`` (seed 001)."""
TYPED = from_ip(IP1, 1001, 100)


def take(
    rules: Iterable[Rule], routes: Iterable[Route] = (), view: View = VIEW, **how: bool
) -> Adoption:
    return adoption(view, seen(view, rules, routes, **how))


def gone(found: Adoption) -> list[str]:
    return [f"rule {one.rule}" for one in found.rules] + [
        f"route {one.route}" for one in found.routes
    ]


def why(found: Adoption) -> str:
    assert gone(found) == []
    (left,) = found.left
    return left.why
