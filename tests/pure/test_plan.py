"""The planner: make before break, ours and only ours, one pass is enough."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.desired import Nic
from srcroutd.core.net import Action, Family, Route, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.plan import Desired, Pruning, plan, shadows, with_devs
from tests.pure.worlds import DOMAIN, Kernel, address, addressing, desired, eni, nic, told

Wanted = Desired[Rule | Route]

GO = Pruning((DOMAIN,), lambda _domain, _thing: "no longer wanted")
STAY = Pruning((DOMAIN,), lambda _domain, _thing: None)


def one_nic(number: int = 1, hosts: tuple[int, ...] = (5,)) -> Nic:
    half = addressing(
        *(f"192.0.{number}.{host}" for host in hosts),
        subnet=f"192.0.{number}.0/24",
        gateway=f"192.0.{number}.253",
    )
    return nic(
        number, eni(number, half), [address(number, f"192.0.{number}.{host}/24") for host in hosts]
    )


def test_a_new_eni_gets_its_routes_before_its_rules() -> None:
    operations = told(plan(desired(one_nic()), Kernel().observed(), GO))
    assert operations[:3] == [
        "+ ip route unreachable default table 18001 metric 4278198272",
        "+ ip route 192.0.1.0/24 dev eth1 table 18001 scope link src 192.0.1.5",
        "+ ip route default via 192.0.1.253 dev eth1 table 18001 src 192.0.1.5",
    ]
    assert operations[3] == "+ ip rule 18016: from 192.0.1.5 lookup 18001"


def test_a_detached_eni_loses_its_rules_before_its_routes() -> None:
    gone = desired(one_nic())
    kernel = Kernel().hold(want.thing for want in (*gone.rules.values(), *gone.routes.values()))
    kinds = [type(op.thing) for op in plan(Desired({}, {}), kernel.observed(), GO)]
    assert kinds == [Rule] * 6 + [Route] * 3


def test_what_we_are_not_sure_of_stays() -> None:
    unknown = desired(one_nic())
    kernel = Kernel().hold(
        want.thing for want in (*unknown.rules.values(), *unknown.routes.values())
    )
    assert plan(Desired({}, {}), kernel.observed(), STAY) == ()


def test_a_route_that_somebody_replaced_is_taken_back_in_one_step() -> None:
    wanted = desired(one_nic())
    kernel = Kernel().hold(want.thing for want in (*wanted.rules.values(), *wanted.routes.values()))
    ours = next(r for r in kernel.routes.values() if r.gateway)
    kernel.hold([replace(ours, gateway=IPv4Address("192.0.1.66"), protocol=3)])
    (operation,) = plan(wanted, kernel.observed(), GO)
    assert operation.verb == "replace"
    assert operation.replaces == replace(ours, gateway=IPv4Address("192.0.1.66"), protocol=3)


def test_a_rule_that_the_kernel_holds_twice_loses_one_copy() -> None:
    wanted = desired(one_nic())
    kernel = Kernel().hold(want.thing for want in (*wanted.rules.values(), *wanted.routes.values()))
    kernel.rules.append(kernel.rules[0])
    (operation,) = plan(wanted, kernel.observed(), GO)
    assert told([operation]) == [f"- ip rule {kernel.rules[0]}"]


def test_the_numbers_of_an_earlier_configuration_are_cleared() -> None:
    former = Domain(protocol=84, priorities=range(20000, 21000), tables=range(20000, 21000))
    old = Rule(Family.V4, 20016, table=20001, src=ip_network("192.0.1.5/32"), protocol=84)
    pruning = Pruning((DOMAIN, former), lambda _domain, _thing: "moved")
    wanted = desired(one_nic())
    kernel = Kernel().hold(want.thing for want in (*wanted.rules.values(), *wanted.routes.values()))
    kernel.hold([old])
    assert told(plan(wanted, kernel.observed(), pruning)) == [
        "- ip rule 20016: from 192.0.1.5 lookup 20001"
    ]


@st.composite
def strangers(draw: st.DrawFn) -> list[Rule | Route]:
    """Rules and routes that are not ours: another protocol, or outside our bands, or both."""
    protocol = draw(st.sampled_from([0, 3, 4, 83, 200]))
    inside = protocol != 83
    priority = draw(
        st.integers(18000, 18999) if inside else st.sampled_from([100, 16999, 19000, 30000])
    )
    table = draw(st.integers(18000, 18099) if inside else st.sampled_from([100, 254, 17999, 19000]))
    host = draw(st.integers(1, 250))
    rule = Rule(
        Family.V4,
        priority,
        action=draw(st.sampled_from([Action.LOOKUP, Action.UNREACHABLE])),
        table=table,
        src=ip_network(f"198.51.100.{host}/32"),
        protocol=protocol,
    )
    route = Route(Family.V4, table, ip_network(f"198.51.100.{host}/32"), oif=3, protocol=protocol)
    return [rule, route]


nic_sets = st.dictionaries(
    st.integers(1, 9), st.sets(st.integers(1, 250), min_size=1, max_size=7).map(sorted), max_size=4
).map(lambda chosen: desired(*(one_nic(number, tuple(hosts)) for number, hosts in chosen.items())))


@settings(max_examples=200, deadline=None)
@given(nic_sets, nic_sets, st.lists(strangers(), max_size=4), st.data())
def test_one_pass_converges_and_no_step_strands_a_rule_and_strangers_survive(
    before: Wanted, after: Wanted, foreign: list[list[Rule | Route]], data: st.DataObject
) -> None:
    standing = [want.thing for want in (*before.rules.values(), *before.routes.values())]
    lost = data.draw(st.sets(st.sampled_from(standing))) if standing else set()
    kernel = Kernel().hold(thing for thing in standing if thing not in lost)
    theirs = [thing for some in foreign for thing in some]
    kernel.hold(theirs)
    strangers_before = [rule for rule in kernel.rules if not DOMAIN.owns_rule(rule)]
    routes_before = {k: r for k, r in kernel.routes.items() if not DOMAIN.owns_route(r)}
    stranded = kernel.stranded()
    for operation in plan(after, kernel.observed(), GO):
        kernel.carry_out(operation)
        assert kernel.stranded() <= stranded, f"{operation} left a rule without its route"
        stranded = kernel.stranded()
    assert plan(after, kernel.observed(), GO) == ()
    assert {rule for rule in kernel.rules if DOMAIN.owns_rule(rule)} == set(after.rules)
    assert {r for r in kernel.routes.values() if DOMAIN.owns_route(r)} == set(after.routes)
    assert [rule for rule in kernel.rules if not DOMAIN.owns_rule(rule)] == strangers_before
    assert {k: r for k, r in kernel.routes.items() if not DOMAIN.owns_route(r)} == routes_before


@settings(max_examples=50, deadline=None)
@given(nic_sets, st.randoms())
def test_the_same_input_gives_the_same_plan_whatever_its_order(after: Wanted, luck: object) -> None:
    rules, routes = list(after.rules.items()), list(after.routes.items())
    luck.shuffle(rules)  # type: ignore[attr-defined]
    luck.shuffle(routes)  # type: ignore[attr-defined]
    shuffled = Desired(dict(rules), dict(routes))
    assert plan(after, Kernel().observed(), GO) == plan(shuffled, Kernel().observed(), GO)


def test_a_strangers_route_beside_ours_is_reported_and_left_alone() -> None:
    wanted = desired(one_nic())
    kernel = Kernel().hold(want.thing for want in (*wanted.rules.values(), *wanted.routes.values()))
    ours = next(r for r in kernel.routes.values() if r.gateway)
    theirs = replace(ours, gateway=IPv4Address("192.0.1.66"), protocol=3)
    observed = kernel.observed()
    both = replace(observed, routes={**observed.routes, theirs: theirs})
    assert plan(wanted, both, GO) == ()
    assert shadows(wanted, both) == (theirs,)


def test_routes_that_a_dump_gave_by_number_get_their_nics_name() -> None:
    wanted = desired(one_nic())
    routes = [want.thing for want in wanted.routes.values() if isinstance(want.thing, Route)]
    kernel = Kernel().hold(replace(route, dev="") for route in routes)
    operations = plan(Desired({}, {}), kernel.observed(), GO)
    assert any("dev if3" in line for line in told(operations))
    named = told(with_devs(operations, {3: "eth1"}))
    assert [line for line in named if "dev if3" in line] == []
    assert any("dev eth1" in line for line in named)
