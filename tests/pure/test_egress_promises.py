"""What holds for any entries: whom their rules can meet, and each step on the way to them."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.egress import derive_egress
from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.net import Family, Route, Rule
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from srcroutd.core.unbound import KEPT, section
from tests.pure.egresses import (
    BOTH,
    FAR,
    FAR6,
    MASK,
    TCP,
    UDP,
    entry,
)
from tests.pure.worlds import DOMAIN, told


@st.composite
def entries_of_any_kind(draw: st.DrawFn) -> EgressEntry:
    to = draw(st.sampled_from(["", FAR, FAR6, "198.51.100.0/24", "0.0.0.0/0", "203.0.113.9/32"]))
    port = draw(st.none() | st.tuples(st.integers(1, 9), st.integers(9, 65534)))
    return entry(
        to,
        draw(st.sampled_from(["eth1", "eth2", "eni-2", "eth9"])),
        ip_proto=TCP if port else draw(st.sampled_from([0, TCP, UDP])),
        port=port,
        uids=draw(st.none() | st.just((5, 9))),
        mark=draw(st.sampled_from([0, 1])),
        mask=0xFF,
        snat=draw(st.booleans()),
    )


ENTRIES = st.lists(entries_of_any_kind(), max_size=6, unique=True)


@given(ENTRIES)
def test_no_rule_asks_a_packet_that_has_a_source_unless_it_bears_our_mark(
    entries: list[EgressEntry],
) -> None:
    wanted = derive_egress(entries, BOTH, MASK)
    rules = [want.thing for want in wanted.rules if isinstance(want.thing, Rule)]
    inner, ours = section(DOMAIN), range(18000, 18002)
    for rule in rules:
        if rule.priority in ours:
            assert rule.mark & MASK.bits
            assert rule.mask == MASK.bits
        elif rule.priority in inner:
            four = rule.family is Family.V4
            assert rule.src == (ip_network("0.0.0.0/32") if four else None)
        else:
            assert rule.priority in {17500, 17999}
    assert all(DOMAIN.owns_rule(rule) and DOMAIN.seat_of(rule) == 0 for rule in rules)
    assert len(set(rules)) == len(rules)


@given(ENTRIES)
def test_each_table_that_a_rule_leads_to_has_its_routes_and_no_two_of_one_identity(
    entries: list[EgressEntry],
) -> None:
    wanted = derive_egress(entries, BOTH, MASK)
    routes = [want.thing for want in wanted.routes if isinstance(want.thing, Route)]
    assert len({route.identity for route in routes}) == len(routes)
    assert all(DOMAIN.owns_route(route) and DOMAIN.seat_of(route) == 0 for route in routes)
    filled = {(route.family, route.table) for route in routes}
    led = {
        (want.thing.family, want.thing.table)
        for want in wanted.rules
        if want.thing.table in DOMAIN.policy_tables
    }
    assert led == filled


@given(ENTRIES)
def test_the_kernels_delete_by_absent_selectors_never_takes_another_rule_first(
    entries: list[EgressEntry],
) -> None:
    """It takes the first rule of that priority which has all that the request says."""
    wanted = derive_egress(entries, BOTH, MASK)
    rules = [want.thing for want in wanted.rules if isinstance(want.thing, Rule)]
    for doomed in rules:
        for other in rules:
            if other != doomed and (other.family, other.priority) == (
                doomed.family,
                doomed.priority,
            ):
                assert not _fits(doomed, other), f"{doomed} would take {other}"


def _fits(request: Rule, rule: Rule) -> bool:
    """rule_find of net/core/fib_rules.c: what a request leaves out is any."""
    pairs = (
        (request.table, rule.table),
        (request.mark, rule.mark),
        (request.ip_proto, rule.ip_proto),
        (request.dport, rule.dport),
        (request.uids, rule.uids),
        (request.src, rule.src),
        (request.dst, rule.dst),
    )
    suppress = request.suppress_prefixlength in {-1, rule.suppress_prefixlength}
    same = suppress and request.action == rule.action
    return same and all(asked == has for asked, has in pairs if asked)


@given(ENTRIES, ENTRIES)
def test_no_step_of_a_plan_leads_a_packet_with_a_source_into_the_entries(
    before: list[EgressEntry], after: list[EgressEntry]
) -> None:
    """In IPv6 the jump stands before the first rule it is to be jumped over, and goes last."""
    old, new = (derive_egress(entries, BOTH, MASK) for entries in (before, after))
    standing = {want.thing for want in old.rules if isinstance(want.thing, Rule)}
    wanted = Desired({want.thing: want for want in new.rules}, {})
    observed: Observed[Rule | Route] = Observed({one: one for one in standing}, {})
    operations = plan(wanted, observed, Pruning((DOMAIN,), lambda *_: "gone"))
    for operation in operations:
        thing = operation.thing
        assert isinstance(thing, Rule)
        if operation.verb == "add":
            standing.add(thing)
        else:
            standing.discard(thing)
        six = [one for one in standing if one.family is Family.V6]
        if any(one.priority in section(DOMAIN) for one in six):
            jumps = {str(one) for one in six if one.priority == DOMAIN.egress[0]}
            assert len(jumps) == 2, told(operations)
            assert any(one.priority == DOMAIN.egress[-1] for one in six), told(operations)


def test_exceptions_stand_before_what_they_are_exceptions_to() -> None:
    wanted = derive_egress([entry("")], BOTH, MASK)
    rules = {want.thing: want for want in wanted.rules if want.thing.family is Family.V4}
    lines = told(plan(Desired(rules, {}), Observed({}, {}), Pruning((DOMAIN,), lambda *_: None)))
    assert [line[:17] for line in lines] == ["+ ip rule 17501: "] * 4 + ["+ ip rule 17502: "]


@pytest.mark.parametrize("family", list(Family))
def test_what_is_kept_overlaps_nothing_else_that_is_kept(family: Family) -> None:
    kept = [prefix for prefix in KEPT if Family.of(prefix) is family]
    overlapping = [
        (one, other) for one in kept for other in kept if one != other and one.overlaps(other)
    ]
    assert overlapping == []
