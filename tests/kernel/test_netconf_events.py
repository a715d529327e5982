"""The netconf socket against the real kernel: what is announced, and what is told to nobody."""

import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srcroutd.core.sysctls import ALL, Knob, Sysctl
from srcroutd.kernel.netconf_events import NetconfBells, NetconfEvents

Ip = Callable[[str], str]
ROOT = Path("/proc/sys/net")
ANNOUNCED = frozenset({Knob.RP_FILTER})
_BOTH_GROUPS = 1 << 23 | 1 << 24


def put(knob: Knob, value: int, nic: str = "eth1") -> None:
    ROOT.joinpath(*Sysctl(knob, nic).path).write_text(str(value))


@pytest.fixture
def events(nics: dict[str, int]) -> Iterator[NetconfEvents]:
    """The socket under test, quiet at the start."""
    assert nics
    opened = NetconfEvents()
    opened.drain()
    yield opened
    opened.close()


def test_rp_filter_of_a_nic_rings_with_its_ifindex(
    nics: dict[str, int], events: NetconfEvents
) -> None:
    put(Knob.RP_FILTER, 1)
    assert events.drain() == NetconfBells(frozenset({nics["eth1"]}))
    put(Knob.RP_FILTER, 2, "eth2")
    put(Knob.RP_FILTER, 0)
    assert events.drain() == NetconfBells(frozenset(nics.values()))
    assert not events.drain()


def test_rp_filter_of_all_rings_for_every_nic_and_that_of_default_for_none(
    events: NetconfEvents,
) -> None:
    put(Knob.RP_FILTER, 1, ALL)
    assert events.drain() == NetconfBells(every=True)
    put(Knob.RP_FILTER, 1, "default")
    assert not events.drain()


def test_the_same_number_again_is_no_change(events: NetconfEvents) -> None:
    put(Knob.RP_FILTER, 0)
    assert not events.drain()


def test_what_docker_does_to_forwarding_does_not_ring(events: NetconfEvents) -> None:
    (ROOT / "ipv4/ip_forward").write_text("1")
    (ROOT / "ipv6/conf/all/forwarding").write_text("1")
    assert select.select([events], [], [], 0)[0]
    assert not events.drain()


@pytest.mark.parametrize("where", ["eth1", ALL, "default"])
@pytest.mark.parametrize("knob", Knob)
def test_the_kernel_announces_rp_filter_alone(nics: dict[str, int], knob: Knob, where: str) -> None:
    assert nics
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as both:
        both.bind((0, _BOTH_GROUPS))
        put(knob, 2, where)
        put(knob, 1, where)
        assert bool(select.select([both], [], [], 0)[0]) == (knob in ANNOUNCED)


def test_a_new_nic_rings_and_one_that_goes_away_leaves_that_to_its_link(
    ip: Ip, events: NetconfEvents
) -> None:
    ip("link add eth3 type veth peer name eth4")
    new = frozenset(socket.if_nametoindex(nic) for nic in ("eth3", "eth4"))
    assert events.drain() == NetconfBells(new)
    ip("link delete eth3")
    assert not events.drain()


def test_lost_events_are_told_and_later_ones_still_ring(nics: dict[str, int]) -> None:
    small = NetconfEvents(receive_buffer=1)
    for n in range(200):
        put(Knob.RP_FILTER, n % 2)
    assert small.drain().lost
    assert not small.drain()
    put(Knob.RP_FILTER, 2)
    assert small.drain() == NetconfBells(frozenset({nics["eth1"]}))
    small.close()


def test_a_drain_is_bounded_and_the_rest_keeps_the_socket_readable(events: NetconfEvents) -> None:
    for n in range(30):
        put(Knob.RP_FILTER, 1 - n % 2)
    reads = 0
    while select.select([events], [], [], 0)[0]:
        assert events.drain(limit=10)
        reads += 1
    assert reads == 3


def test_bells_add_up() -> None:
    both = NetconfBells(frozenset({3})) | NetconfBells(frozenset({4}), every=True)
    assert both == NetconfBells(frozenset({3, 4}), every=True)
    assert not NetconfBells()
    assert NetconfBells(lost=True)
    assert NetconfBells() | NetconfBells(lost=True) == NetconfBells(lost=True)
