"""The lab's cloud around a virtual machine: its ENIs come out of the machine as real PCI devices.

    with VmCloud.start([ETH0, ETH1]) as cloud:
        cloud.switch_on(image())
        cloud.attach(ETH2)

Router with source check, metadata service and client are those of srcroutd.lab; so are the verbs.
The lab's machine "instance" is the hypervisor here: qemu runs in it, and each ENI's cord ends in a
bridge of two, the other being qemu's tap. A DHCP server on the router hands out what the VPC says.
"""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Ran
from srcroutd.lab.topology import CLIENT_PORT, Eni
from tests.e2e_vm.image import ENIS, Image
from tests.e2e_vm.machine import SLOTS, Vm, tap

_LEASE = "1h"


class VmCloud(Cloud):
    """A cloud whose instance is a virtual machine. ``vm`` is there after ``switch_on``."""

    def __init__(self, folder: Path, holder: "subprocess.Popen[bytes] | None" = None) -> None:
        super().__init__(folder, holder)
        self.vm: Vm
        self._corded: set[str] = set()
        self._to_slot: dict[str, int] = {}

    def switch_on(self, image: Image) -> float:
        """Start the DHCP server and the machine with what is attached in it; when that was."""
        self.router.ask({"do": "spawn", "name": "dhcp", "argv": _dhcp_command()})
        self.vm = Vm(self.instance, self.folder, image)
        attached = [self.enis[name] for name in self.attached]
        return self.vm.power_on(dict(zip(SLOTS, attached, strict=False)))

    def attach_to(self, slots: Mapping[int, Eni], *, listed: bool = True) -> Ran:
        """Plug ENIs into these slots of the running machine, one right after the other."""
        self._to_slot = {nic.name: slot for slot, nic in slots.items()}
        named = {nic.name: nic for nic in slots.values()}
        return self._attach(named, listed=listed, metric=None)

    def _set_up_instance(self) -> None:
        # The hypervisor's own IPv6 would chatter on every cord.
        quiet = {f"net/ipv6/conf/{which}/disable_ipv6": "1" for which in ("all", "default")}
        self.instance.sysctl(quiet)
        self.instance.ip_batch(["link set lo up"])

    def _plug(self, names: Mapping[str, str]) -> Ran:
        self._cord([self.enis[name] for name in names])
        began = time.monotonic()
        if hasattr(self, "vm"):
            free = iter(slot for slot in SLOTS if slot not in self.vm.slots)
            for name in names:
                slot = self._to_slot.pop(name, None) or next(free)
                self.vm.plug(slot, self.enis[name])
        return Ran(0, "", "", began, time.monotonic())

    def _unplug(self, names: Mapping[str, str]) -> Ran:
        began = [self.vm.unplug(self.enis[name]) for name in names]
        return Ran(0, "", "", began[0], time.monotonic())

    def _cord(self, nics: list[Eni]) -> None:
        """Lead each ENI's cord to a tap. The MAC is the machine's NIC's alone from now on."""
        fresh = [nic for nic in nics if nic.name not in self._corded]
        self._corded |= {nic.name for nic in fresh}
        self._park([f"link set {nic.parked} netns instance name cord{nic.number}" for nic in fresh])
        for nic in fresh:
            bridge, cord = f"bridge{nic.number}", f"cord{nic.number}"
            self.instance.ip_batch(
                [
                    f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
                    f"tuntap add dev {tap(nic)} mode tap",
                    f"link set {cord} address 02:00:00:00:00:{nic.number:02x} master {bridge} up",
                    f"link set {tap(nic)} master {bridge} up",
                    f"link set {bridge} up",
                ]
            )


def _dhcp_command() -> list[str]:
    """The DHCP server is dnsmasq. The router's ports have host addresses, hence the ranges: they
    say which subnet a port is in.
    """
    options = "no-daemon no-hosts no-resolv no-ping leasefile-ro dhcp-authoritative".split()
    command = ["dnsmasq", "--conf-file=/dev/null", *(f"--{option}" for option in options)]
    command += ["--port=0", "--user=root", "--pid-file=", f"--except-interface={CLIENT_PORT}"]
    for subnet in sorted({nic.vswitch.v4 for nic in ENIS}):
        command.append(f"--dhcp-range={subnet[0]},static,{subnet.netmask},{_LEASE}")
    command += [f"--dhcp-host={nic.mac},{nic.v4[0]}" for nic in ENIS]
    return command
