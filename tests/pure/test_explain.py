"""What is put beside the walk: the kernel's word, the way back, ARP, and what is ours."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from srcroutd.core.explain import Explanation, explain, questions
from srcroutd.core.lookup_compare import Answer
from srcroutd.core.lookup_values import Leaves, NicConf, Own, Packet, Rpdb, Sysctls
from srcroutd.core.net import Action, Address, Family, Link, Route, RouteType, Rule, Scope

V4 = Family.V4
FAR, FIRST, SECOND = (ip_address(text) for text in ("203.0.113.9", "192.0.2.5", "192.0.2.6"))
GATEWAY = ip_address("192.0.2.1")
SUBNET = ip_network("192.0.2.0/24")
OURS = Rule(V4, 18014, table=18001, src=ip_network("192.0.2.6/32"), protocol=83)


def host(*, ours: bool = True, **conf: int) -> Rpdb:
    """Two NICs in one subnet; with ``ours`` the second one's address leaves by it."""
    links = [Link(1, "lo", "", up=True, loopback=True)]
    links += [Link(number + 2, f"eth{number}", f"02::{number}", up=True) for number in (0, 1)]
    addresses = {2: FIRST, 3: SECOND}
    local = tuple(
        Route(V4, 255, ip_network(ip), RouteType.LOCAL, oif=index, scope=Scope.HOST)
        for index, ip in addresses.items()
    )
    main = (
        Route(V4, 254, V4.everything, gateway=GATEWAY, oif=2, dev="eth0"),
        *(Route(V4, 254, SUBNET, oif=index, scope=Scope.LINK) for index in addresses),
    )
    own = (Route(V4, 18001, V4.everything, gateway=GATEWAY, oif=3, dev="eth1"),)
    stock = (Rule(V4, 0, table=255), Rule(V4, 32766, table=254))
    return Rpdb(
        V4,
        (stock[0], *((OURS,) if ours else ()), stock[1]),
        {255: local, 254: main, 18001: own},
        {link.index: link for link in links},
        tuple(
            Own(Address(index, ip_interface(f"{ip}/24")), SUBNET) for index, ip in addresses.items()
        ),
        Sysctls(nics={"eth0": NicConf(**conf), "eth1": NicConf(**conf)}),
    )


def explained(
    rpdb: Rpdb, packet: Packet, answers: dict[Packet, Answer] | None = None
) -> Explanation:
    return explain(rpdb, packet, answers or {}, {OURS: "second address of eni-2"})


def test_a_connection_without_a_source_is_looked_up_twice() -> None:
    rpdb = host()
    assert questions(rpdb, Packet(FAR)) == (Packet(FAR), Packet(FAR, FIRST))
    found = explained(rpdb, Packet(FAR))
    assert found.again
    assert found.again.walk.packet.src == FIRST
    assert [look.walk.packet.src for look in found.looks] == [None, FIRST]


def test_what_comes_in_and_leaves_elsewhere_is_asymmetric() -> None:
    packet = Packet(SECOND, FAR, iif="eth1")
    assert questions(host(), packet) == (packet, Packet(FAR, SECOND))
    assert explained(host(), packet).symmetric is True
    assert explained(host(ours=False), packet).symmetric is False
    assert explained(host(), Packet(FAR, SECOND)).symmetric is None


def test_what_decided_and_is_ours_says_why_it_is_there() -> None:
    assert explained(host(), Packet(FAR, SECOND)).owned == ((OURS, "second address of eni-2"),)
    assert explained(host(), Packet(FAR, FIRST)).owned == ()


def test_the_reply_of_ours_is_owned_too() -> None:
    found = explained(host(), Packet(SECOND, FAR, iif="eth1"))
    assert found.owned == ((OURS, "second address of eni-2"),)


def test_a_kernel_that_says_otherwise_is_not_talked_over() -> None:
    packet = Packet(FAR, SECOND)
    agreed = Route(V4, 18001, ip_network(FAR), gateway=GATEWAY, oif=3)
    assert explained(host(), packet, {packet: agreed}).question.differs == ()
    elsewhere = replace(agreed, oif=2, table=254)
    assert explained(host(), packet, {packet: elsewhere}).question.differs == (
        "table 18001 here, main by the kernel",
        "NIC eth1 here, eth0 by the kernel",
    )
    assert explained(host(), packet, {packet: 101}).question.differs == (
        "has a way here, refused with ENETUNREACH by the kernel",
    )


