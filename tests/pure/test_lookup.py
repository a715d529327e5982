"""The walk on worlds made by hand: its words, and what it refuses to guess."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_values import (
    Beyond,
    Leaves,
    NicConf,
    Outcome,
    Own,
    Packet,
    Refused,
    Rpdb,
    Sysctls,
)
from srcroutd.core.net import Action, Address, Family, Link, Route, RouteType, Rule, Scope

V4, V6 = Family.V4, Family.V6
LO = Link(1, "lo", "", up=True, loopback=True)
ETH0 = Link(2, "eth0", "02:00:00:00:00:02", up=True)
ETH1 = Link(3, "eth1", "02:00:00:00:00:03", up=True)
FAR = ip_address("203.0.113.9")


def own(index: int, text: str, *, secondary: bool = False) -> Own:
    interface = ip_interface(text)
    return Own(Address(index, interface, secondary=secondary), interface.network)


def route(table: int, dst: str, oif: int, **more: object) -> Route:
    found = Route(V4, table, ip_network(dst), oif=oif, dev=f"eth{oif - 2}" if oif > 1 else "lo")
    return replace(found, **more)  # type: ignore[arg-type]


def host() -> Rpdb:
    """Two NICs with a source rule for the second, and main's default by the first."""
    local = [
        route(255, f"{text}/32", index, type=RouteType.LOCAL, scope=Scope.HOST)
        for text, index in (("192.0.2.5", 2), ("198.51.100.5", 3))
    ]
    return Rpdb(
        V4,
        (
            Rule(V4, 0, table=255),
            Rule(V4, 18014, table=18001, src=ip_network("198.51.100.5/32"), protocol=83),
            Rule(V4, 32766, table=254),
        ),
        {
            255: tuple(local),
            254: (route(254, "0.0.0.0/0", 2, gateway=ip_address("192.0.2.1")),),
            18001: (route(18001, "0.0.0.0/0", 3, gateway=ip_address("198.51.100.1")),),
        },
        {link.index: link for link in (LO, ETH0, ETH1)},
        (own(2, "192.0.2.5/24"), own(3, "198.51.100.5/24")),
        Sysctls(nics={"eth0": NicConf(), "eth1": NicConf()}),
    )


def test_each_rule_looked_at_says_what_came_of_it() -> None:
    steps = walk(host(), Packet(FAR)).steps
    assert [(step.rule.priority, step.outcome, step.why) for step in steps] == [
        (0, Outcome.NO_ROUTE, "no match in table local"),
        (18014, Outcome.OTHER_SOURCE, "source is not 198.51.100.5"),
        (32766, Outcome.CHOSEN, ""),
    ]
    assert [step.matched for step in steps] == [True, False, True]


def test_the_source_decides_and_the_way_is_told() -> None:
    end = walk(host(), Packet(FAR, ip_address("198.51.100.5"))).end
    assert isinstance(end, Leaves)
    assert end.rule
    assert (end.rule.priority, end.oif, str(end.gateway)) == (18014, 3, "198.51.100.1")
    assert str(end.route) == "default via 198.51.100.1 dev eth1 table 18001"
    assert end.source
    assert end.source.mechanism == 1


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule(V4, 9, table=254, suppress_prefixlength=0), "the best route is the default"),
        (Rule(V4, 9, Action.GOTO, goto=77), "there is no rule 77 to go to"),
        (Rule(V4, 9, table=254, oif="gone0"), "no socket bound to gone0, which does not exist"),
        (Rule(V4, 9, table=254, mark=4, mask=0xF), "mark is not 0x4/0xf"),
        (Rule(V4, 9, table=254, dport=(443, 443)), "destination port 80 is not 443"),
        (Rule(V4, 9, table=254, dport=(81, 90)), "destination port 80 is not among 81-90"),
        (Rule(V4, 9, table=254, sport=(5, 5)), "no source port is given, 5 is asked for"),
        (Rule(V4, 9, table=254, ip_proto=17), "protocol tcp is not udp"),
        (Rule(V4, 9, table=254, uids=(1, 99)), "user 0 is not among 1-99"),
        (Rule(V4, 9, table=254, tos=0x10), "type of service 0x00 is not 0x10"),
        (Rule(V4, 9, table=254, invert=True), "all that follows its `not` matches"),
    ],
    ids=str,
)
def test_why_a_rule_does_not_decide_is_said(rule: Rule, why: str) -> None:
    world = host()
    stock, *rest = world.rules
    packet = Packet(FAR, proto=6, dport=80)
    steps = walk(replace(world, rules=(stock, rule, *rest)), packet).steps
    assert steps[1].why.startswith(why)
    assert steps[-1].rule.priority == 32766


@pytest.mark.parametrize("beyond", [0, 12, 20, 22, 23, 24, 25, 26, 99])
def test_a_selector_that_is_not_modelled_is_never_guessed(beyond: int) -> None:
    world = host()
    stock, *rest = world.rules
    unknown = Rule(V4, 9, Action.PROHIBIT, beyond=(beyond,))
    end = walk(replace(world, rules=(stock, unknown, *rest)), Packet(FAR)).end
    assert isinstance(end, Beyond)
    assert "rule 9 selects by" in end.why


