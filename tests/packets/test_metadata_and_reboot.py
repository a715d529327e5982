"""Many NICs at once, NICs in another order, reboots: each answers by its own wire, under its old
number.
"""

from collections.abc import Callable

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni, eni
from tests.packets.wires import (
    assert_comes_to_answer,
    assert_own_wires,
    tables,
    until_no_rule,
)

StartCloud = Callable[..., Cloud]
EIGHT = tuple(
    eni(number, vswitch=1 + (number - 1) // 2, host=10 * number) for number in range(1, 9)
)
"""Two by two in a vSwitch."""


@pytest.fixture
def running(cloud: Cloud) -> Cloud:
    """eth0 and srcroutd."""
    cloud.daemon.start()
    return cloud


def test_eight_enis_at_once_answer_each_by_its_own_wire(running: Cloud) -> None:
    running.attach_all(EIGHT)
    come_to_answer(running, EIGHT)
    assert_own_wires(running, ETH0, *EIGHT)


def test_enis_that_go_in_the_middle_of_a_storm_take_nobody_along(running: Cloud) -> None:
    staying, going = EIGHT[::2], EIGHT[1::2]
    running.attach_all(EIGHT)
    for nic in going:
        running.detach(nic)
    come_to_answer(running, staying)
    until_no_rule(running, *(ip for nic in going for ip in nic.addresses))
    assert_own_wires(running, ETH0, *staying)


def test_enis_that_come_back_in_another_order_have_their_old_numbers_and_wires(
    running: Cloud,
) -> None:
    going = EIGHT[1::2]
    running.attach_all(EIGHT)
    come_to_answer(running, EIGHT)
    before = tables(running)
    for nic in going:
        running.detach(nic)
    until_no_rule(running, *(ip for nic in going for ip in nic.addresses))
    for nic in reversed(going):
        running.attach(nic, f"ens{10 + nic.number}")
        come_to_answer(running, (nic,))
    assert tables(running) == before
    assert_own_wires(running, ETH0, *EIGHT)


def test_an_eni_whose_record_is_late_answers_once_it_has_come(running: Cloud) -> None:
    running.attach(ETH1, listed=False)
    running.attach(ETH2)
    come_to_answer(running, (ETH2,))
    assert not running.client.probe(ETH1.v4[0], kind="udp", timeout_s=0.3)
    running.listed.add(ETH1.name)
    running.say()
    come_to_answer(running, (ETH1,))
    assert_own_wires(running, ETH0, ETH1, ETH2)


def test_after_a_reboot_without_metadata_the_wires_are_right_as_soon_as_srcroutd_is_ready(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.daemon.start()
    before = tables(cloud)
    cloud.metadata.stop()
    cloud.reboot_instance()
    assert tables(cloud) == {}
    assert not cloud.client.probe(ETH1.v4[0], kind="udp", timeout_s=0.3)
    cloud.daemon.start()
    assert_own_wires(cloud, ETH0, ETH1, ETH2)
    assert tables(cloud) == before


def test_an_eni_that_came_with_a_reboot_answers_once_metadata_is_back(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    cloud.daemon.start()
    before = tables(cloud)
    cloud.metadata.stop()
    # With the power off, says the story; what matters is that srcroutd has not seen it before.
    cloud.daemon.kill()
    cloud.attach(ETH2)
    cloud.reboot_instance()
    cloud.daemon.start()
    assert_own_wires(cloud, ETH0, ETH1)
    assert not cloud.client.probe(ETH2.v4[0], kind="udp", timeout_s=0.3)
    cloud.metadata.start()
    come_to_answer(cloud, (ETH2,))
    assert_own_wires(cloud, ETH0, ETH1, ETH2)
    assert {ip: number for ip, number in tables(cloud).items() if ip in before} == before


def test_an_eni_that_went_while_srcroutd_was_away_leaves_nothing_behind(
    start_cloud: StartCloud,
) -> None:
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.daemon.start()
    cloud.daemon.kill()
    cloud.detach(ETH2)
    assert set(tables(cloud)) & set(ETH2.addresses)
    cloud.daemon.start()
    assert set(tables(cloud)) == set[IP](ETH1.addresses)
    cloud.reboot_instance()
    cloud.daemon.start()
    assert_own_wires(cloud, ETH0, ETH1)
    assert set(tables(cloud)) == set[IP](ETH1.addresses)


def come_to_answer(cloud: Cloud, nics: tuple[Eni, ...]) -> None:
    """Sooner or later all of them answer, both families."""
    for nic in nics:
        for address in nic.addresses:
            assert_comes_to_answer(cloud, address, nic.name, limit_s=20)