def test_a_refusal_is_compared_by_its_errno() -> None:
    rpdb = replace(host(), rules=(Rule(V4, 0, table=255),))
    packet = Packet(FAR, SECOND)
    assert explained(rpdb, packet, {packet: 101}).question.differs == ()
    assert explained(rpdb, packet, {packet: 13}).question.differs == (
        "refused with ENETUNREACH here, refused with EACCES by the kernel",
    )


def test_a_strict_rp_filter_lets_in_only_where_the_answer_would_leave() -> None:
    checks = explained(host(rp_filter=1), Packet(FAR, SECOND)).checks
    assert [(one.nic, one.check.passes) for one in checks] == [("eth0", False), ("eth1", True)]
    checks = explained(host(rp_filter=2), Packet(FAR, SECOND)).checks
    assert [(one.nic, one.check.passes) for one in checks] == [("eth0", True), ("eth1", True)]
    assert "loose" in checks[0].check.why


def test_a_packet_that_comes_in_is_checked_on_its_nic() -> None:
    found = explained(host(ours=False, rp_filter=1), Packet(SECOND, FAR, iif="eth1"))
    assert [(one.nic, one.check.passes) for one in found.checks] == [("eth1", False)]
    assert not isinstance(found.question.walk.end, Leaves)


def test_both_nics_of_a_subnet_answer_arp_until_they_are_told_not_to() -> None:
    packet = Packet(FAR, SECOND)
    found = explained(host(), packet).arp
    assert [(one.nic, one.answers) for one in found] == [("eth0", True), ("eth1", True)]
    found = explained(host(arp_ignore=1), packet).arp
    assert [(one.nic, one.answers) for one in found] == [("eth0", False), ("eth1", True)]
    assert found[0].why == "192.0.2.6 is not on eth0 (arp_ignore 1)"


def test_asking_in_the_name_of_another_nics_address_is_noted() -> None:
    packet = Packet(FAR, SECOND)
    (note,) = explained(host(ours=False), packet).notes
    assert note.startswith("eth0 asks for 192.0.2.1 in the name of 192.0.2.6")
    assert explained(host(), packet).notes == ()
    assert explained(host(ours=False, arp_announce=2), packet).notes == ()


def test_the_reply_bears_the_ports_the_other_way_round_and_its_own_user() -> None:
    packet = Packet(SECOND, FAR, iif="eth1", mark=7, tos=8, proto=6, sport=40000, dport=80, uid=33)
    _, reply = questions(host(), packet)
    assert reply == Packet(FAR, SECOND, proto=6, sport=80, dport=40000, uid=33)


def test_rp_filter_is_asked_about_the_answer_to_what_is_sent() -> None:
    rules = (replace(OURS, ip_proto=6, dport=(443, 443)), *host(ours=False).rules)
    rpdb = replace(host(rp_filter=1), rules=rules)
    packet = Packet(FAR, SECOND, proto=6, dport=443)
    passes = {one.nic: one.check.passes for one in explained(rpdb, packet).checks}
    assert passes == {"eth0": False, "eth1": True}
    other = replace(packet, dport=80)
    passes = {one.nic: one.check.passes for one in explained(rpdb, other).checks}
    assert passes == {"eth0": True, "eth1": False}


def test_what_rules_ask_for_and_the_question_leaves_open_is_noted() -> None:
    rules = (replace(OURS, priority=5, ip_proto=6, dport=(443, 443)), *host().rules)
    rpdb = replace(host(), rules=rules)
    (note,) = explained(rpdb, Packet(FAR, SECOND)).notes
    assert note == (
        "rules here ask for a protocol and a destination port, which the question does not give "
        "(the kernel takes udp)"
    )
    (note,) = explained(rpdb, Packet(FAR, SECOND, proto=6)).notes
    assert note == "rules here ask for a destination port, which the question does not give"
    assert explained(rpdb, Packet(FAR, SECOND, proto=6, dport=443)).notes == ()


def test_a_question_by_arp_is_of_no_protocol() -> None:
    drops = Rule(V4, 5, Action.PROHIBIT, ip_proto=17)
    found = explained(replace(host(), rules=(drops, *host().rules)), Packet(FAR, SECOND, proto=6))
    assert [(one.nic, one.answers) for one in found.arp] == [("eth0", True), ("eth1", True)]
