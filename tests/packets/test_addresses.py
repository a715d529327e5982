"""Which addresses a NIC answers for: secondary, unlisted, moved, delegated, many of them."""

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni, VSwitch, address_lines
from tests.packets.wires import (
    KINDS,
    VERSIONS,
    ask,
    assert_answers,
    assert_comes_to_answer,
    assert_nothing_gets_out,
    assert_own_wires,
    first,
    left_by,
    neighbour,
    outside,
    tables,
    until_no_rule,
)

StartCloud = Callable[..., Cloud]
EXTRA: dict[int, IP] = {4: ETH1.vswitch.v4[31], 6: ETH1.vswitch.v6[0x31]}
"""One more address in the vSwitch of eth1 and eth2."""
MANY = Eni(
    1,
    ETH1.vswitch,
    tuple(ETH1.vswitch.v4[host] for host in range(101, 161)),
    tuple(ETH1.vswitch.v6[host] for host in range(0x101, 0x13D)),
)
DELEGATED = (ip_network("172.16.1.64/28"), ip_network("2001:db8:16:1:64::/80"))
ON_THE_BRIDGE: dict[int, IP] = {4: DELEGATED[0][1], 6: DELEGATED[1][1]}
INSIDE: dict[int, IP] = {4: DELEGATED[0][5], 6: DELEGATED[1][5]}
ALL = dict.fromkeys(KINDS, True)


@dataclass(frozen=True, slots=True)
class FarGateway(VSwitch):
    """A vSwitch whose gateway lies outside the subnet that metadata tells; ``bits`` short of a
    host.
    """

    bits: int = 0

    @property
    def v4(self) -> IPv4Network:
        """A subnet that holds .10 of the vSwitch and not its gateway."""
        return IPv4Network((f"172.16.{self.number}.10", 32 - self.bits), strict=False)

    @property
    def v6(self) -> IPv6Network:
        """The same in IPv6."""
        return IPv6Network((f"2001:db8:16:{self.number:x}::10", 128 - self.bits), strict=False)

    @property
    def gateway4(self) -> IPv4Address:
        """In another subnet of the VPC."""
        return IPv4Address(f"172.16.{100 + self.number}.253")

    @property
    def gateway6(self) -> IPv6Address:
        """In another subnet of the VPC."""
        return IPv6Address(f"2001:db8:16:{100 + self.number:x}::fd")


@pytest.fixture
def routed(start_cloud: StartCloud) -> Cloud:
    """eth0, and eth1 and eth2 in another vSwitch, with srcroutd."""
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.daemon.start()
    return cloud


@VERSIONS
def test_a_secondary_address_answers_by_its_nic_until_it_is_taken_away(
    routed: Cloud, version: int
) -> None:
    routed.add_address(ETH2, EXTRA[version])
    assert_comes_to_answer(routed, EXTRA[version], "eth2")
    routed.remove_address(ETH2, EXTRA[version])
    until_no_rule(routed, EXTRA[version])
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
def test_an_address_that_metadata_does_not_list_answers_by_the_nic_it_is_on(
    routed: Cloud, version: int
) -> None:
    """HaVip, keepalived: the address is on the NIC and in its subnet."""
    routed.add_address(ETH2, EXTRA[version], listed=False)
    assert_comes_to_answer(routed, EXTRA[version], "eth2")
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
@pytest.mark.parametrize("follows", [True, False], ids=["metadata follows", "metadata does not"])
def test_an_address_that_moves_to_another_nic_answers_by_that_one(
    routed: Cloud, version: int, follows: bool
) -> None:
    address = EXTRA[version]
    routed.add_address(ETH1, address, listed=True)
    assert_comes_to_answer(routed, address, "eth1")
    if follows:
        routed.remove_address(ETH1, address)
        routed.add_address(ETH2, address)
    else:
        routed.instance.ip_batch(address_lines(ETH1, address, "eth1", "del"))
        routed._vpc.unroute(ETH1, address)
        routed.add_address(ETH2, address, listed=False)
        assert f'"{address}"' in routed.metadata.path.read_text()
    assert_comes_to_answer(routed, address, "eth2")
    assert_own_wires(routed, ETH0, ETH2)
    assert_answers(routed, ETH1.v4[0], "eth1")


