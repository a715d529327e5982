"""Whatever rules and routes there are: what adopt deletes is what a recipe leaves, and afterwards
every address leaves by its own NIC.
"""

from dataclasses import replace
from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.adoption import Adoption, adoption
from srcroutd.core.adoption_sight import Sighting
from srcroutd.core.net import Action, Family, Route, RouteType, Rule
from tests.pure.recipes import ETH1, ETH2, VIEW, seen, way_of, without

BRIDGE = 9
FAR = "233.252.0.9"
MANAGED = {"192.0.2.10": ETH1, "198.51.100.20": ETH2}
NETWORKS = {
    Family.V4: "0.0.0.0/0 128.0.0.0/1 10.0.0.0/8 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24",
    Family.V6: "::/0 2000::/3 2001:db8:1::/64",
}
SOURCES = {
    Family.V4: "192.0.2.10/32 198.51.100.20/32 203.0.113.5/32 192.0.2.0/24 10.0.0.0/8",
    Family.V6: "2001:db8:1::10/128 2001:db8:1::/64",
}
GATEWAYS = {Family.V4: "192.0.2.1 198.51.100.1 203.0.113.1 192.0.2.99", Family.V6: "2001:db8:1::1"}
TABLES = st.sampled_from([200, 1001, 200, 1001, 300, 1003, 52, 253, 254, 255, 10001, 30201])
BY_HAND = {0, 3, 4, 16}
families = st.sampled_from([Family.V4, Family.V4, Family.V4, Family.V6])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    family = draw(families)
    if draw(st.booleans()):
        # What a recipe leaves: else two of three examples would have nothing to take over.
        src = ip_network(draw(st.sampled_from(SOURCES[family].split()[:2])))
        priority = draw(st.sampled_from([99, 100, 150, 18012, 32765]))
        return Rule(family, priority, table=draw(st.sampled_from([200, 1001])), src=src, protocol=3)
    action = draw(st.sampled_from([Action.LOOKUP] * 6 + [Action.PROHIBIT, Action.NOP]))
    sources = [ip_network(text) for text in SOURCES[family].split()]
    # The kernel shows no ``to`` of length 0.
    dst = draw(st.sampled_from([ip_network(n) for n in NETWORKS[family].split()[1:]]))
    return Rule(
        family,
        draw(st.sampled_from([0, 1, 50, 100, 120, 512, 1000, 2048, 5270, 9999, 18015, 20000])),
        action,
        draw(TABLES) if action is Action.LOOKUP else 0,
        draw(st.none() | st.sampled_from(sources)),
        dst if draw(st.integers(0, 3)) == 0 else None,
        iif=draw(st.sampled_from(["", "", "", "eth0"])),
        mark=draw(st.sampled_from([0, 0, 0, 1])),
        invert=draw(st.integers(0, 7)) == 0,
        suppress_prefixlength=draw(st.sampled_from([-1, -1, 0])),
        protocol=draw(st.sampled_from([0, 3, 4, 2, 12, 42, 83])),
        beyond=draw(st.sampled_from([(), (), (), (12,)])),
        dport=draw(st.sampled_from([None, None, None, (443, 443)])),
    )


