"""Findings that follow from the view and the rules alone; a real kernel has the others
(tests/doctor).
"""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from srcroutd.core.join import State
from srcroutd.core.lookup_values import NicConf, Own, Rpdb, Sysctls
from srcroutd.core.net import Address, Family, Link, Route, RouteType, Rule, Scope
from srcroutd.core.view import Facts, NicView, View
from srcroutd.doctor.diagnose import diagnose
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import FAR, Blind, Firewall, Rewrite, Scene, UdpServer, sources
from tests.pure.views import NOW, missing, second, view
from tests.pure.worlds import link, mac

LOCAL = Rule(Family.V4, 0, table=255, protocol=2)
MAIN = Rule(Family.V4, 32766, table=254, protocol=2)
ETH1 = second()


def slugs(scene: Scene) -> list[Slug]:
    return [finding.slug for finding in diagnose(scene)]


def one(scene: Scene, slug: Slug) -> Finding:
    (finding,) = [finding for finding in diagnose(scene) if finding.slug is slug]
    return finding


def kernel(*rules: Rule, routes: tuple[Route, ...] = ()) -> dict[Family, Rpdb]:
    """IPv4 with these rules and routes beside what every host has."""
    default = Route(
        Family.V4,
        254,
        ip_network("0.0.0.0/0"),
        gateway=ip_address("192.0.2.253"),
        oif=2,
        metric=100,
    )
    tables: dict[int, tuple[Route, ...]] = {254: (default,), 255: ()}
    for route in routes:
        tables[route.table] = (*tables.get(route.table, ()), route)
    links = {one.link.index: one.link for one in view().nics}
    ordered = sorted((LOCAL, MAIN, *rules), key=lambda rule: rule.priority)
    about = frozenset({FAR[Family.V4], *(ip for ip in sources(ETH1) if ip.version == 4)})
    return {Family.V4: Rpdb(Family.V4, tuple(ordered), tables, links, covering=about)}


def test_a_host_in_order_has_no_findings() -> None:
    assert slugs(Scene(view())) == []
    assert slugs(Scene(view(), rpdbs=kernel())) == []


def test_nothing_known_and_nothing_seen_is_no_finding() -> None:
    assert slugs(Scene()) == []


def test_a_view_that_is_not_in_sync_is_a_problem_with_its_reason() -> None:
    due = missing(ETH1)
    finding = one(Scene(view(in_sync=False, operations=due)), Slug.NOT_IN_SYNC)
    assert finding.severity is Severity.PROBLEM
    assert finding.what.endswith("2 operations due")
    told = one(Scene(view(in_sync=False, why="the kernel refuses a rule")), Slug.NOT_IN_SYNC)
    assert told.what.endswith("the kernel refuses a rule")


def test_trouble_with_metadata_is_a_risk_and_without_any_reading_a_problem() -> None:
    late = replace(view().facts, trouble="no answer")
    assert one(Scene(view(facts=late)), Slug.METADATA_TROUBLE).severity is Severity.RISK
    never = Facts("aliyun", None, "no answer")
    assert one(Scene(view(facts=never)), Slug.METADATA_TROUBLE).severity is Severity.PROBLEM


def test_each_conflict_is_told_in_its_own_words() -> None:
    told = [
        finding.what
        for finding in diagnose(Scene(view(conflicts=("table 18001 is taken", "so is 18002"))))
    ]
    assert told == ["so is 18002", "table 18001 is taken"]


def test_who_may_not_ask_learns_how_and_it_is_no_problem_of_the_host() -> None:
    blind = Blind("the socket is only for root; next: sudo", 77)
    finding = one(Scene(blind=blind), Slug.DAEMON_NOT_SEEN)
    assert (finding.severity, finding.next) == (Severity.NOTE, "sudo")


def test_no_provider_is_a_problem() -> None:
    finding = one(Scene(blind=Blind("nobody tells of ENIs", 69)), Slug.DAEMON_NOT_SEEN)
    assert finding.severity is Severity.PROBLEM


def test_an_enabled_unit_that_does_not_run_is_a_risk() -> None:
    by_hand = view(by_daemon=False)
    assert one(Scene(by_hand), Slug.DAEMON_NOT_RUNNING).severity is Severity.NOTE
    enabled = Scene(by_hand, enabled=frozenset({"srcroutd.service"}))
    assert one(enabled, Slug.DAEMON_NOT_RUNNING).severity is Severity.RISK


def test_a_switch_that_is_real_makes_arp_flux_a_risk() -> None:
    owns = (
        Own(Address(3, ip_interface("198.51.100.5/24")), ip_network("198.51.100.0/24")),
        Own(Address(5, ip_interface("198.51.100.9/24")), ip_network("198.51.100.0/24")),
    )
    gateway = ip_address("198.51.100.253")
    local = tuple(
        Route(Family.V4, 255, ip_network(f"{own.address.ip}/32"), oif=own.address.index)
        for own in owns
    )
    before = kernel()[Family.V4]
    wanted = frozenset({*(before.covering or ()), gateway, *(own.address.ip for own in owns)})
    local = tuple(replace(route, type=RouteType.LOCAL, scope=Scope.HOST) for route in local)
    onlink = Route(Family.V4, 254, ip_network("198.51.100.0/24"), oif=3, scope=Scope.LINK)
    tables = {254: (onlink, *before.tables[254]), 255: local}
    sysctls = Sysctls(nics={"eth1": NicConf(), "eth3": NicConf()})
    rpdbs = {Family.V4: replace(before, owns=owns, tables=tables, sysctls=sysctls, covering=wanted)}
    assert one(Scene(view(), rpdbs=rpdbs), Slug.ARP_FLUX).severity is Severity.NOTE
    static = replace(view().facts, provider="static")
    assert one(Scene(view(facts=static), rpdbs=rpdbs), Slug.ARP_FLUX).severity is Severity.RISK


