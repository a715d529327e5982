"""What the machine's kernel announced, and when: ``ip -ts monitor`` inside, read out here.

Its times are the machine's clock; with the offset between the clocks they are time.monotonic().
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.e2e_vm.machine import Vm

_LOG = "/run/watch.log"
_START = f"""
    systemd-run -q --unit=watch -p StandardOutput=truncate:{_LOG} \\
        ip -ts -o monitor link address rule
    pid=$(systemctl show -P MainPID watch.service)
    until grep -q "^[0-9a-f]* 0 *$pid " /proc/net/netlink; do sleep 0.05; done
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One announcement in the words of ``ip``; ``at`` is time.monotonic() of the host."""

    at: float
    words: str

    @property
    def deleted(self) -> bool:
        """Whether something went away."""
        return self.words.startswith("Deleted ")

    @property
    def is_rule(self) -> bool:
        """Whether it tells of a rule of ours."""
        return self.words.removeprefix("Deleted ").startswith("18")


class Watch:
    """Announcements since its making."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        vm.run("systemctl stop watch.service 2>/dev/null || :")
        vm.run(_START)
        self._offset_s = vm.clock_offset_s()

    def events(self) -> list[Event]:
        """All of them so far, in order."""
        lines = self._vm.run(f"cat {_LOG}").splitlines()
        return [self._event(line) for line in lines if line.startswith("[")]

    def first(self, holds: Callable[[str], bool]) -> float:
        """When it was first announced that this holds. Fails the test if it was not."""
        found = [event.at for event in self.events() if holds(event.words)]
        assert found, "\n".join(event.words for event in self.events())
        return found[0]

    def _event(self, line: str) -> Event:
        stamp, _, words = line[1:].partition("] ")
        at = datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()
        return Event(at + self._offset_s, words)
