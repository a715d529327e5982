"""What adopt takes over, what it leaves and why: recipes of the seeds and what resembles them."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.adoption import adoption
from srcroutd.core.adoption_sight import Sighting
from srcroutd.core.join import State
from srcroutd.core.net import MAIN_TABLE, Action, Family, Route, RouteType, Rule
from srcroutd.core.operation import Operation, Phase
from tests.pure.recipes import (
    ETH0,
    ETH1,
    ETH2,
    IP1,
    IP2,
    S1,
    S3,
    TYPED,
    VIEW,
    connected,
    default,
    from_ip,
    gone,
    seen,
    take,
    typed,
    why,
)


def test_the_rule_and_both_routes_that_nmcli_made_are_taken_over() -> None:
    found = take([from_ip(IP1, 200, 100, protocol=4)], S1)
    assert gone(found) == [
        f"rule 100: from {IP1} lookup 200",
        "route default via 192.0.2.1 dev eth1 table 200 metric 100",
        "route 192.0.2.0/24 dev eth1 table 200 scope link metric 100",
    ]
    assert found.left == ()


def test_each_thing_is_shown_with_what_replaces_it() -> None:
    found = take([from_ip(IP1, 200, 100)], S1)
    assert [str(tier) for tier in found.rules[0].tiers] == [
        f"18014: from {IP1} lookup 18001 suppress_prefixlength 0",
        f"18015: from {IP1} lookup main suppress_prefixlength 0",
        f"18016: from {IP1} lookup 18001",
    ]
    assert [str(one.instead) for one in found.routes] == [
        f"default via 192.0.2.1 dev eth1 table 18001 src {IP1}",
        f"192.0.2.0/24 dev eth1 table 18001 scope link src {IP1}",
    ]


@pytest.mark.parametrize("priority", [99, 18009, 32765])
def test_a_rule_typed_without_a_priority_is_taken_over_wherever_it_came_to_stand(
    priority: int,
) -> None:
    found = take([from_ip(IP1, 1001, priority)], S3)
    assert gone(found) == [
        f"rule {priority}: from {IP1} lookup 1001",
        "route default via 192.0.2.1 dev eth1 table 1001",
    ]


def test_a_rule_whose_routes_went_with_the_link_is_taken_over_alone() -> None:
    assert gone(take([from_ip(IP1, 1001, 32765)])) == [f"rule 32765: from {IP1} lookup 1001"]


def test_copies_of_a_rule_all_go_the_one_that_decides_last() -> None:
    rules = [from_ip(IP1, 1001, 97), from_ip(IP1, 1001, 98), from_ip(IP1, 1001, 98)]
    found = take([*rules, from_ip(IP1, 200, 100)], [*S1, *S3])
    assert [one.rule.priority for one in found.rules] == [100, 98, 98, 97]


def test_two_nics_in_one_table_are_both_taken_over_and_the_table_goes_with_the_last() -> None:
    both = [*S1, default(ETH2, 200, metric=101), connected(ETH2, 200, metric=101)]
    rules = [from_ip(IP1, 200, 100), from_ip(IP2, 200, 100)]
    assert len(gone(take(rules, both))) == 6
    only = adoption(VIEW, seen(VIEW, rules, both), ["eth1"])
    assert gone(only) == [f"rule 100: from {IP1} lookup 200"]
    assert [left.why for left in only.left] == [
        "eth2 was not asked for",
        f"rule 100: from {IP2} lookup 200 still looks it up",
    ]


def test_ipv6_is_taken_over_alike_and_apart_from_ipv4() -> None:
    six = [default(ETH1, 1001, version=6)]
    found = take([from_ip("2001:db8:1::10", 1001, 100)], [*six, *S3])
    assert gone(found) == [
        "rule 100: from 2001:db8:1::10 lookup 1001",
        "route default via 2001:db8:1::1 dev eth1 table 1001",
    ]
    assert {one.route.family for one in found.routes} == {Family.V6}


def test_what_must_stand_first_is_what_the_plan_puts_in_for_these_nics() -> None:
    def operation(phase: Phase, want: Rule | Route, seat: int) -> Operation:
        return Operation(phase, "add", want, want, seat, "because")

    some = [
        operation(Phase.PUT_ROUTES, ETH1.desired.routes[0].thing, 1),
        operation(Phase.PUT_ROUTES, ETH2.desired.routes[0].thing, 2),
        operation(Phase.ADD_RULES, ETH1.desired.rules[0].thing, 1),
        operation(Phase.DELETE_RULES, ETH1.desired.rules[0].thing, 1),
    ]
    view = replace(VIEW, by_daemon=False, operations=tuple(some))
    found = take([from_ip(IP1, 200, 100)], S1, view, standing=False)
    assert found.first == (some[0], some[2])


def test_beside_a_daemon_that_is_not_in_sync_nothing_is_taken_over() -> None:
    for view in (
        replace(VIEW, in_sync=False, why="2 contested"),
        replace(VIEW, standing_by=True, why="2 contested"),
    ):
        found = take([from_ip(IP1, 200, 100)], S1, view)
        assert why(found) == "srcroutd is not in sync (2 contested)"


def test_a_rule_for_the_primary_that_is_left_alone_stays_and_keeps_the_shared_table() -> None:
    found = take(
        [from_ip("203.0.113.5", 200, 100), from_ip(IP1, 200, 100)],
        [*S1, default(ETH0, 200, metric=102)],
    )
    assert gone(found) == [f"rule 100: from {IP1} lookup 200"]
    assert [left.why for left in found.left] == [
        "eth0 is left alone: the primary; what it needs stays yours",
        "rule 100: from 203.0.113.5 lookup 200 still looks it up",
    ]


def test_the_rule_by_mark_stays_and_the_reason_names_containers() -> None:
    rule = Rule(Family.V4, 1000, table=100, mark=1, mask=0xFFFFFFFF)
    assert "containers behind DNAT" in why(take([rule], [default(ETH1, 100)]))


def test_a_second_default_in_main_is_shown_and_needs_nothing() -> None:
    found = take([], [default(ETH1, MAIN_TABLE, metric=200)])
    assert why(found).endswith("needs nothing done")


def test_strangers_rules_about_other_addresses_are_only_counted() -> None:
    found = take([from_ip("10.9.9.9", 300, 100), from_ip("10.0.0.0/8", 301, 101)])
    assert (gone(found), found.left, found.others) == ([], (), 2)


SHAPES: dict[str, tuple[Rule, str]] = {
    "it covers a subnet": (from_ip("192.0.2.0/24", 1001, 100), "whole prefix"),
    "it asks for a destination": (typed(TYPED, dst=ip_network("10.0.0.0/8")), "more than a source"),
    "it asks for a device": (typed(TYPED, iif="eth0"), "more than a source"),
    "it asks for a port": (typed(TYPED, dport=(443, 443)), "more than a source"),
    "it asks for a user": (typed(TYPED, uids=(0, 0)), "more than a source"),
    "it asks for a tunnel": (typed(TYPED, beyond=(12,)), "more than a source"),
    "it is inverted": (typed(TYPED, invert=True), "more than a source"),
    "it suppresses": (typed(TYPED, suppress_prefixlength=0), "more than look up"),
    "it jumps": (typed(TYPED, action=Action.GOTO, goto=200, table=0), "more than look up"),
    "it refuses": (typed(TYPED, action=Action.UNREACHABLE, table=0), "more than look up"),
    "it looks up main": (typed(TYPED, table=MAIN_TABLE), "everybody uses"),
    "it looks up local": (typed(TYPED, table=255), "everybody uses"),
    "it looks up our table": (typed(TYPED, table=18001), "a table of ours"),
    "a daemon made it": (typed(TYPED, protocol=42), "protocol babel"),
    "its priority is 0": (typed(TYPED, priority=0), "priority 0"),
    "terway's priority": (typed(TYPED, priority=2048), "terway"),
    "terway's other priority": (typed(TYPED, priority=512), "terway"),
    "VPC-CNI's priority": (typed(TYPED, priority=1536), "VPC-CNI"),
    "cilium's priority": (typed(TYPED, priority=111), "cilium"),
    "mwan3's priority": (typed(TYPED, priority=2001), "mwan3"),
    "tailscale's table": (typed(TYPED, table=52), "tailscale"),
    "nm-cloud-setup's priority": (typed(TYPED, priority=30200), "nm-cloud-setup.timer"),
    "ec2-net-utils' table": (typed(TYPED, table=10101), "amazon-ec2-net-utils"),
    "cloud-netconfig's priority": (typed(TYPED, priority=30010), "cloud-netconfig"),
}


@pytest.mark.parametrize(("rule", "word"), SHAPES.values(), ids=SHAPES.keys())
def test_a_rule_stays_because(rule: Rule, word: str) -> None:
    assert word in why(take([rule], S3))


GATEWAY = S3[0]
TABLES: dict[str, tuple[Route, str]] = {
    "a default by an appliance": (
        replace(GATEWAY, gateway=ip_address("192.0.2.99")),
        "the gateway of eth1 is 192.0.2.1",
    ),
    "bird": (replace(GATEWAY, protocol=12), "protocol bird"),
    "router advertisements": (replace(GATEWAY, protocol=9), "protocol ra"),
    "the kernel": (replace(GATEWAY, protocol=2), "protocol kernel"),
    "a subnet of somebody": (
        replace(GATEWAY, dst=ip_network("10.8.0.0/16")),
        "would not lead it the same way",
    ),
    "a container bridge": (
        replace(GATEWAY, dst=ip_network("172.17.0.0/16"), gateway=None, oif=9),
        "does not lead out of an ENI",
    ),
    "a guard": (
        replace(GATEWAY, type=RouteType.UNREACHABLE, gateway=None, oif=0, metric=9),
        "a recipe has no such route",
    ),
    "several next hops": (replace(GATEWAY, gateway=None, oif=0, beyond=(9,)), "more than a recipe"),
    "another MTU": (replace(GATEWAY, beyond=(8,)), "more than a recipe"),
}


@pytest.mark.parametrize(("route", "word"), TABLES.values(), ids=TABLES.keys())
def test_a_rule_and_all_routes_stay_if_its_table_holds_also(route: Route, word: str) -> None:
    found = take([from_ip(IP1, 1001, 32765)], [replace(GATEWAY, metric=7), route])
    assert word in why(found)


def test_a_table_numbered_as_terway_numbers_them_stays() -> None:
    table = 1000 + ETH1.link.index
    assert "terway" in why(take([from_ip(IP1, table, 100)], [default(ETH1, table)]))


def test_a_rule_stays_if_the_kernel_could_delete_another_in_its_place() -> None:
    found = take([typed(TYPED, iif="eth0"), TYPED], S3)
    assert gone(found) == []
    assert "could take another one for it" in found.left[1].why


def test_a_rule_stays_if_another_jumps_to_it() -> None:
    found = take([Rule(Family.V4, 50, action=Action.GOTO, goto=100), TYPED], S3)
    assert [left.why.split(":")[0] for left in found.left] == ["another one jumps to it"]


def test_the_routes_stay_on_a_host_with_a_vrf() -> None:
    kernel = seen(VIEW, [TYPED], S3)
    found = adoption(VIEW, Sighting(kernel.rules, kernel.tables, vrf=True))
    assert gone(found) == [f"rule 100: from {IP1} lookup 1001"]
    assert "VRF" in found.left[0].why


def test_a_nic_that_is_down_or_without_facts_takes_nothing_over() -> None:
    down = replace(
        ETH1,
        desired=replace(
            ETH1.desired,
            routes=tuple(w for w in ETH1.desired.routes if "unreachable" in str(w.thing)),
        ),
    )
    view = replace(VIEW, nics=(ETH0, down, ETH2))
    assert "no gateway of ours" in why(take([TYPED], S3, view))
    waiting = replace(
        ETH1, state=State.WAITING, why="no metadata yet", desired=type(down.desired)()
    )
    view = replace(VIEW, nics=(ETH0, waiting, ETH2))
    assert why(take([TYPED], S3, view)).startswith("eth1 is waiting: no metadata yet")
