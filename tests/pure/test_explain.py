"""What is put beside the walk: the kernel's word, the way back, ARP, and what is ours."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from srcroutd.core.explain import Explanation, explain, questions
from srcroutd.core.explain_source import Choice
from srcroutd.core.lookup_compare import Answer
from srcroutd.core.lookup_values import Leaves, NicConf, Own, Packet, Rpdb, Sysctls
from srcroutd.core.marking import Mask
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import Action, Address, Family, Link, Route, RouteType, Rule, Scope
from srcroutd.core.numbering import Domain

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


def test_the_value_in_force_says_how_it_comes_about() -> None:
    strict = Sysctls(all=NicConf(rp_filter=1), nics={"eth0": NicConf(rp_filter=2)})
    found = explain(replace(host(), sysctls=strict), Packet(FIRST, FAR, iif="eth0"), {}, {})
    (check,) = found.checks
    assert check.in_force == "rp_filter is 2 in force: the larger of eth0 (2) and all (1)"


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


# --- the source of new connections --------------------------------------------------------------

SEAT = Domain()
LED = Rule(V4, 17502, table=18163, src=ip_network("0.0.0.0/32"), iif="lo", protocol=83)
MARKED = Rule(V4, 18001, table=18163, mark=0xFF0000, mask=0xFF0000, protocol=83)


def choosing(*rules: Rule) -> Rpdb:
    """The host with rules that lead to a table of eth1 with a ``src``."""
    rpdb = host()
    way = Route(V4, 18163, V4.everything, gateway=GATEWAY, oif=3, dev="eth1", prefsrc=SECOND)
    first, *rest = rpdb.rules
    return replace(rpdb, rules=(first, *rules, *rest), tables={**rpdb.tables, 18163: (way,)})


def test_a_policy_that_chose_the_source_is_set_beside_what_it_would_be_without() -> None:
    found = explain(choosing(LED), Packet(FAR), {}, {LED: "an entry"}, Choice(SEAT))
    assert found.before
    ways = [look.leaves_by for look in (found.question, found.before)]
    assert [way and found.name(way.oif) for way in ways] == ["eth1", "eth0"]
    assert [way and way.source and way.source.ip for way in ways] == [SECOND, FIRST]
    assert found.owned == ((LED, "an entry"),)
    assert explain(choosing(LED), Packet(FAR, FIRST), {}, {}, Choice(SEAT)).before is None
    stranger = replace(LED, protocol=3)
    assert explain(choosing(stranger), Packet(FAR), {}, {}, Choice(SEAT)).before is None


@pytest.mark.parametrize(
    ("asks", "packet", "rewritten"),
    [
        ({}, Packet(FAR, FIRST), True),
        ({}, Packet(FAR, SECOND), False),
        ({}, Packet(FAR, FIRST, mark=0x80000), False),
        ({}, Packet(SECOND, FIRST), False),
        ({}, Packet(FAR, FAR, iif="eth1"), False),
        ({"to": (ip_network("203.0.113.0/24"),)}, Packet(FAR, FIRST), True),
        ({"to": (ip_network("203.0.114.0/24"),)}, Packet(FAR, FIRST), False),
        ({"ip_proto": 6, "port": (25, 26)}, Packet(FAR, FIRST, proto=6, dport=26), True),
        ({"ip_proto": 6, "port": (25, 26)}, Packet(FAR, FIRST, proto=6, dport=27), False),
        ({"ip_proto": 6}, Packet(FAR, FIRST), False),
        ({"uids": (5, 9)}, Packet(FAR, FIRST, uid=7), True),
        ({"uids": (5, 9)}, Packet(FAR, FIRST), False),
        ({"mark": 0x10, "mask": 0xF0}, Packet(FAR, FIRST, mark=0x1F), True),
        ({"mark": 0x10, "mask": 0xF0}, Packet(FAR, FIRST, mark=0x2F), False),
    ],
)
def test_what_nftables_would_rewrite_is_told(
    asks: dict[str, object], packet: Packet, *, rewritten: bool
) -> None:
    choice = Choice(SEAT, Mask(), (Snat(255, "eth1", SECOND, **asks),))  # type: ignore[arg-type]
    found = explain(choosing(MARKED), packet, {}, {MARKED: "an entry"}, choice)
    assert (found.rewritten is not None) is rewritten
    if found.rewritten:
        look = found.rewritten.look
        assert look
        assert look.walk.packet.mark == packet.mark | 0xFF0000
        assert look.walk.packet in questions(choosing(MARKED), packet, choice)
        assert (MARKED, "an entry") in found.owned


def test_who_leaves_by_the_right_nic_is_rewritten_without_another_walk() -> None:
    choice = Choice(SEAT, Mask(), (Snat(255, "eth0", ip_address("192.0.2.7")),))
    found = explain(choosing(MARKED), Packet(FAR, FIRST), {}, {}, choice)
    assert found.rewritten
    assert found.rewritten.look is None


def test_who_leaves_by_another_nic_after_all_is_not_rewritten() -> None:
    """He is bound to it, or the rule for the mark is gone."""
    choice = Choice(SEAT, Mask(), (Snat(255, "eth1", SECOND),))
    assert explain(host(), Packet(FAR, FIRST), {}, {}, choice).rewritten is None


def test_a_table_that_could_not_be_read_is_said() -> None:
    found = explain(host(), Packet(FAR), {}, {}, Choice(SEAT, unread="nobody may"))
    assert "nobody may" in found.notes


def test_a_forwarded_reply_without_its_mark_is_told_which_one_it_may_bear() -> None:
    by_mark = Rule(V4, 18012, table=18001, mark=0x10000, mask=0xFF0000, protocol=83)
    rpdb = choosing(by_mark)
    rpdb = replace(rpdb, sysctls=Sysctls(nics={"eth0": NicConf(forwarding=1)}))
    reply = Packet(FAR, ip_address("192.0.2.77"), iif="eth0")
    (note,) = (one for one in explain(rpdb, reply, {}, {}).notes if "mark" in one)
    assert "--mark 0x10000" in note
    assert not explain(rpdb, replace(reply, mark=0x10000), {}, {}).notes
