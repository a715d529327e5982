"""What is lost comes back within a second, nobody else notices, and meanwhile nothing leaks."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Stream
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni
from tests.packets.wires import (
    VERSIONS,
    assert_answers,
    assert_nothing_gets_out,
    assert_own_wires,
    break_cable,
    first,
    forget_route,
    left_by,
    mend_cable,
    outside,
    until_no_rule,
)

StartCloud = Callable[..., Cloud]
HEALED_S = 1.0
ASKED_AGAIN_S = 1.0
"""A link that comes up may lose the first question of IPv6's neighbour discovery, which the kernel
asks again after a second (RFC 4861, RETRANS_TIMER).
"""
V4, V6 = ETH1.v4[0], ETH1.v6[0]
V6_AGAIN = f"addr add {V6}/{ETH1.vswitch.v6.prefixlen} dev {{}} nodad"
"""A link that goes down loses its IPv6 addresses; whoever configured them puts them back."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What somebody types after ``ip -4``, ``ip -6`` and ``ip``; the last with the link down
    meanwhile. ``eth2_too``: eth2 loses the same.
    """

    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    eth2_too: bool = False


def both(*lines: str) -> Loss:
    """The same for both families."""
    return Loss(lines, lines)


LOSSES = {
    "one rule": both("rule del pref 18016"),
    "the rules of its address": both(
        "rule del pref 18014", "rule del pref 18015", "rule del pref 18016"
    ),
    "its rules, as all of ours": replace(both("rule flush protocol 83"), eth2_too=True),
    "its table": both("route flush table 18001"),
    "its default route": both("route del default table 18001"),
    "its default route to eth0, by hand": Loss(
        (f"route replace default via {ETH0.vswitch.gateway4} dev eth0 table 18001",),
        (f"route replace default via {ETH0.vswitch.gateway6} dev eth0 table 18001 metric 1024",),
    ),
    "its link for a moment": Loss(
        link=("link set eth1 down", "link set eth1 up", V6_AGAIN.format("eth1"))
    ),
    "its addresses for a moment": Loss(
        (f"addr del {V4}/24 dev eth1", f"addr add {V4}/24 dev eth1"),
        (f"addr del {V6}/64 dev eth1", V6_AGAIN.format("eth1")),
    ),
    "its name": Loss(
        link=(
            "link set eth1 down",
            "link set eth1 name ens7",
            "link set ens7 up",
            V6_AGAIN.format("ens7"),
        )
    ),
}


@pytest.fixture
def routed(start_cloud: StartCloud) -> Cloud:
    """eth0, and eth1 and eth2 in another vSwitch, with srcroutd; everybody has met everybody."""
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.client.echo()
    cloud.daemon.start()
    assert_own_wires(cloud, ETH0, ETH1, ETH2)
    return cloud


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_eth1_answers_again_within_a_second_and_the_others_lose_nothing_after_it_lost(
    routed: Cloud, loss: Loss
) -> None:
    beside = bystanders(routed)
    for version, lines, addresses in (
        (4, loss.v4, (V4,)),
        (6, loss.v6, (V6,)),
        (None, loss.link, (V4, V6)),
    ):
        if lines:
            lost = routed.instance.ip_batch(lines, version)
            assert_healed(routed, addresses, lost.ended, link_was_down=bool(loss.link))
    assert_undisturbed(beside, ETH0, *(() if loss.eth2_too else (ETH2,)))
    assert_own_wires(routed, ETH0, ETH1, ETH2)


def test_eth1_answers_again_within_a_second_of_its_cables_return(routed: Cloud) -> None:
    beside = bystanders(routed)
    break_cable(routed, ETH1)
    assert not routed.client.probe(V4, timeout_s=0.3)
    mended = mend_cable(routed, ETH1)
    assert_healed(routed, (V4, V6), mended, link_was_down=True)
    assert_undisturbed(beside, ETH0, ETH2)
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
def test_an_address_that_comes_back_much_later_answers_again(routed: Cloud, version: int) -> None:
    address = first(ETH1, version)
    length = 24 if version == 4 else 64
    routed.instance.ip(f"addr del {address}/{length} dev eth1")
    until_no_rule(routed, address)
    assert_own_wires(routed, ETH0, ETH2)
    nodad = " nodad" if version == 6 else ""
    began = routed.instance.ip_batch([f"addr add {address}/{length} dev eth1{nodad}"]).ended
    assert_healed(routed, (address,), began)
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
def test_without_its_default_route_and_without_srcroutd_eth1_is_mute_and_leaks_nothing(
    routed: Cloud, version: int
) -> None:
    routed.daemon.stop()
    beside = bystanders(routed)
    forget_route(routed, "default", 18001, version)
    assert_nothing_gets_out(routed, first(ETH1, version), outside(version))
    assert_mute(routed, first(ETH1, version))
    assert_undisturbed(beside, ETH0, ETH2)
    assert_own_wires(routed, ETH0, ETH2)


@pytest.mark.parametrize("running", [True, False], ids=["with srcroutd", "srcroutd stopped"])
def test_while_its_link_is_down_packets_from_eth1s_address_leave_by_no_wire(
    routed: Cloud, running: bool
) -> None:
    if not running:
        routed.daemon.stop()
    beside = bystanders(routed)
    routed.instance.ip("link set eth1 down")
    assert_nothing_gets_out(routed, V4, outside(4))
    assert_undisturbed(beside, ETH0, ETH2)
    assert_own_wires(routed, ETH0, ETH2)


def test_without_the_guard_they_would_leave_by_eth0(routed: Cloud) -> None:
    """The contrast: what the ``unreachable`` route is for."""
    routed.daemon.stop()
    routed.instance.ip("link set eth1 down")
    routed.instance.ip("route del unreachable default metric 4278198272 table 18001")
    routed.wire.reset()
    assert not routed.instance.probe(outside(4), src=V4, timeout_s=0.3)
    assert left_by(routed, V4) == {"eth0": 1}


def bystanders(cloud: Cloud) -> "dict[IP, Future[Stream]]":
    """The client asks eth0 and eth2 every 5 ms, for a second."""
    return {
        address: cloud.client.begin(address, kind="udp", times=200, every_ms=5)
        for address in (*ETH0.addresses, *ETH2.addresses)
    }


def assert_undisturbed(beside: "dict[IP, Future[Stream]]", *nics: Eni) -> None:
    """When all bystanders have asked enough: these NICs have answered each question."""
    lost = {address: stream.result().lost for address, stream in beside.items()}
    expected = {address: 0 for nic in nics for address in nic.addresses}
    assert {address: lost[address] for address in expected} == expected


def assert_healed(
    cloud: Cloud, addresses: tuple[IP, ...], began: float, *, link_was_down: bool = False
) -> None:
    """These addresses answer datagrams again within a second, by eth1's wire."""
    waiting = [
        cloud.client.begin(ip, kind="udp", every_ms=2, first=True, limit_s=5) for ip in addresses
    ]
    for address, future in zip(addresses, waiting, strict=True):
        came = future.result().first_at
        assert came is not None, f"{address} never answers again"
        limit_s = HEALED_S + (ASKED_AGAIN_S if link_was_down and address.version == 6 else 0)
        assert came - began < limit_s, f"{address} answers again after {came - began:.3f} s"
        assert_answers(cloud, address, "eth1")


def assert_mute(cloud: Cloud, address: IP) -> None:
    """It answers nobody, by no wire."""
    cloud.wire.reset()
    assert not cloud.client.probe(address, kind="udp", timeout_s=0.3)
    assert left_by(cloud, address) == {}
