"""The harness itself: what a test of this tier relies on."""

import subprocess
import sys
from pathlib import Path

import pytest

from srcroutd.lab.topology import ETH0, ETH1, ETH2
from tests.e2e.conftest import Layers, NewMachine, StartCloud
from tests.e2e.expect import until
from tests.e2e.machine import MachineError
from tests.e2e.roots import PROJECT

BOOT = """
import sys, time
from pathlib import Path
from srcroutd.lab.topology import ETH0
from tests.e2e.cloud import Cloud
from tests.e2e.machine import Machine
folder, base = Path(sys.argv[1]), Path(sys.argv[2])
machine = Machine([Path(word) for word in sys.argv[3:]], folder)
cloud = Cloud.start(machine, [ETH0], base=base, metadata=False)
cloud.boot()
print(machine.pid, machine.name, flush=True)
time.sleep(600)
"""


def test_a_reboot_keeps_the_disk_and_nothing_of_the_kernel(
    start_cloud: StartCloud, installed: Layers
) -> None:
    cloud = start_cloud(installed)
    cloud.boot()
    machine = cloud.machine
    machine.write("/etc/kept", "yes\n")
    machine.write("/run/gone", "yes\n")
    machine.run("ip rule add priority 555 lookup 555")
    first = machine.run("cat /proc/sys/kernel/random/boot_id")

    cloud.reboot()

    assert machine.run("cat /etc/kept") == "yes\n"
    assert machine.attempt("test -e /run/gone").code == 1
    assert "555:" not in machine.run("ip rule")
    assert machine.run("cat /proc/sys/kernel/random/boot_id") != first


def test_udev_sees_the_machines_own_nics_and_no_others(
    start_cloud: StartCloud, installed: Layers
) -> None:
    cloud = start_cloud(installed)
    cloud.boot()
    cloud.attach(ETH2)
    cloud.machine.run("udevadm settle")
    names = sorted(cloud.machine.run("ls /sys/class/net").split())
    assert names == ["eth0", "eth1", "eth2", "lo"]
    for nic in (ETH0, ETH1, ETH2):
        assert "USEC_INITIALIZED" in cloud.machine.run(f"udevadm info /sys/class/net/{nic.name}")


def test_a_command_that_fails_fails_loudly(start_cloud: StartCloud, installed: Layers) -> None:
    cloud = start_cloud(installed, metadata=False)
    cloud.boot()
    with pytest.raises(MachineError, match="exit 3: echo why >&2; exit 3\nwhy"):
        cloud.machine.run("echo why >&2; exit 3")
    with pytest.raises(MachineError, match="not done after 1 s: sleep 30"):
        cloud.machine.run("sleep 30", timeout_s=1)


def test_a_machine_ends_with_whoever_booted_it(
    new_machine: NewMachine, scratch: Path, installed: Layers
) -> None:
    folder = new_machine(installed).folder
    command: list[str | Path] = [sys.executable, "-c", BOOT, folder, scratch / "labs", *installed]
    booted = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    with booted:
        assert booted.stdout
        pid, name = booted.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        booted.kill()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the machine's process 1 has gone", 10)
    script = Path(__file__).parent / "sweep.sh"
    sweep: list[str | Path] = ["unshare", "--mount", script, folder, name]
    subprocess.run(sweep, check=True, timeout=30)
