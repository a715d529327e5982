"""Sockets bound to a device, and containers behind a bridge: what one tier of rules gets wrong."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1, ETH2
from tests.packets.wires import (
    DROPPED_S,
    KINDS,
    PATIENCE_S,
    VERSIONS,
    ask,
    assert_answers,
    assert_own_wires,
    first,
    give_ipv6,
    left_by,
    outside,
)

INSIDE4 = ip_address("172.17.0.2")
ALL_NODES = IPv6Address("ff02::1")
ALL = dict.fromkeys(KINDS, True)
NONE = dict.fromkeys(KINDS, False)


@pytest.fixture
def routed(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Three NICs and srcroutd; the client echoes too."""
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.client.echo()
    cloud.daemon.start()
    return cloud


@pytest.fixture
def inside(routed: Cloud) -> tuple[Machine, dict[int, IP]]:
    """A container behind docker0, which goes out in eth0's name; its addresses by version."""
    container = routed.container(masquerade=True)
    return container, {4: INSIDE4, 6: give_ipv6(routed, container)}


@VERSIONS
def test_a_container_reaches_the_hosts_address_on_eth1(
    routed: Cloud, inside: tuple[Machine, dict[int, IP]], version: int
) -> None:
    address = first(ETH1, version)
    routed.wire.reset()
    assert ask(inside[0], address) == ALL
    assert left_by(routed, address) == {}


@VERSIONS
def test_the_host_reaches_a_container_from_its_address_on_eth1(
    routed: Cloud, inside: tuple[Machine, dict[int, IP]], version: int
) -> None:
    address = first(ETH1, version)
    routed.wire.reset()
    assert ask(routed.instance, inside[1][version], src=address) == ALL
    assert left_by(routed, address) == {}


def test_a_container_goes_out_by_eth0_as_ever(
    routed: Cloud, inside: tuple[Machine, dict[int, IP]]
) -> None:
    routed.wire.reset()
    assert ask(inside[0], CLIENT_V4) == ALL
    assert [*left_by(routed, ETH0.v4[0], CLIENT_V4)] == ["eth0"]
    assert left_by(routed, INSIDE4) == {}
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
def test_a_container_and_eth1_lose_each_other_under_the_two_lines_of_rc_local(
    start_cloud: Callable[..., Cloud], version: int
) -> None:
    """One rule and one table an address, as everybody pastes it: the contrast."""
    cloud = start_cloud((ETH0, ETH1), metadata=False)
    container = cloud.container()
    containers = {4: INSIDE4, 6: give_ipv6(cloud, container)}
    address = first(ETH1, version)
    gateway = ETH1.vswitch.gateway4 if version == 4 else ETH1.vswitch.gateway6
    assert ask(container, address) == ALL
    cloud.instance.ip_batch(
        [
            f"rule add from {address} lookup 1001",
            f"route add default via {gateway} dev eth1 table 1001",
        ],
        version,
    )
    assert_answers(cloud, address, "eth1")
    assert ask(container, address, timeout_s=DROPPED_S) == NONE
    assert ask(cloud.instance, containers[version], src=address, timeout_s=DROPPED_S) == NONE


@VERSIONS
def test_a_socket_bound_to_a_device_goes_out_by_it_under_its_address(
    routed: Cloud, version: int
) -> None:
    for nic in (ETH1, ETH2):
        routed.wire.reset()
        for kind in KINDS:
            assert routed.instance.probe(
                outside(version), device=nic.name, kind=kind, timeout_s=PATIENCE_S
            )
        assert [*left_by(routed, first(nic, version), outside(version))] == [nic.name]
        assert left_by(routed, first(ETH0, version), outside(version)) == {}


def test_link_local_traffic_of_a_bound_socket_stays_link_local(routed: Cloud) -> None:
    """The reason for three tiers of ``oif`` rules (decision 4): DHCPv6 and router discovery."""
    own = link_local(routed.instance, "eth1")
    port = link_local(routed.router, ETH1.port)
    routed.wire.reset()
    assert routed.instance.probe(f"{port}%eth1", device="eth1", timeout_s=PATIENCE_S)
    assert routed.wire.count("eth1", "up", "ping", own, port) == 1
    assert routed.wire.count("eth1", "down", "pong", port, own) == 1


def test_a_bound_socket_reaches_all_nodes_of_its_link(routed: Cloud) -> None:
    own = link_local(routed.instance, "eth1")
    port = link_local(routed.router, ETH1.port)
    routed.wire.reset()
    # The answer comes from another address than was asked, so that only the wire can tell.
    routed.instance.probe(f"{ALL_NODES}%eth1", device="eth1", timeout_s=DROPPED_S)
    assert routed.wire.count("eth1", "up", "ping", own, ALL_NODES) == 1
    assert routed.wire.count("eth1", "down", "pong", port, own) == 1
    assert routed.wire.count("eth0", "up", "ping") == 0


def test_with_one_tier_the_bound_socket_would_lose_its_link_local_address(routed: Cloud) -> None:
    port = link_local(routed.router, ETH1.port)
    routed.daemon.stop()
    routed.instance.ip_batch(["rule del pref 18010", "rule del pref 18011"], 6)
    routed.wire.reset()
    routed.instance.probe(f"{port}%eth1", device="eth1", timeout_s=DROPPED_S)
    assert routed.wire.count("eth1", "up", "ping", link_local(routed.instance, "eth1")) == 0


def link_local(machine: Machine, device: str) -> IPv6Address:
    """The address that every IPv6 interface has, fe80::..."""
    found = machine.ip_json(f"-6 address show dev {device} scope link")
    # Where ip has filtered something out, it leaves an empty object behind.
    every = (one for link in found for one in link.get("addr_info", ()))
    return next(IPv6Address(one["local"]) for one in every if one)
