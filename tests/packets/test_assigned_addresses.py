"""Addresses that nobody configured answer clients, once the daemon was told to put them."""

import signal
from collections.abc import Callable

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2
from tests.packets.wires import (
    VERSIONS,
    assert_comes_to_answer,
    assert_own_wires,
)

StartCloud = Callable[..., Cloud]
EXTRA: dict[int, IP] = {4: ETH1.vswitch.v4[31], 6: ETH1.vswitch.v6[0x31]}
"""One more address in the vSwitch that eth1 and eth2 share."""
ASSIGN = '[[nic]]\nname = "eth*"\naddresses = "assign"\n'


@pytest.fixture
def assigning(start_cloud: StartCloud) -> Cloud:
    """eth0, and eth1 and eth2 in one vSwitch; srcroutd puts what metadata lists."""
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.daemon.start(ASSIGN)
    return cloud


@VERSIONS
def test_a_listed_address_that_nobody_configured_answers_by_its_nic(
    assigning: Cloud, version: int
) -> None:
    before = assigning.instance.ip("route show table main"), assigning.instance.ip("-6 route")
    assigning.add_address(ETH2, EXTRA[version], on_nic=False)
    assigning.daemon.send_signal(signal.SIGHUP)
    assert_comes_to_answer(assigning, EXTRA[version], "eth2")
    assert_own_wires(assigning, ETH0, ETH1, ETH2)
    after = assigning.instance.ip("route show table main"), assigning.instance.ip("-6 route")
    assert before == after


@VERSIONS
def test_an_address_that_moves_to_another_eni_is_moved_to_its_nic(
    assigning: Cloud, version: int
) -> None:
    address = EXTRA[version]
    assigning.add_address(ETH1, address, on_nic=False)
    assigning.daemon.send_signal(signal.SIGHUP)
    assert_comes_to_answer(assigning, address, "eth1")
    assigning.remove_address(ETH1, address, on_nic=False)
    assigning.add_address(ETH2, address, on_nic=False)
    assigning.daemon.send_signal(signal.SIGHUP)
    assert_comes_to_answer(assigning, address, "eth2")
    assert str(address) not in assigning.instance.ip("address show dev eth1")
