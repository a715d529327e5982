"""A real boot without any configuration: the firmware names the cloud, metadata tells the rest."""

import time

from srcroutd.lab.topology import ETH0, ETH1, ETH2
from tests.e2e_vm import look
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.image import ETH3


def test_a_booted_instance_answers_by_each_of_its_nics(cloud: VmCloud) -> None:
    vm = cloud.vm
    look.answers_by_itself(cloud, ETH0)
    look.answers_by_itself(cloud, ETH1)
    told = look.status(vm)
    assert (told["provider"], told["in_sync"], told["trouble"]) == ("aliyun", True, "")
    # Twelve rules: six a family. The primary NIC is left alone.
    assert look.rules_by_table(vm) == {18001: 12}
    assert look.devices(vm) == {"enp2s0"}
    assert vm.run("stat -c %U /proc/$(systemctl show -P MainPID srcroutd)").strip() == "srcroutd"
    assert vm.run("dpkg --verify srcroutd") == ""


def test_a_reboot_without_metadata_restores_the_routing_from_state(cloud: VmCloud) -> None:
    vm = cloud.vm
    # In this order, so that their numbers are not what a fresh start would hand out.
    for nic in (ETH3, ETH2):
        cloud.attach(nic)
        look.wait_in_sync(cloud, *look.secondaries(cloud))
    numbers = {ETH1.id: 18001, ETH3.id: 18002, ETH2.id: 18003}
    assert look.kept(vm) == numbers
    before = (look.rules(vm), look.routes(vm, 18002), look.routes(vm, 18003))
    first_boot = vm.boot_id
    cloud.metadata.stop()

    vm.reboot()
    vm.wait_up()

    assert vm.boot_id != first_boot
    look.wait_in_sync(cloud, ETH1, ETH2, ETH3)
    assert look.kept(vm) == numbers
    told = look.status(vm)
    assert (told["read_at"], told["in_sync"]) == (None, True)
    assert "Connection refused" in told["trouble"]
    assert (look.rules(vm), look.routes(vm, 18002), look.routes(vm, 18003)) == before
    cloud.metadata.start()
    vm.run("srcroutctl reconcile")
    look.until(lambda: look.status(vm), lambda told: told["read_at"] and not told["trouble"])
    assert (look.rules(vm), look.routes(vm, 18002), look.routes(vm, 18003)) == before


def test_a_network_that_comes_late_is_routed_as_soon_as_it_comes(unbooted: VmCloud) -> None:
    """No carrier for two minutes: metadata could not be read, and the pauses between two tries have
    grown to half a minute and more.
    """
    vm = unbooted.vm
    for nic in (ETH0, ETH1):
        vm.set_carrier(nic, up=False)
    vm.wait_up()
    look.until(lambda: look.status(vm), bool)
    # Each try sends two requests, one a family; the eighth has just failed.
    look.until(lambda: look.requests_sent(vm), lambda sent: sent >= 16, 240)
    assert look.rules(vm) == []

    for nic in (ETH0, ETH1):
        vm.set_carrier(nic, up=True)
    look.until(lambda: vm.run("ip -4 -br addr show enp1s0"), lambda said: "172.16.0.10" in said)
    addressed = time.monotonic()
    look.until(lambda: look.rules_by_table(vm), lambda found: found == {18001: 12}, 120)

    assert time.monotonic() - addressed < 10
    look.wait_in_sync(unbooted, ETH1)