def test_a_nic_without_carrier_is_a_problem() -> None:
    dead = replace(ETH1, link=replace(ETH1.link, carrier=False))
    finding = one(Scene(view(dead)), Slug.NIC_DOWN)
    assert (finding.severity, finding.nic) == (Severity.PROBLEM, "eth1")


@pytest.mark.parametrize(
    ("state", "why", "waited_s", "severity"),
    [
        (State.REFUSED, "all numbers are taken", 0, Severity.PROBLEM),
        (State.WAITING, "half a record", 130, Severity.RISK),
        (State.WAITING, "not in metadata yet", 130, Severity.NOTE),
        (State.WAITING, "half a record", 30, None),
    ],
)
def test_a_nic_that_gets_no_rules_is_told_once_it_has_waited_long(
    state: State, why: str, waited_s: float, severity: Severity | None
) -> None:
    odd = NicView(link(4), state, why, since_s=NOW - waited_s)
    told = [finding.severity for finding in diagnose(Scene(view(ETH1, odd)))]
    assert told == ([severity] if severity else [])


def test_without_a_view_nobody_is_accused_of_using_our_numbers() -> None:
    rules = (
        Rule(Family.V4, 18555, table=254, src=ip_network("192.0.2.1/32")),
        Rule(Family.V4, 400, table=254, src=ip_network("192.0.2.1/32"), protocol=83),
    )
    assert len(slugs(Scene(view(), rpdbs=kernel(*rules)))) == 2
    assert slugs(Scene(rpdbs=kernel(*rules))) == []


@pytest.mark.parametrize("server", [(40000, "client"), (68, "x"), (123, "chronyd"), (5353, "x")])
def test_clients_and_servers_that_do_it_right_are_no_finding(server: tuple[int, str]) -> None:
    assert slugs(Scene(view(), udp=(UdpServer(Family.V4, *server),))) == []


def test_udp_servers_are_one_note_and_of_no_interest_with_a_single_nic() -> None:
    servers = tuple(UdpServer(Family.V4, port, f"p{port}") for port in (53, 514, 1812, 1813, 2049))
    finding = one(Scene(view(), udp=servers), Slug.UDP_WILDCARD)
    assert finding.what.endswith("p53 (53), p514 (514), p1812 (1812), p1813 (1813) and 1 more")
    single: View = replace(view(), nics=view().nics[1:2])
    assert slugs(Scene(single, udp=servers)) == []


def test_marks_that_are_restored_and_routed_by_answer_for_published_ports() -> None:
    firewall = Firewall((Rewrite("nat pre"),), restores_marks=True)
    by_mark = Rule(Family.V4, 300, table=300, mark=1, mask=0xFF, protocol=4)
    assert one(Scene(view(), firewall=firewall), Slug.DNAT_REPLIES).severity is Severity.RISK
    scene = Scene(view(), firewall=firewall, rpdbs=kernel(by_mark))
    assert Slug.DNAT_REPLIES not in slugs(scene)


def test_another_nics_published_ports_are_no_finding() -> None:
    rewrites = (
        Rewrite("nat a", iif=frozenset({"eth0"})),
        Rewrite("nat b", dst=("192.0.2.10",)),
        Rewrite("nat c", dst=("10.0.0.0/8", "nonsense")),
    )
    assert slugs(Scene(view(), firewall=Firewall(rewrites))) == []
    ours = Firewall((Rewrite("nat d", dst=("198.51.100.0/24",)),))
    assert slugs(Scene(view(), firewall=ours)) == [Slug.DNAT_REPLIES]


def test_a_vpn_may_hold_the_default_route() -> None:
    tunnel = Link(9, "tun0", mac(9), up=True)
    through = Route(Family.V4, 254, ip_network("0.0.0.0/0"), oif=tunnel.index, metric=5)
    assert slugs(Scene(view(), rpdbs=kernel(routes=(through,)))) == []
    by_eth1 = replace(through, oif=link(1).index)
    assert slugs(Scene(view(), rpdbs=kernel(routes=(by_eth1,)))) == [Slug.SECONDARY_DEFAULT]


def test_ipv6_routers_of_equal_metric_are_no_finding_and_a_nearer_one_is() -> None:
    everywhere = ip_network("::/0")
    by_eth1 = Route(Family.V6, 254, everywhere, oif=link(1).index, metric=1024)
    by_eth0 = Route(Family.V6, 254, everywhere, oif=link(0).index, metric=1024)

    def told(*routes: Route) -> list[Slug]:
        links = kernel()[Family.V4].links
        return slugs(Scene(view(), rpdbs={Family.V6: Rpdb(Family.V6, (), {254: routes}, links)}))

    assert told(by_eth1, by_eth0) == []
    assert told(replace(by_eth1, metric=512), by_eth0) == [Slug.SECONDARY_DEFAULT]


def test_the_same_scene_gives_the_same_findings_each_once() -> None:
    rule = Rule(Family.V4, 18555, table=254, src=ip_network("192.0.2.1/32"))
    scene = Scene(view(conflicts=()), rpdbs=kernel(rule, rule))
    assert slugs(scene) == [Slug.STRANGER_IN_BAND]
    assert diagnose(scene) == diagnose(scene)