@st.composite
def routes(draw: st.DrawFn) -> Route:
    family = draw(families)
    if draw(st.integers(0, 2)):
        nic = draw(st.sampled_from([ETH1, ETH2]))
        known = nic.eni.addressing(family) if nic.eni else None
        return Route(
            family,
            draw(st.sampled_from([200, 1001])),
            family.everything,
            gateway=known.gateway if known else None,
            oif=nic.link.index,
            metric=draw(st.sampled_from([0, 100, 101])),
            protocol=draw(st.sampled_from([3, 4])),
        )
    kind = draw(st.sampled_from([RouteType.UNICAST] * 7 + [RouteType.UNREACHABLE]))
    unicast = kind is RouteType.UNICAST
    gateway = draw(st.none() | st.sampled_from(GATEWAYS[family].split())) if unicast else None
    return Route(
        family,
        draw(TABLES),
        ip_network(draw(st.sampled_from(NETWORKS[family].split()))),
        kind,
        gateway=ip_address(gateway) if gateway else None,
        oif=draw(st.sampled_from([2, 3, 4, BRIDGE])) if unicast else 0,
        metric=draw(st.sampled_from([0, 100])),
        protocol=draw(st.sampled_from([0, 3, 4, 16, 2, 9, 12, 42, 83])),
        beyond=draw(st.sampled_from([(), (), (), (9,)])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Sighting:
    strangers = draw(st.lists(routes(), max_size=6))
    held = {(route.identity, route.oif, route.gateway): route for route in strangers}
    standing = draw(st.booleans())
    return seen(VIEW, draw(st.lists(rules(), max_size=6)), held.values(), standing=standing)


def taken_away(found: Adoption, before: Sighting) -> Sighting:
    """The kernel afterwards, ours standing in any case."""
    after = without(before, {one.body for one in found.rules}, {one.body for one in found.routes})
    ours = seen(VIEW, [])
    rules = [f for f in after.rules if f.thing not in OURS]
    rules += [f for f in ours.rules if f.thing in OURS]
    rules.sort(key=lambda f: (f.thing.family, f.thing.priority) if f.thing else (Family.V4, 0))
    tables = {key: each for key, each in ours.tables.items() if key[1] in {18001, 18002}}
    return replace(after, rules=tuple(rules), tables={**after.tables, **tables})


OURS = {want.thing for nic in VIEW.nics for want in nic.desired.rules}


@settings(max_examples=200)
@given(worlds())
def test_only_a_recipes_rule_for_an_address_of_ours_is_ever_deleted(before: Sighting) -> None:
    for one in adoption(VIEW, before).rules:
        rule = one.rule
        shape = Rule(
            rule.family, rule.priority, table=rule.table, src=rule.src, protocol=rule.protocol
        )
        assert rule == shape
        assert rule.protocol in BY_HAND
        assert rule.src is not None
        assert rule.src.prefixlen == rule.src.max_prefixlen
        assert str(one.ip) in {*MANAGED, "2001:db8:1::10", "2001:db8:2::20"}
        assert rule.table in {200, 1001, 300, 1003} - {1000 + one.nic.link.index}
        assert rule.priority not in {0, 512, 1000, 2048, 5270}


@settings(max_examples=200)
@given(worlds())
def test_only_a_recipes_routes_that_no_rule_needs_any_more_are_ever_deleted(
    before: Sighting,
) -> None:
    found = adoption(VIEW, before)
    after = without(before, {one.body for one in found.rules}, set())
    needed = {(f.thing.family, f.thing.table) for f in after.rules if f.thing}
    given_up = {(one.rule.family, one.rule.table) for one in found.rules}
    for one in found.routes:
        route = one.route
        assert (route.family, route.table) in given_up - needed
        assert route.table in {200, 1001, 300}
        assert route.protocol in BY_HAND
        assert (route.type, route.beyond) == (RouteType.UNICAST, ())
        assert route.oif in {2, 3, 4}
        if not route.dst.prefixlen:
            assert (
                str(route.gateway)
                in {
                    2: {"203.0.113.1", "2001:db8::1"},
                    3: {"192.0.2.1", "2001:db8:1::1"},
                    4: {"198.51.100.1", "2001:db8:2::1"},
                }[route.oif]
            )


@settings(max_examples=500)
@given(worlds())
def test_an_address_whose_rule_went_leaves_by_its_own_nic_or_as_before(before: Sighting) -> None:
    found = adoption(VIEW, before)
    after = taken_away(found, before)
    for one in found.rules:
        if one.ip.version == 4:
            way = way_of(after, str(one.ip), FAR)
            assert way in {one.nic.link.index, way_of(before, str(one.ip), FAR)}


@settings(max_examples=100)
@given(worlds())
def test_once_adopted_there_is_nothing_more_to_adopt(before: Sighting) -> None:
    found = adoption(VIEW, before)
    after = without(before, {one.body for one in found.rules}, {one.body for one in found.routes})
    assert [one.rule for one in adoption(VIEW, after).rules] == []
