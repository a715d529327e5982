"""How long the virtual machine's story takes: one run of it, every figure in seconds.

Times are read where they are made: qemu's order out here, the kernel's announcements inside
(brought to the host's clock), the first reply at the client, who asks every few milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e_vm import look
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.watch import Event, Watch

ROUNDS = 5
_LIMIT_S = 300.0
_JOURNAL = "journalctl -b -o short-unix --no-pager"
_MOMENTS = {
    "systemd starts srcroutd": f"{_JOURNAL} -u srcroutd | grep Starting | head -1 | cut -d' ' -f1",
    "its IPv4 rules stand": f"{_JOURNAL} -u srcroutd | grep '+ ip rule' | tail -1 | cut -d' ' -f1",
}
"""Each gives a time of the machine's clock."""


@dataclass(slots=True)
class Story:
    """What was measured: each line of the table by its name, in the order of the story."""

    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """One figure more for this line."""
        self.figures.setdefault(name, []).append(seconds)

    def rows(self) -> Iterator[tuple[str, int, str, str]]:
        """Name, how often it was measured, the median, and from where to where."""
        for name, seen in self.figures.items():
            span = f"{min(seen):.2f}-{max(seen):.2f}" if len(seen) > 1 else ""
            yield name, len(seen), f"{median(seen):.2f}", span


def boot(cloud: VmCloud, story: Story, switched_on: float) -> None:
    """A cold boot with metadata alive."""
    _boot_times(cloud, story, "cold boot", switched_on)


def hot_plug(cloud: VmCloud, story: Story) -> None:
    """Attach and detach, some rounds."""
    watch = Watch(cloud.vm)
    for _ in range(ROUNDS):
        waiting = cloud.client.begin(ETH2.v4[0], every_ms=5, first=True, limit_s=_LIMIT_S)
        began = cloud.attach(ETH2).began
        replied = waiting.result().first_at
        assert replied, "eth2 never answered"
        look.wait_in_sync(cloud, ETH1, ETH2)
        seen = [event for event in watch.events() if event.at > began]
        addressed, routed = _first(seen, f"inet {ETH2.v4[0]}/"), _last(seen, f"from {ETH2.v4[0]}")
        story.add("device_add to link visible", _first(seen, ETH2.mac) - began)
        story.add("device_add to renamed by udev", _first(seen, "enp3s0: ") - began)
        story.add("device_add to IPv4 address, by DHCP", addressed - began)
        story.add("device_add to IPv4 rules in the kernel", routed - began)
        story.add("device_add to first reply out of it", replied - began)
        story.add("IPv4 address to IPv4 rules", routed - addressed)
        story.add(
            "device_add to IPv6 rules in the kernel", _last(seen, f"from {ETH2.v6[0]}") - began
        )

        began = cloud.detach(ETH2).began
        look.until(lambda: look.rules_by_table(cloud.vm), lambda found: found == {18001: 12})
        gone = [event for event in watch.events() if event.at > began and event.deleted]
        story.add("device_del to link gone", _first(gone, ETH2.mac) - began)
        story.add("device_del to all rules gone", _last(gone, "lookup") - began)


def reboot(cloud: VmCloud, story: Story) -> None:
    """A reboot with metadata dead: routing comes from the state directory."""
    cloud.metadata.stop()
    _boot_times(cloud, story, "reboot, metadata dead", cloud.vm.reboot())
    cloud.metadata.start()


def power_cut(cloud: VmCloud, story: Story) -> None:
    """The plug is pulled and put in again."""
    cloud.vm.cut_power()
    _boot_times(cloud, story, "boot after a power cut", cloud.vm.power_on())


def _boot_times(cloud: VmCloud, story: Story, which: str, switched_on: float) -> None:
    """No first reply here: an eth1 that has its lease before eth0 answers without any routing."""
    vm = cloud.vm
    vm.wait_up()
    look.wait_in_sync(cloud, ETH1)
    offset_s = vm.clock_offset_s()
    for what, ask in _MOMENTS.items():
        story.add(f"{which}: power on to {what}", float(vm.run(ask)) + offset_s - switched_on)


def _first(events: list[Event], words: str) -> float:
    return next(event.at for event in events if words in event.words)


def _last(events: list[Event], words: str) -> float:
    return [event.at for event in events if words in event.words][-1]
