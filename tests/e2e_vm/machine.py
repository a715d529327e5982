"""A virtual machine of qemu's, seen from outside: power, PCI slots, disk, and scripts inside.

    vm = Vm(host, folder, image)
    vm.power_on({1: ETH0, 2: ETH1})
    vm.run("srcroutctl")
    vm.plug(3, ETH2)

qemu emulates the processor too (TCG): nothing is needed of the host's, and everything takes ten
times as long. It runs inside a machine of the lab, whose network has nothing but the lab's cords,
and ends with it. A slot is a PCI Express root port; the machine's udev renames the NIC in slot 3 to
enp3s0.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import Eni
from tests.e2e_vm.image import Image
from tests.e2e_vm.talk import Agent, Qmp, Said, Silent

BOOT_S = 240.0
"""Generous: the emulated boot takes 15 s on an idle machine."""
SLOTS = range(1, 9)
_UNPLUG_S = 60.0
_QEMU = """
    qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024
    -no-user-config -nodefaults -display none -rtc base=utc
    -action reboot=shutdown -device nvme,serial=e2e,drive=disk
""".split()
_KERNEL = "root=/dev/nvme0n1 rootwait rw console=ttyS0 quiet audit=0 mitigations=off"
# What a real instance says of itself: this is how provider "auto" knows the cloud.
_DMI = "type=1,manufacturer=Alibaba Cloud,product=Alibaba Cloud ECS"


def tap(nic: Eni) -> str:
    """The host's end of the NIC's wire."""
    return f"tap{nic.number}"


class Vm:
    """One machine with a disk of its own; it may be switched off and on."""

    def __init__(self, host: Machine, folder: Path, image: Image) -> None:
        self._host = host
        self._folder = folder
        self._image = image
        self._disk = folder / "disk.qcow2"
        self._slots: dict[int, Eni] = {}
        self._qmp: Qmp | None = None
        self._agent: Agent | None = None
        self.boot_id = ""
        what = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk)]
        subprocess.run([*what, str(self._disk)], check=True, timeout=60)

    @property
    def qmp(self) -> Qmp:
        """Orders to qemu. Raises Silent while the power is off."""
        if self._qmp is None:
            raise Silent("the machine is switched off")
        return self._qmp

    @property
    def agent(self) -> Agent:
        """The agent inside. Raises Silent while the power is off."""
        if self._agent is None:
            raise Silent("the machine is switched off")
        return self._agent

    @property
    def slots(self) -> Mapping[int, Eni]:
        """Which ENI is in which slot."""
        return dict(self._slots)

    def power_on(self, nics: Mapping[int, Eni] | None = None) -> float:
        """Start with these ENIs plugged in, by default those of the last time; when it was
        (time.monotonic).
        """
        self._slots = dict(nics if nics is not None else self._slots)
        for name in ("qmp", "agent"):
            self._path(name).unlink(missing_ok=True)
        asked = {"do": "spawn", "name": "qemu", "argv": self._command()}
        began: float = self._host.ask(asked)["began"]
        self._qmp, self._agent = Qmp(self._path("qmp")), Agent(self._path("agent"))
        return began

    def wait_up(self) -> None:
        """Wait until the agent of this boot listens. Raises Silent with the last of the console."""
        try:
            self.boot_id = self.agent.hello(BOOT_S)
        except Silent as error:
            raise Silent(f"{error}; the console's last words:\n{self.console()[-3000:]}") from None

    def cut_power(self) -> None:
        """No warning, no flush: qemu gets SIGKILL. What it had not written is gone."""
        self._host.ask({"do": "signal", "name": "qemu", "signal": int(signal.SIGKILL)})
        self._host.ask({"do": "wait", "name": "qemu"})
        self._hang_up()

    def reboot(self) -> float:
        """In good order, from inside, the slots as they are; when qemu started again."""
        self.agent.begin("systemctl --no-block reboot")
        self._host.ask({"do": "wait", "name": "qemu", "timeout_s": BOOT_S}, BOOT_S + 10)
        self._hang_up()
        return self.power_on()

    def plug(self, slot: int, nic: Eni) -> float:
        """Put an ENI into a slot of the running machine; when it was."""
        began = time.monotonic()
        self.qmp.do("netdev_add", **_netdev(nic))
        self.qmp.do("device_add", **_device(slot, nic))
        self._slots[slot] = nic
        return began

    def unplug(self, nic: Eni) -> float:
        """Take an ENI out; when that was asked. The guest's kernel has let go when this returns."""
        began = time.monotonic()
        self.qmp.do("device_del", id=f"nic{nic.number}")
        self.qmp.wait("DEVICE_DELETED", _UNPLUG_S, device=f"nic{nic.number}")
        self.qmp.do("netdev_del", id=f"net{nic.number}")
        self._slots = {slot: one for slot, one in self._slots.items() if one != nic}
        return began

    def set_carrier(self, nic: Eni, *, up: bool) -> None:
        """Pull the NIC's cable or plug it in again."""
        self.qmp.do("set_link", name=f"nic{nic.number}", up=up)

    def slow_down_writes(self, per_second: int) -> None:
        """Let the disk take so many writes a second; 0 is no limit."""
        names = ("bps", "bps_rd", "bps_wr", "iops", "iops_rd")
        limits = dict.fromkeys(names, 0) | {"iops_wr": per_second}
        self.qmp.do("block_set_io_throttle", device="disk", **limits)

    def run(self, script: str, *, check: bool = True, timeout_s: float = 60) -> str:
        """Run a shell script inside; what it said. If ``check``, it must not fail."""
        said = self.said(script, timeout_s)
        assert not (check and said.code), f"{script}\nended with {said.code}:\n{said.out}"
        return said.out

    def said(self, script: str, timeout_s: float = 60) -> Said:
        """The same with times and exit code."""
        return self.agent.end(self.agent.begin(script, timeout_s), timeout_s)

    def json(self, script: str, timeout_s: float = 60) -> Any:
        """What a command says, decoded."""
        return json.loads(self.run(script, timeout_s=timeout_s) or "[]")

    def clock_offset_s(self) -> float:
        """What to add to a time of the machine's clock to have time.monotonic() out here."""
        best = None
        for _ in range(5):
            before = time.monotonic()
            said = self.said(":")
            after = time.monotonic()
            if best is None or after - before < best[0]:
                best = (after - before, (before + after - said.began - said.ended) / 2)
        assert best
        return best[1]

    def console(self) -> str:
        """What the kernel and systemd wrote to the console."""
        with contextlib.suppress(FileNotFoundError):
            return self._path("console").read_text(errors="replace")
        return ""

    def _hang_up(self) -> None:
        for line in (self._qmp, self._agent):
            if line:
                line.close()
        self._qmp = self._agent = None

    def _path(self, name: str) -> Path:
        return self._folder / f"vm-{name}"

    def _command(self) -> list[str]:
        """The qcow2 overlay keeps new metadata in qemu's memory until the guest flushes, as a disk
        with a volatile cache does: a killed qemu loses what was written and not flushed, and
        nothing else (cache=writeback honours flushes; unsafe would not).
        """
        command = [*_QEMU, "-smbios", _DMI]
        command += ["-kernel", str(self._image.kernel), "-append", _KERNEL]
        disk = f"if=none,id=disk,format=qcow2,file={self._disk},cache=writeback,discard=unmap"
        command += ["-drive", disk]
        command += ["-serial", f"file:{self._path('console')}"]
        command += ["-serial", f"unix:{self._path('agent')},server=on,wait=off"]
        command += ["-qmp", f"unix:{self._path('qmp')},server=on,wait=off"]
        for slot in SLOTS:
            command += ["-device", f"pcie-root-port,id=slot{slot},chassis={slot},slot={slot}"]
        for slot, nic in self._slots.items():
            command += ["-netdev", _words(_netdev(nic)), "-device", _words(_device(slot, nic))]
        return command


def _netdev(nic: Eni) -> dict[str, str]:
    named = {"ifname": tap(nic), "script": "no", "downscript": "no"}
    return {"type": "tap", "id": f"net{nic.number}", **named}


def _device(slot: int, nic: Eni) -> dict[str, str]:
    where = {"bus": f"slot{slot}", "netdev": f"net{nic.number}", "mac": nic.mac}
    return {"driver": "virtio-net-pci", "id": f"nic{nic.number}", "romfile": "", **where}


def _words(options: Mapping[str, str]) -> str:
    """Options of the command line; its first word names the kind and has no key."""
    (_, kind), *rest = options.items()
    return ",".join([kind, *(f"{key}={value}" for key, value in rest)])
