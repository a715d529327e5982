"""A whole lab: an instance, a VPC router with one port per ENI, a metadata service, a client
outside.

    with Cloud.start() as cloud:
        cloud.attach(ETH1)
        cloud.daemon.start()
        cloud.client.ping(ETH1.v4[0], times=10)
        assert cloud.wire.answered_by(ETH1.v4[0]) == {"eth1": 10}

The VPC refuses what a cloud refuses: a packet that comes out of an ENI with a source that is not
that ENI's goes nowhere. Several clouds can exist at once; each ends with the process that started
it unless kept.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from srcroutd.core.net import IP
from srcroutd.lab import folder as folders
from srcroutd.lab import guests, topology
from srcroutd.lab.calls import LabError, call
from srcroutd.lab.facts import facts
from srcroutd.lab.launch import check_possible, start_holder
from srcroutd.lab.machine import Machine, Ran
from srcroutd.lab.programs import Daemon, Metadata
from srcroutd.lab.topology import ETH0, Eni
from srcroutd.lab.vpc import Vpc
from srcroutd.lab.wire import Wire

_PRIMARY_METRIC = 100


class Cloud:
    """A running lab. Make one with ``start``, or take up a kept one with ``open``.

    ``enis`` are all ENIs the VPC has, ``attached`` the instance's with their NICs' names,
    ``listed`` those that metadata tells of: all three by the ENI's name ("eth1").
    """

    def __init__(self, folder: Path, holder: "subprocess.Popen[bytes] | None" = None) -> None:
        self.folder = folder
        self.name = folder.name
        self.instance = Machine(folder, "instance")
        self.router = Machine(folder, "router")
        self.client = Machine(folder, "client")
        self.metadata = Metadata(folder, self.router)
        self.daemon = Daemon(folder, self.instance)
        self.enis: dict[str, Eni] = {}
        self.attached: dict[str, str] = {}
        self.listed: set[str] = set()
        self.token_mode = "required"  # noqa: S105 - a mode and no secret
        self._metrics: dict[str, int | None] = {}
        self._holder = holder
        self._vpc = Vpc(self.router, self._park)
        self._wire: Wire | None = None

    @classmethod
    def start(
        cls,
        enis: Iterable[Eni] = (ETH0,),
        *,
        name: str | None = None,
        base: Path | None = None,
        metadata: bool = True,
        token_mode: str = "required",  # noqa: S107 - a mode and no secret
    ) -> Self:
        """Build a cloud with these ENIs attached, the first being the primary. Raises LabError.

        The metadata service demands a token by default, as a hardened instance does.
        """
        check_possible()
        path, lock = folders.create(base or folders.base_folder(), name)
        try:
            cloud = cls(path, start_holder(path, lock))
        except BaseException:
            folders.remove(path)
            raise
        try:
            cloud.token_mode = token_mode
            cloud._build(list(enis), metadata=metadata)
        except BaseException:
            cloud.close()
            raise
        return cloud

    @classmethod
    def open(cls, name: str, base: Path | None = None) -> Self:
        """Take up a kept cloud. Raises LabError if none of that name runs."""
        path = (base or folders.base_folder()) / name
        if not folders.is_running(path):
            raise LabError(f"no lab is running in {path}; next: srcroutctl lab up")
        cloud = cls(path)
        cloud._remember(json.loads((path / "cloud.json").read_text()))
        return cloud

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def keep(self) -> None:
        """Let the cloud outlive this process; ``open`` and ``close`` are for whoever comes next."""
        self._hold("keep")

    def close(self) -> None:
        """End every process of the cloud, and with them its namespaces, and remove its folder."""
        try:
            self._hold("quit")
        except LabError:
            if self._holder:
                self._holder.kill()
        if self._holder:
            for pipe in (self._holder.stdin, self._holder.stdout):
                if pipe:
                    pipe.close()
            self._holder.wait()
        folders.remove(self.folder)

    @property
    def wire(self) -> Wire:
        """Packet counts of every cord, from the first use on; ``reset`` starts again."""
        if self._wire is None:
            self._wire = Wire(self.router)
        return self._wire

    def attach(
        self, nic: Eni, name: str | None = None, *, listed: bool = True, metric: int | None = None
    ) -> Ran:
        """Plug an ENI into the instance and configure it as a DHCP client would.

        ``listed``: metadata tells of it already. ``metric``: add a default route to main, too.
        The result's ``began`` is the time just before the kernel was told.
        """
        return self._attach({name or nic.name: nic}, listed=listed, metric=metric)

    def attach_all(self, enis: Iterable[Eni]) -> Ran:
        """Plug many ENIs in one go, as ``attach`` does one: a storm."""
        return self._attach({nic.name: nic for nic in enis}, listed=True, metric=None)

    def detach(self, nic: Eni, *, listed: bool = False) -> Ran:
        """Unplug an ENI: its NIC is gone. ``listed``: metadata still tells of it."""
        name = self.attached.pop(nic.name)
        if not listed:
            self.listed.discard(nic.name)
        self.say()
        return self._unplug({nic.name: name})

    def add_address(
        self, nic: Eni, address: IP | str, *, listed: bool = True, on_nic: bool = True
    ) -> Ran | None:
        """One more private address: routed by the VPC, told by metadata, configured on the NIC."""
        address = ip_address(address)
        grown = self.enis[nic.name].with_address(address)
        self._vpc.route(grown, address, [*self.enis.values(), grown])
        if listed:
            self.enis[nic.name] = grown
            self.say()
        if not on_nic:
            return None
        return self.instance.ip_batch(
            topology.address_lines(grown, address, self.attached[nic.name])
        )

    def remove_address(self, nic: Eni, address: IP | str, *, on_nic: bool = True) -> Ran | None:
        """Take a private address away everywhere it was."""
        address = ip_address(address)
        self.enis[nic.name] = self.enis[nic.name].without_address(address)
        self.say()
        done = None
        if on_nic:
            lines = topology.address_lines(nic, address, self.attached[nic.name], "del")
            done = self.instance.ip_batch(lines)
        self._vpc.unroute(nic, address)
        return done

    def say(self, fault: Mapping[str, Any] | None = None) -> None:
        """Have metadata tell of the listed ENIs as they are now, perhaps with a fault."""
        told = [nic for name, nic in self.enis.items() if name in self.listed]
        primary = next(iter(self.enis.values()))
        self.metadata.write(facts(told, primary, self.token_mode, fault))
        self._save()

    def reboot_instance(self) -> None:
        """Cut the instance's power and boot it again: same ENIs, same etc and state, no more."""
        self._unplug(self.attached)
        self._hold("halt", name="instance")
        for left in self.daemon.runtime_dir.iterdir():
            left.unlink()
        self._boot("instance", ecs=True)
        self._set_up_instance()
        self._plug(self.attached)

    def neighbour(self, address: IPv4Address | str) -> Machine:
        """Another host of the VPC, at ``address``, on a port of its own."""
        nic = guests.host_eni(IPv4Address(address))
        self.enis[nic.name] = nic
        self._vpc.connect([nic], self.enis.values())
        return guests.plug_host(self._boot, self._park, nic)

    def container(self, *, masquerade: bool = False) -> Machine:
        """A container at 172.17.0.2 behind a bridge docker0 of the instance."""
        container = guests.plug_container(self._boot, self._park, self.instance)
        if masquerade:
            guests.masquerade(self.instance)
        return container

    def _build(self, enis: list[Eni], *, metadata: bool) -> None:
        self._boot("router")
        self._boot("client")
        self._vpc.build(self.client)
        self.enis = {nic.name: nic for nic in enis}
        self.listed = set(self.enis)
        self.attached = {nic.name: nic.name for nic in enis}
        self._metrics = {
            nic.name: None if index else _PRIMARY_METRIC for index, nic in enumerate(enis)
        }
        self.say()
        if metadata:
            self.metadata.start(wait=False)
        self._boot("instance", ecs=True)
        self._set_up_instance()
        self._vpc.connect(enis, enis)
        self._plug(self.attached)
        if metadata:
            self.metadata.wait()

    def _boot(self, name: str, *, ecs: bool = False) -> Machine:
        self._hold("boot", name=name, ecs=ecs)
        machine = Machine(self.folder, name)
        machine.forget_host()
        return machine

    def _set_up_instance(self) -> None:
        self.instance.ip_batch(["link set lo up"])
        self.instance.echo()

    def _attach(self, nics: Mapping[str, Eni], *, listed: bool, metric: int | None) -> Ran:
        for nic in nics.values():
            if nic.name in self.attached:
                raise LabError(f"{nic.name} is attached")
            if self.enis.get(nic.name, nic) != nic:
                raise LabError(f"another {nic.name} is in this cloud already")
        fresh = [nic for nic in nics.values() if nic.name not in self.enis]
        self.enis |= {nic.name: nic for nic in fresh}
        if fresh:
            self._vpc.connect(fresh, self.enis.values())
        plugged = {nic.name: name for name, nic in nics.items()}
        self.attached |= plugged
        self._metrics |= dict.fromkeys(plugged, metric)
        if listed:
            self.listed |= plugged.keys()
        self.say()
        return self._plug(plugged)

    def _plug(self, names: Mapping[str, str]) -> Ran:
        """Plug parked ENIs in under these names, all in one call, and configure them in another."""
        nics = [(self.enis[eni], name) for eni, name in names.items()]
        plugs = [topology.attach_line(nic, "instance", name) for nic, name in nics]
        began = self._park(plugs)["began"]
        lines = [
            line
            for nic, name in nics
            for line in topology.configure_lines(nic, name, self._metrics[nic.name])
        ]
        return replace(self.instance.ip_batch(lines), began=began)

    def _unplug(self, names: Mapping[str, str]) -> Ran:
        lines = [topology.detach_line(self.enis[eni], name) for eni, name in names.items()]
        done = self._hold("ip", lines=lines, netns="instance")
        return Ran(0, "", "", done["began"], done["ended"])

    def _park(self, lines: Sequence[str]) -> dict[str, Any]:
        """``ip`` beside the holder, where the NICs of detached ENIs lie."""
        return self._hold("ip", lines=list(lines))

    def _hold(self, verb: str, **words: Any) -> dict[str, Any]:
        return call(self.folder / "holder.sock", {"do": verb, **words})

    def _save(self) -> None:
        """Leave for ``open`` what cannot be seen from the running lab."""
        told = {
            "enis": [topology.eni_to_json(nic) for nic in self.enis.values()],
            "attached": self.attached,
            "listed": sorted(self.listed),
            "metrics": self._metrics,
            "token_mode": self.token_mode,
        }
        (self.folder / "cloud.json").write_text(json.dumps(told, indent=1))

    def _remember(self, told: dict[str, Any]) -> None:
        self.enis = {nic.name: nic for nic in map(topology.eni_from_json, told["enis"])}
        self.attached = told["attached"]
        self.listed = set(told["listed"])
        self._metrics = told["metrics"]
        self.token_mode = told["token_mode"]
