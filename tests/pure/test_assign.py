"""Addresses put and taken away: only what is missing, only what is ours, never on a doubt."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from srcroutd.core.assign import candidates, needed, plan_addresses
from srcroutd.core.assign_leave import Known, cleaned, leaves
from srcroutd.core.assign_values import Clock, Memory, Placed, Sight, Wishes
from srcroutd.core.assigned import PutAddress
from srcroutd.core.desired import Settings
from srcroutd.core.inventory import Inventory
from srcroutd.core.join import Joined, NicState, State
from srcroutd.core.net import Address, Link
from tests.pure.assigning import (
    ALONE,
    ASSIGN,
    ENI1,
    ENI2,
    FULL,
    LO,
    V4,
    Host,
    ours,
    without,
)
from tests.pure.worlds import address, eni, link, nic

# --- putting -------------------------------------------------------------------------------------


def test_a_nic_that_nobody_cares_for_gets_all_addresses_of_its_eni() -> None:
    assert Host().told() == [
        "+ ip address add 192.0.2.5/32 dev eth1 proto 83",
        "+ ip address add 192.0.2.6/32 dev eth1 proto 83",
        "+ ip address add 192.0.2.7/32 dev eth1 proto 83",
        "+ ip -6 address add 2001:db8::5/128 dev eth1 noprefixroute proto 83",
        "+ ip -6 address add 2001:db8::6/128 dev eth1 noprefixroute preferred_lft 0 proto 83",
    ]
    because = [operation.because for operation in Host().plan().operations]
    assert because[:2] == [
        "first address of eni-1, read from aliyun",
        "address of eni-1, read from aliyun",
    ]


def test_the_first_address_is_left_to_whoever_manages_the_nic() -> None:
    host = Host(managers={3: "systemd-networkd"})
    assert host.told() == Host().told()[1:]
    assert host.plan().notes == {3: ("192.0.2.5, the first address, is left to systemd-networkd",)}
    assert Host(managers={}).told() == host.told(), "not looked at is not alone"


def test_what_stands_anywhere_on_the_host_is_not_put() -> None:
    there = (
        address(1, "192.0.2.5/24"),
        address(2, "192.0.2.6/32"),
        Address(1, ip_interface("192.0.2.7/32")),
        address(1, "2001:db8::5/64", tentative=True),
        replace(address(1, "2001:db8::6/128"), tentative=True, duplicate=True),
    )
    assert Host(there).told() == []


@pytest.mark.parametrize(
    "host",
    [
        Host(settings=Settings()),
        Host(up=False, addresses=(address(1, "203.0.113.9/24"),)),
        Host(settings=Settings(addresses="assign", ipv4=False, ipv6=False)),
        Host(eni1=eni(1, replace(V4, subnet=ip_network("203.0.113.0/24")))),
        Host(eni1=eni(1, replace(V4, subnet=None))),
        Host(eni1=eni(1, replace(V4, prefixes=(ip_network("192.0.2.0/28"),)))),
        Host(
            settings=replace(
                ASSIGN, ignore=frozenset({ip_network("::/0"), ip_network("0.0.0.0/0")})
            )
        ),
        Host(state=State.WAITING),
        Host(state=State.LEFT_ALONE),
    ],
)
def test_what_is_not_asked_for_is_not_put(host: Host) -> None:
    assert host.told() == []


def test_an_address_that_a_container_has_is_left_to_it() -> None:
    host = Host(elsewhere={ip_address("192.0.2.6"): "cali1"})
    assert "+ ip address add 192.0.2.6/32 dev eth1 proto 83" not in host.told()
    assert host.plan().notes == {3: ("192.0.2.6 is left alone: this host sends it to cali1",)}


def test_the_candidates_are_what_would_be_put() -> None:
    nics = Host().nics()
    found = candidates(Wishes(nics, (83,), cleaned), Sight((link(1),), (), ALONE))
    assert [str(ip) for ip in found] == [
        *("192.0.2.5", "192.0.2.6", "192.0.2.7"),
        *("2001:db8::5", "2001:db8::6"),
    ]


# --- the link ------------------------------------------------------------------------------------


def test_a_link_that_bears_nothing_and_nobody_cares_for_is_set_up_first() -> None:
    assert Host(up=False).told() == ["+ ip link set eth1 up"]


def test_a_link_is_not_set_up_against_anybodys_will() -> None:
    managed = Host(up=False, managers={3: "NetworkManager"})
    was_up = Host(up=False, memory=Host().plan().memory)
    bears = Host(up=False, addresses=(address(1, "192.0.2.5/24"),))
    assert managed.told() == was_up.told() == bears.told() == []


def test_no_link_is_ever_set_down() -> None:
    for host in (Host(FULL, state=State.LEFT_ALONE), Host(FULL, settings=Settings())):
        assert not [line for line in host.told() if "link" in line]


# --- taking away ---------------------------------------------------------------------------------


def test_once_all_stand_there_is_nothing_to_do() -> None:
    assert Host(FULL).told() == []


def test_leave_takes_away_exactly_ours() -> None:
    there = (
        *FULL,
        address(1, "192.0.2.8/24"),
        ours(1, "192.0.2.9/24"),
        replace(ours(1, "192.0.2.10/32"), permanent=False),
        ours(1, "192.0.2.11/32", protocol=84),
        address(2, "198.51.100.5/24"),
    )
    assert Host(there, settings=Settings()).told() == [
        "- ip address del 192.0.2.5/32 dev eth1",
        "- ip address del 192.0.2.6/32 dev eth1",
        "- ip address del 192.0.2.7/32 dev eth1",
        "- ip -6 address del 2001:db8::5/128 dev eth1",
        "- ip -6 address del 2001:db8::6/128 dev eth1",
    ]


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"state": State.LEFT_ALONE}, "eth1 is left alone: the configuration says so"),
        ({"settings": Settings(addresses="assign", ipv4=False)}, "IPv4 is not managed on eth1"),
        (
            {"settings": replace(ASSIGN, ignore=frozenset({ip_network("192.0.2.6/32")}))},
            "the configuration ignores it",
        ),
        (
            {"eni1": eni(1, replace(V4, prefixes=(ip_network("192.0.2.6/31"),)))},
            "it lies in the delegated prefix 192.0.2.6/31",
        ),
        ({"addresses": (ours(1, "192.0.2.6/32"), address(1, "192.0.2.6/24"))}, "somebody else"),
        ({"eni1": without("192.0.2.6"), "final": True}, "no longer an address of eni-1"),
    ],
)
def test_what_is_certain_takes_it_away_at_once(changes: dict[str, object], because: str) -> None:
    host = Host(**({"addresses": (ours(1, "192.0.2.6/32"),)} | changes))  # type: ignore[arg-type]
    gone = [op for op in host.plan().operations if op.verb == "delete"]
    assert [str(op) for op in gone] == ["- ip address del 192.0.2.6/32 dev eth1"]
    assert because in gone[0].because


def test_an_address_that_moved_to_another_eni_follows_it() -> None:
    moved = replace(ENI2, v4=replace(V4, addresses=(ip_address("192.0.2.6"),)))
    nics = (nic(1, without("192.0.2.6"), (), settings=ASSIGN), nic(2, moved, (), settings=ASSIGN))
    inventory = Inventory("aliyun", {one.eni.mac: one.eni for one in nics})
    states = (NicState(link(1), State.MANAGED), NicState(link(2), State.MANAGED))
    wishes = Wishes(nics, (83,), leaves(Known(Joined(nics, states), inventory, confirmed=True)))

    def told(*there: Address) -> list[str]:
        sight = Sight((link(1), link(2)), (LO, *there), ALONE)
        plan = plan_addresses(wishes, sight, Memory(), Clock(0.0))
        return [str(op) for op in plan.operations if ".6/" in str(op)]

    assert told(ours(1, "192.0.2.6/32")) == ["- ip address del 192.0.2.6/32 dev eth1"]
    assert told() == ["+ ip address add 192.0.2.6/32 dev eth2 proto 83"]


def test_an_address_that_metadata_dropped_goes_when_metadata_says_so_again() -> None:
    host = Host(FULL, eni1=without("192.0.2.6"))
    first = host.plan()
    assert first.operations == ()
    assert "192.0.2.6 stays until metadata says again" in first.notes[3][0]
    host.memory, host.clock = first.memory, Clock(1060.0, 1000.5)
    assert host.told() == [], "the same answer once more"
    host.clock = Clock(1301.0, 1300.0)
    assert host.told() == ["- ip address del 192.0.2.6/32 dev eth1"]
    host.eni1 = ENI1
    assert host.plan().memory.doubts == {}, "and a hiccup leaves no doubt behind"


@pytest.mark.parametrize(
    "changes",
    [
        {"confirmed": False},
        {"pending": True},
        {"state": State.KEPT},
        {"state": State.WAITING},
        {"state": State.REFUSED},
    ],
)
def test_not_knowing_takes_nothing_away(changes: dict[str, object]) -> None:
    bare = eni(1, replace(V4, addresses=()), None)
    host = Host(FULL, eni1=bare, **changes)  # type: ignore[arg-type]
    for later_s in (0.0, 10.0, 1e6):
        host.clock = Clock(1000.0 + later_s, 1000.0 + later_s)
        plan = host.plan()
        assert plan.operations == ()
        host.memory = plan.memory


# --- whose it is ---------------------------------------------------------------------------------


def test_a_kernel_that_tells_no_protocols_leaves_it_to_memory() -> None:
    placed = Placed(link(1).mac, 3, ip_interface("192.0.2.6/32"))
    there = (address(1, "192.0.2.6/32"), address(1, "192.0.2.7/32"))
    host = Host(there, settings=Settings(), tells=False, memory=Memory(frozenset({placed})))
    assert host.told() == ["- ip address del 192.0.2.6/32 dev eth1"]
    host.tells = True
    assert host.told() == [], "a kernel that tells is believed"
    host.tells, host.memory = False, Memory(frozenset({replace(placed, ifindex=9)}))
    assert host.told() == [], "another device"


def test_what_is_about_to_be_put_is_remembered_before() -> None:
    plan = Host(tells=False).plan()
    puts = {op.key.interface for op in plan.operations if isinstance(op.key, PutAddress)}
    assert {place.interface for place in plan.memory.put} == puts
    assert len(puts) == 5


def test_an_address_that_somebody_changed_is_his() -> None:
    memory = Host(FULL).plan().memory
    there = (replace(FULL[0], protocol=0, permanent=False), *FULL[1:])
    plan = Host(there, settings=Settings(), memory=memory).plan()
    assert "192.0.2.5" not in " ".join(map(str, plan.operations))
    assert [str(place.interface) for place in plan.let_go] == ["192.0.2.5/32"]


def test_the_number_of_an_earlier_configuration_is_replaced() -> None:
    host = Host(FULL, protocols=(90, 83))
    assert host.told()[0] == "~ ip address add 192.0.2.5/32 dev eth1 proto 90"
    assert len(host.told()) == 5
    assert Host(FULL, protocols=(90,)).told() == [], "without that configuration it is a stranger's"


def test_a_duplicate_is_told_and_not_tried_again() -> None:
    there = (*FULL[:4], replace(FULL[4], tentative=True, duplicate=True))
    plan = Host(there).plan()
    assert plan.operations == ()
    assert [str(place.interface.ip) for place in plan.duplicates] == ["2001:db8::6"]
    assert "another host on the wire answers for it" in plan.notes[3][0]


def test_most_hosts_have_nothing_to_plan() -> None:
    sight = Sight((link(1),), (LO, address(1, "192.0.2.5/24")))
    leave = Wishes((nic(1, ENI1, (), settings=Settings()),), (83,), cleaned)
    assert not needed(leave, sight, Memory())
    assert needed(leave, replace(sight, addresses=FULL), Memory())
    assert needed(replace(leave, nics=Host().nics()), sight, Memory())


def test_cleanup_needs_no_facts() -> None:
    sight = Sight((link(1), Link(9, "docker0", "02:00:00:00:00:01", up=True, kind="bridge")), FULL)
    plan = plan_addresses(Wishes((), (83,), cleaned), sight, Memory(), Clock(0.0))
    assert len(plan.operations) == 5
    assert {operation.because for operation in plan.operations} == {"cleanup"}
