"""A power cut while the daemon writes its state: the next boot has the state of before or of after.

qemu gets SIGKILL. The disk is an ext4 with a journal in a qcow2 overlay, which behaves like a disk
with a volatile cache: what the guest had not flushed is lost. It takes one write a second while the
daemon writes, so that the cut is certain to come in the middle.
"""

import pytest

from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e_vm import look
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.image import ETH3, ETH4

_STATE = "/var/lib/srcroutd"
_MOMENTS = {
    "while numbers.json is written": """
        until [ -e numbers.new ]; do :; done
    """,
    "right after numbers.json was replaced": """
        until [ -e numbers.new ]; do :; done
        while [ -e numbers.new ]; do :; done
    """,
    "while inventory.json is written": """
        until [ -e inventory.new ]; do :; done
    """,
}


@pytest.mark.parametrize("moment", _MOMENTS.values(), ids=_MOMENTS)
def test_a_power_cut_during_a_write_costs_no_number_and_no_routing(
    cloud: VmCloud, moment: str
) -> None:
    vm = cloud.vm
    # In this order, so that their numbers are not what a fresh start would hand out.
    for nic in (ETH3, ETH2):
        cloud.attach(nic)
        look.wait_in_sync(cloud, *look.secondaries(cloud))
    numbers = {ETH1.id: 18001, ETH3.id: 18002, ETH2.id: 18003}
    assert look.kept(vm) == numbers
    vm.run("echo flushed >/root/kept; sync")
    waiting = vm.agent.begin(f"cd {_STATE}; {moment} echo only written >/root/lost", 120)
    vm.slow_down_writes(1)

    cloud.attach(ETH4)
    assert vm.agent.end(waiting, 120).code == 0
    vm.cut_power()
    cloud.metadata.stop()
    vm.power_on()
    vm.wait_up()

    assert "recovery complete" in vm.run("dmesg"), "no journal was replayed: this was no power cut"
    kept = vm.run("cat /root/kept; cat /root/lost 2>/dev/null || :")
    assert kept.startswith("flushed\n")
    assert "only written" not in kept, "what was not flushed survived: this was no power cut"
    # Nobody answers for metadata: what stands comes from the state directory.
    look.until(lambda: look.kept(vm).items() >= numbers.items(), bool)
    for nic in (ETH1, ETH2, ETH3):
        look.answers_by_itself(cloud, nic)
    assert "it is not used" not in look.journal(vm)
    cloud.metadata.start()
    vm.run("srcroutctl reconcile")
    look.wait_in_sync(cloud, ETH1, ETH2, ETH3, ETH4)
    assert look.kept(vm) == {**numbers, ETH4.id: 18004}
    assert vm.run(f"ls {_STATE}").split() == ["inventory.json", "numbers.json"]