def test_an_address_that_metadata_lists_and_nobody_bears_disturbs_nobody(routed: Cloud) -> None:
    """A CNI's: it belongs to a pod, and is none of our business."""
    routed.add_address(ETH1, EXTRA[4], on_nic=False)
    routed.daemon.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert EXTRA[4] not in tables(routed)
    assert_own_wires(routed, ETH0, ETH1, ETH2)


@VERSIONS
def test_a_delegated_prefix_answers_by_its_nic_from_the_host_and_from_a_container(
    start_cloud: StartCloud, version: int
) -> None:
    cloud = bridged(start_cloud)
    cloud.client.echo()
    cloud.daemon.start()
    for address in (INSIDE[version], ON_THE_BRIDGE[version]):
        assert_comes_to_answer(cloud, address, "eth1")
    cloud.wire.reset()
    assert ask(cloud.instance, outside(version), src=ON_THE_BRIDGE[version]) == ALL
    assert [*left_by(cloud, ON_THE_BRIDGE[version], outside(version))] == ["eth1"]
    assert_own_wires(cloud, ETH0, ETH1)


@VERSIONS
@pytest.mark.parametrize("owner", [ETH1, ETH2], ids=lambda nic: f"prefix of {nic.name}")
@pytest.mark.parametrize("nic", [ETH0, ETH1, ETH2], ids=lambda nic: f"address of {nic.name}")
def test_a_container_of_a_delegated_prefix_and_the_hosts_address_reach_each_other(
    start_cloud: StartCloud, nic: Eni, owner: Eni, version: int
) -> None:
    """The prefix is carved out of eth1's and eth2's subnet, yet it is on the link of neither."""
    cloud = bridged(start_cloud, owner)
    cloud.daemon.start()
    assert_comes_to_answer(cloud, INSIDE[version], owner.name)
    cloud.wire.reset()
    answers = ask(cloud.instance, INSIDE[version], src=first(nic, version), timeout_s=1)
    leaked = left_by(cloud, first(nic, version), INSIDE[version])
    assert (answers, leaked) == (ALL, {})


@VERSIONS
def test_a_delegated_prefix_leaks_nowhere_when_its_nic_goes_away_behind_srcroutds_back(
    start_cloud: StartCloud, version: int
) -> None:
    cloud = bridged(start_cloud)
    cloud.daemon.start()
    assert_comes_to_answer(cloud, INSIDE[version], "eth1")
    cloud.daemon.stop()
    cloud.detach(cloud.enis["eth1"])
    assert_nothing_gets_out(cloud, ON_THE_BRIDGE[version], outside(version))
    assert_own_wires(cloud, ETH0)


def test_each_of_sixty_addresses_answers_by_its_nic_and_the_others_are_not_disturbed(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, MANY, ETH2))
    neighbours = [neighbour(cloud, number)[0] for number in (0, 1)]
    cloud.client.echo()
    cloud.daemon.start()
    assert len(bypass(cloud)) == 4
    assert_own_wires(cloud, ETH0, MANY, ETH2)
    for asker in neighbours:
        assert_answers(cloud, MANY.v4[-1], "eth1", asker)
        assert_answers(cloud, MANY.v6[-1], "eth1", asker)
    for version in (4, 6):
        assert ask(cloud.instance, outside(version)) == ALL


