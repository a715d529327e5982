"""Real PCI hot-plug: the kernel calls the NIC eth0, udev renames it, networkd gets its address."""

import time

from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e_vm import look
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.image import ETH3
from tests.e2e_vm.watch import Watch

MANY = [f"172.16.1.{host}" for host in range(30, 230)]
"""More addresses than one send of the daemon holds, in the subnet of eth2."""
_STOP = "kill -STOP $(systemctl show -P MainPID srcroutd)"
_GO_ON = "kill -CONT $(systemctl show -P MainPID srcroutd)"


def test_a_hot_plugged_nic_is_routed_under_the_name_that_udev_gives_it(cloud: VmCloud) -> None:
    vm = cloud.vm
    watch = Watch(vm)
    live = cloud.client.begin(ETH1.v4[0], every_ms=50, times=600, limit_s=120)

    cloud.attach(ETH2)

    look.wait_in_sync(cloud, ETH1, ETH2)
    heard = watch.events()
    names = {event.words.split()[1].rstrip(":") for event in heard if ETH2.mac in event.words}
    assert names == {"eth0", "enp3s0"}, "udev did not rename it: this proves nothing"
    assert look.links(vm)[ETH2.mac] == "enp3s0"
    assert look.devices(vm) == {"enp2s0", "enp3s0"}
    assert not [event for event in heard if event.is_rule and "eth0" in event.words]
    assert look.kept(vm) == {ETH1.id: 18001, ETH2.id: 18002}

    cloud.detach(ETH2)

    look.until(lambda: look.rules_by_table(vm), lambda found: found == {18001: 12})
    look.until(lambda: look.routes(vm, 18002), lambda found: not found)
    look.wait_in_sync(cloud, ETH1)
    assert live.result().lost == 0, live.result()


def test_two_nics_at_once_keep_their_numbers_when_plugged_in_the_other_order(
    cloud: VmCloud,
) -> None:
    vm = cloud.vm
    cloud.attach_to({3: ETH2, 4: ETH3})
    look.wait_in_sync(cloud, ETH1, ETH2, ETH3)
    numbers = look.kept(vm)
    assert sorted(numbers.values()) == [18001, 18002, 18003]
    for nic in (ETH2, ETH3):
        cloud.detach(nic)
    look.wait_in_sync(cloud, ETH1)
    assert look.rules_by_table(vm) == {18001: 12}

    cloud.attach_to({3: ETH3, 5: ETH2})

    look.wait_in_sync(cloud, ETH1, ETH2, ETH3)
    assert look.links(vm)[ETH3.mac] == "enp3s0", (
        "the NICs did not change places: this proves nothing"
    )
    assert look.kept(vm) == numbers
    assert [look.table_of(vm, nic) for nic in (ETH1, ETH2, ETH3)] == [
        numbers[nic.id] for nic in (ETH1, ETH2, ETH3)
    ]


def test_a_nic_that_goes_in_the_middle_of_a_round_leaves_nothing_behind(cloud: VmCloud) -> None:
    vm = cloud.vm
    cloud.attach(ETH2)
    look.wait_in_sync(cloud, ETH1, ETH2)
    # All addresses come in one go for the daemon, which is stopped after its first words.
    lines = "\n".join(f"addr add {address}/24 dev enp3s0" for address in MANY)
    vm.run(f"{_STOP}; ip -batch - <<'X'\n{lines}\nX")
    vm.run(f"""
        systemd-run -q --unit=freeze -p StandardOutput=truncate:/run/freeze.log \\
            python3 /opt/e2e/freeze.py $(systemctl show -P MainPID srcroutd)
        until grep -q ready /run/freeze.log; do sleep 0.1; done
        {_GO_ON}
        until grep -q frozen /run/freeze.log; do sleep 0.1; done
    """)
    made = look.rules_by_table(vm)[18002]
    assert 12 < made < 12 + 3 * len(MANY), "not the middle of a round: this proves nothing"

    cloud.detach(ETH2)
    assert ETH2.mac not in look.links(vm)
    vm.run(_GO_ON)

    look.until(lambda: look.rules_by_table(vm), lambda found: found == {18001: 12})
    look.until(lambda: look.routes(vm, 18002), lambda found: not found)
    look.wait_in_sync(cloud, ETH1)
    cloud.attach(ETH2)
    look.wait_in_sync(cloud, ETH1, ETH2)
    assert look.kept(vm) == {ETH1.id: 18001, ETH2.id: 18002}
    # Long enough for a daemon that is caught in something to be caught by its watchdog, too.
    time.sleep(5)
