"""What would decide about an address once a recipe's rule is gone: if not ours, the rule stays."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.net import MAIN_TABLE, Action, Family, Route, RouteType, Rule
from tests.pure.recipes import ETH0, IP1, S3, TYPED, default, from_ip, gone, take, typed, why

BETWEEN: dict[str, tuple[Rule, list[Route]]] = {
    "another table's default": (
        from_ip("192.0.2.0/24", 300, 150),
        [default(ETH0, 300)],
    ),
    "an exit node for all": (
        Rule(Family.V4, 5270, table=52),
        [Route(Family.V4, 52, ip_network("0.0.0.0/0"), oif=9)],
    ),
    "a split default": (
        Rule(Family.V4, 500, table=77, suppress_prefixlength=0),
        [Route(Family.V4, 77, ip_network("128.0.0.0/1"), oif=9)],
    ),
    "main": (Rule(Family.V4, 500, table=MAIN_TABLE), []),
    "a refusal": (from_ip("192.0.2.0/24", 0, 150, action=Action.PROHIBIT), []),
    "a jump": (Rule(Family.V4, 150, action=Action.GOTO, goto=32766), []),
    "all but others": (typed(from_ip("10.0.0.0/8", 300, 150), invert=True), [default(ETH0, 300)]),
}


@pytest.mark.parametrize(("rule", "routes"), BETWEEN.values(), ids=BETWEEN.keys())
def test_a_rule_stays_if_once_it_is_gone_these_would_decide(
    rule: Rule, routes: list[Route]
) -> None:
    found = take([TYPED, rule], [*S3, *routes])
    assert gone(found) == []
    assert any("would decide and not ours" in left.why for left in found.left)
    # Behind ours it has no effect, so that its loss has none either.
    behind = take([replace(TYPED, priority=32765), rule], [*S3, *routes])
    assert f"rule 32765: from {IP1} lookup 1001" in gone(behind)


PASSING: dict[str, tuple[Rule, list[Route]]] = {
    "main without its default": (
        Rule(Family.V4, 500, table=MAIN_TABLE, suppress_prefixlength=0),
        [],
    ),
    "peers of a VPN": (
        Rule(Family.V4, 5270, table=52),
        [Route(Family.V4, 52, ip_network("100.101.0.0/16"), oif=9)],
    ),
    "packets with a mark": (Rule(Family.V4, 500, table=MAIN_TABLE, mark=0x80, mask=0x80), []),
    "packets to a port": (Rule(Family.V4, 500, table=MAIN_TABLE, dport=(25, 25)), []),
    "other addresses": (from_ip("10.0.0.0/8", 300, 150), [default(ETH0, 300)]),
    "the other family": (from_ip("2001:db8:1::/64", 300, 150), [default(ETH0, 300, version=6)]),
    "nothing": (Rule(Family.V4, 150, action=Action.NOP), []),
}


@pytest.mark.parametrize(("rule", "routes"), PASSING.values(), ids=PASSING.keys())
def test_a_rule_goes_though_behind_it_stands_one_for(rule: Rule, routes: list[Route]) -> None:
    assert len(gone(take([TYPED, rule], [*S3, *routes]))) == 2


MAIN: dict[str, Route] = {
    "a static route by another ENI": Route(
        Family.V4, 254, ip_network("10.0.0.0/8"), gateway=ip_address("203.0.113.1"), oif=2
    ),
    "half of everything by a tunnel": Route(Family.V4, 254, ip_network("0.0.0.0/1"), oif=9),
    "a default that refuses": Route(Family.V4, 254, ip_network("0.0.0.0/0"), RouteType.UNREACHABLE),
    "a refusal of much": Route(Family.V4, 254, ip_network("10.0.0.0/8"), RouteType.BLACKHOLE),
    "several ways": Route(Family.V4, 254, ip_network("10.0.0.0/8"), beyond=(9,)),
}


@pytest.mark.parametrize("route", MAIN.values(), ids=MAIN.keys())
def test_a_rule_that_decides_now_stays_if_main_has(route: Route) -> None:
    assert "main has" in why(take([TYPED], [*S3, route]))
    assert len(gone(take([replace(TYPED, priority=32765)], [*S3, route]))) == 2


def test_routes_in_main_to_containers_tunnels_and_the_clouds_services_do_no_harm() -> None:
    gateway = ip_address("203.0.113.1")
    main = [
        Route(Family.V4, 254, ip_network("172.17.0.0/16"), oif=9, protocol=2),
        Route(Family.V4, 254, ip_network("10.8.0.0/24"), oif=10, gateway=ip_address("10.8.0.1")),
        Route(Family.V4, 254, ip_network("100.100.2.136/32"), oif=2, gateway=gateway, protocol=16),
        Route(Family.V4, 254, ip_network("203.0.113.0/24"), oif=2, protocol=2),
        Route(Family.V4, 254, ip_network("10.244.1.0/26"), RouteType.BLACKHOLE, protocol=80),
        Route(Family.V4, 254, ip_network("0.0.0.0/0"), RouteType.UNREACHABLE, metric=9999),
        default(ETH0, 254, protocol=16, metric=100),
    ]
    assert len(gone(take([TYPED], [*S3, *main]))) == 2