@pytest.mark.parametrize(
    "lost", [("18013",), ("18019",), ("18013", "18019")], ids=["goto", "target", "both"]
)
def test_losing_the_rules_that_let_others_pass_by_hurts_nobody(
    start_cloud: StartCloud, lost: tuple[str, ...]
) -> None:
    cloud = start_cloud((ETH0, MANY, ETH2))
    cloud.daemon.start()
    cloud.daemon.stop()
    for version in (4, 6):
        cloud.instance.ip_batch([f"rule del pref {priority}" for priority in lost], version)
    assert len(bypass(cloud)) == 4 - 2 * len(lost)
    assert_own_wires(cloud, ETH0, MANY, ETH2)


def test_losing_any_single_rule_of_eth1_never_hurts_another_nic(start_cloud: StartCloud) -> None:
    five = replace(MANY, v4=MANY.v4[:5], v6=MANY.v6[:5])
    cloud = start_cloud((ETH0, five, ETH2))
    cloud.client.echo()
    cloud.daemon.start()
    cloud.daemon.stop()
    for version in (4, 6):
        rules = [line for line in rule_lines(cloud, version) if line.startswith("pref 1801")]
        assert len(rules) == 3 + 2 + 3 * 5
        for line in rules:
            cloud.instance.ip_batch([f"rule del {line}"], version)
            assert_own_wires(cloud, ETH0, ETH2)
            assert ask(cloud.instance, outside(version)) == ALL
            cloud.instance.ip_batch([f"rule add {line}"], version)
        assert sorted(rules) == sorted(
            line for line in rule_lines(cloud, version) if line.startswith("pref 1801")
        )
    assert_own_wires(cloud, ETH0, five, ETH2)


@pytest.mark.parametrize("bits", [0, 2], ids=["one address alone", "a narrow subnet"])
def test_a_gateway_outside_the_subnet_is_reached_on_the_link(
    start_cloud: StartCloud, bits: int
) -> None:
    far = Eni(
        7, FarGateway(7, bits), (IPv4Address("172.16.7.10"),), (IPv6Address("2001:db8:16:7::10"),)
    )
    assert far.vswitch.gateway4 not in far.vswitch.v4
    cloud = start_cloud((ETH0,))
    cloud.daemon.start()
    cloud.attach(far)
    for address in far.addresses:
        assert_comes_to_answer(cloud, address, "eth7")
    for number in (0, 5):
        asker, _ = neighbour(cloud, number)
        for address in far.addresses:
            assert_answers(cloud, address, "eth7", asker)
    assert_own_wires(cloud, ETH0)


def bridged(start_cloud: StartCloud, owner: Eni = ETH1) -> Cloud:
    """A container with addresses of prefixes delegated to ``owner``, and others on the bridge."""
    nics = (replace(nic, prefixes=DELEGATED) if nic == owner else nic for nic in (ETH1, ETH2))
    cloud = start_cloud((ETH0, *nics))
    container = cloud.container()
    cloud.instance.sysctl({"net/ipv6/conf/all/forwarding": "1"})
    for machine, device, addresses in (
        (cloud.instance, "docker0", ON_THE_BRIDGE),
        (container, "eth0", INSIDE),
    ):
        machine.ip_batch(
            [
                f"addr add {addresses[4]}/28 dev {device}",
                f"addr add {addresses[6]}/80 dev {device} nodad",
            ]
        )
    container.ip_batch([f"route add default via {ON_THE_BRIDGE[6]} dev eth0"])
    return cloud


def rule_lines(cloud: Cloud, version: int) -> list[str]:
    """The instance's rules, as one would type them after ``ip rule add``."""
    printed = cloud.instance.ip(f"-{version} rule").splitlines()
    return [
        re.sub(r"^(\d+):\s+", r"pref \1 ", line).replace(" proto ", " protocol ").strip()
        for line in printed
    ]


def bypass(cloud: Cloud) -> list[str]:
    """The rules that let strangers' packets pass eth1's by, both families."""
    return [
        line
        for version in (4, 6)
        for line in rule_lines(cloud, version)
        if line.startswith(("pref 18013", "pref 18019"))
    ]
