"""A machine with a real systemd inside the lab's cloud: VPC router with source check, metadata,
client.

    with Cloud.start(machine, [ETH0, ETH1]) as cloud:
        cloud.boot()
        cloud.attach(ETH2)
        cloud.reboot()

The machine takes the place of the lab's instance: both are in one network namespace, in which the
lab's own process goes on echoing what the client sends. A reboot gives it a fresh namespace, so
that nothing of the kernel's state survives. What is fake: the cloud is the lab's; the machine has
no firmware that calls itself an ECS instance (this kernel's /sys is everybody's), so the provider
has to be named in the configuration.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from srcroutd.lab import topology
from srcroutd.lab.cloud import Cloud as Lab
from srcroutd.lab.machine import Machine as LabMachine
from srcroutd.lab.machine import Ran, Stream
from srcroutd.lab.topology import ETH0, ETH1, Eni
from srcroutd.lab.wire import Wire
from tests.e2e.machine import Machine

CONFIGURATION = 'provider = "aliyun"\n'


class _BareLab(Lab):
    """A lab that plugs NICs in and configures nothing: that is left to whoever runs inside."""

    def _plug(self, names: Mapping[str, str]) -> Ran:
        lines = [
            topology.attach_line(self.enis[one], "instance", as_) for one, as_ in names.items()
        ]
        done = self._park(lines)
        return Ran(0, "", "", done["began"], done["ended"])


class Cloud:
    """One cloud around one machine. ``lab`` has all that the lab can do besides."""

    def __init__(self, lab: Lab, machine: Machine) -> None:
        self.lab = lab
        self.machine = machine

    @classmethod
    def start(
        cls,
        machine: Machine,
        enis: Iterable[Eni] = (ETH0, ETH1),
        *,
        base: Path | None = None,
        configured: bool = True,
        metadata: bool = True,
    ) -> Self:
        """Build the cloud around a machine that is off.

        ``configured``: the lab gives each NIC its addresses, and the first one a default route,
        before the machine boots or when it is plugged in; else the machine's own network service
        has to.
        """
        folder = base or Path(tempfile.mkdtemp(prefix="e2e-lab-"))
        kind = Lab if configured else _BareLab
        return cls(kind.start(enis, base=folder, metadata=metadata), machine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the machine, then the lab."""
        self.machine.kill()
        self.lab.close()

    @property
    def client(self) -> LabMachine:
        """Whoever is outside the VPC and asks the machine something."""
        return self.lab.client

    @property
    def instance(self) -> LabMachine:
        """The machine's network namespace, seen by this computer's own tools: ``ip``, probes,
        sysctls.
        """
        return self.lab.instance

    @property
    def wire(self) -> Wire:
        """The count of packets on each ENI's cord."""
        return self.lab.wire

    def boot(self, *, wait: bool = True) -> None:
        """Switch the machine on."""
        self.machine.boot(Path(f"/proc/{self.lab.instance.pid}/ns/net"), wait=wait)

    def reboot(self, *, wait: bool = True) -> None:
        """Reboot in good order: same disk and ENIs, nothing else."""
        self.machine.reboot()
        self.lab.reboot_instance()
        self.boot(wait=wait)

    def power_cut(self, *, wait: bool = True) -> None:
        """Cut the power and boot again."""
        self.machine.kill()
        self.lab.reboot_instance()
        self.boot(wait=wait)

    def attach(self, nic: Eni, **how: Any) -> Ran:
        """Hot-plug an ENI; ``how`` as the lab's ``attach``: name, listed, metric."""
        return self.lab.attach(nic, **how)

    def detach(self, nic: Eni, *, listed: bool = False) -> Ran:
        """Unplug an ENI."""
        return self.lab.detach(nic, listed=listed)

    def kill_metadata(self) -> None:
        """From now on the metadata service is dead: connections are refused."""
        self.lab.metadata.stop()

    def revive_metadata(self) -> None:
        """Let the metadata service come to life again."""
        self.lab.metadata.start()

    def ask(self, nic: Eni, times: int = 10) -> tuple[Stream, dict[str, int]]:
        """The client pings the NIC's first address: what came back, and by which NICs it left."""
        self.wire.reset()
        stream = self.client.ping(nic.v4[0], times=times)
        return stream, self.wire.answered_by(nic.v4[0])

    def first_answer(self, nic: Eni, limit_s: float = 15) -> float | None:
        """When, by time.monotonic(), the NIC's first address first answered the client; None:
        never.
        """
        return self.client.until_answered(nic.v4[0], limit_s=limit_s).first_at