@pytest.mark.parametrize("action", [Action.LOOKUP, Action.PROHIBIT, Action.GOTO])
def test_nor_does_it_count_where_a_known_selector_differs(action: Action) -> None:
    world = host()
    stock, *rest = world.rules
    elsewhere = ip_network("10.0.0.0/8")
    unknown = Rule(V4, 9, action, table=254, dst=elsewhere, goto=32766, beyond=(22,))
    found = walk(replace(world, rules=(stock, unknown, *rest)), Packet(FAR))
    assert isinstance(found.end, Leaves)
    assert found.steps[1].outcome is Outcome.OTHER_DESTINATION


def test_but_with_not_before_it_what_differs_is_certain_to_match() -> None:
    world = host()
    stock, *rest = world.rules
    unknown = Rule(V4, 9, Action.PROHIBIT, dst=ip_network("10.0.0.0/8"), invert=True, beyond=(22,))
    end = walk(replace(world, rules=(stock, unknown, *rest)), Packet(FAR)).end
    assert isinstance(end, Refused)


def test_a_vrf_is_not_guessed_at() -> None:
    world = host()
    vrf = Link(9, "blue", "", up=True, kind="vrf")
    links = {**world.links, 9: vrf, 2: replace(ETH0, master=9)}
    world = replace(world, links=links)
    stock, *rest = world.rules
    assert isinstance(walk(world, Packet(FAR)).end, Beyond)
    assert isinstance(walk(world, Packet(FAR, oif="eth0")).end, Beyond)
    assert isinstance(walk(world, Packet(FAR, ip_address("192.0.2.5"), iif="eth0")).end, Beyond)
    asked = replace(world, rules=(stock, Rule(V4, 9, table=0, beyond=(19,)), *rest))
    assert isinstance(walk(asked, Packet(FAR, ip_address("198.51.100.5"))).end, Beyond)


def test_what_was_not_read_is_not_taken_for_empty() -> None:
    world = host()
    narrow = replace(world, covering=frozenset({ip_address("8.8.8.8")}))
    assert walk(narrow, Packet(FAR)).end == Beyond(f"the routes to {FAR} were not read")
    fewer = replace(world, tables={255: world.tables[255]})
    assert walk(fewer, Packet(FAR)).end == Beyond("table main: its routes were not read")
    blind = replace(world, sysctls=Sysctls())
    packet = Packet(ip_address("192.0.2.5"), FAR, iif="eth0")
    assert walk(blind, packet).end == Beyond("the sysctls of eth0 were not read")


def test_two_nics_that_could_lend_an_address_are_not_told_apart() -> None:
    bare = replace(ETH1, index=4, name="eth2")
    world = host()
    world = replace(
        world,
        links={**world.links, 4: bare},
        tables={**world.tables, 254: (route(254, "0.0.0.0/0", 4, scope=Scope.LINK),)},
    )
    end = walk(world, Packet(FAR)).end
    assert isinstance(end, Beyond)
    assert "several other NICs could lend" in end.why
    one = replace(world, owns=world.owns[:1])
    end = walk(one, Packet(FAR)).end
    assert isinstance(end, Leaves)
    assert end.source
    assert str(end.source.ip) == "192.0.2.5"
    assert end.source.why == "eth2 has none; borrowed from eth0"


def test_a_secondary_address_is_no_source_wherever_it_stands() -> None:
    world = host()
    world = replace(world, owns=(own(2, "192.0.2.7/24", secondary=True), *world.owns))
    end = walk(world, Packet(FAR)).end
    assert isinstance(end, Leaves)
    assert end.source
    assert str(end.source.ip) == "192.0.2.5"


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (Packet(FAR, oif="eth9"), "there is no NIC eth9"),
        (Packet(FAR, FAR, iif="eth9"), "there is no NIC eth9"),
        (Packet(FAR, iif="eth0"), "a packet that comes in needs a source"),
        (Packet(FAR, ip_address("10.9.9.9")), "10.9.9.9 is no address of this host"),
        (Packet(FAR, ip_address("224.0.0.1")), "224.0.0.1 cannot be a source"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_what_the_kernel_refuses_before_it_asks_the_rules(packet: Packet, why: str) -> None:
    found = walk(host(), packet)
    assert isinstance(found.end, Refused)
    assert found.end.why == why
    assert found.steps == ()


def test_families_are_not_mixed() -> None:
    six = ip_address("2001:db8::1")
    assert isinstance(walk(host(), Packet(six)).end, Beyond)
    assert isinstance(walk(host(), Packet(FAR, six)).end, Beyond)
    assert isinstance(walk(replace(host(), family=V6), Packet(six, FAR)).end, Beyond)


def test_a_jump_is_followed_however_many_rules_it_passes() -> None:
    world = host()
    stock, *rest = world.rules
    passed = tuple(Rule(V4, 10 + number, Action.PROHIBIT) for number in range(50))
    jump = Rule(V4, 9, Action.GOTO, goto=18014)
    found = walk(replace(world, rules=(stock, jump, *passed, *rest)), Packet(FAR))
    assert [step.rule.priority for step in found.steps] == [0, 9, 18014, 32766]
    assert isinstance(found.end, Leaves)
