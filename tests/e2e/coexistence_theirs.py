"""What is a neighbour's and not ours, as text: rules, routes and addresses, its tools' words, its
complaints.

The same event on a machine without srcroutd has to leave the same text.
"""

import re
from collections.abc import Iterable

from tests.e2e.cloud import Cloud
from tests.e2e.machine import Machine
from tests.e2e.neighbour_docker import reach
from tests.e2e.neighbours import Neighbour

_DUMP = """
for family in -4 -6; do
    echo "ip $family rule"; ip -d $family rule
    echo "ip $family route"; ip -d $family route show table all | LC_ALL=C sort
    echo "ip $family address"; ip -o $family address | LC_ALL=C sort
done
"""
_OURS = re.compile(r"proto (83|srcroutd)\b")
_PASSING = re.compile(
    # How long a lease still lasts, the peer's index, the order of the links.
    r"\b(expires|valid_lft|preferred_lft) \S+|@if\d+|^\d+: (?=\w+ +inet)|\\ *"
)
_NUMBERS = re.compile(r"\d+")


def standing(machine: Machine) -> list[str]:
    """All rules, routes and addresses that are not ours. Rules of one priority in no order."""
    lines = [
        " ".join(_PASSING.sub(" ", line).split())
        for line in machine.run(_DUMP).splitlines()
        if not _OURS.search(line)
    ]
    rules: dict[str, list[str]] = {}
    kind = ""
    for line in lines:
        kind = line if line.startswith("ip ") else kind
        rules.setdefault(kind, []).append(line)
    return [f"{kind}: {line}" for kind, found in rules.items() for line in sorted(found[1:])]


def tools(cloud: Cloud, neighbour: Neighbour) -> list[str]:
    """What the neighbour's own tools say of it, and what its containers can do."""
    said = cloud.machine.attempt(neighbour.tools).said.splitlines()
    return said + (reach(cloud) if neighbour.container else [])


class Complaints:
    """What some units say at warning or worse, from the making of this on."""

    def __init__(self, machine: Machine, units: Iterable[str]) -> None:
        self._machine = machine
        self._units = " ".join(f"-u {unit}" for unit in units)
        said = machine.run("journalctl --sync; journalctl -n 0 --show-cursor --no-pager -q")
        self._cursor = said.rpartition("cursor: ")[2].strip()

    def heard(self) -> list[str]:
        """Each once, sorted; numbers in them are left out, for they are times and process ids."""
        command = f"journalctl --sync; journalctl -q -o cat -p warning {self._units}"
        command += f" --no-pager --after-cursor '{self._cursor}'"
        said = self._machine.run(command).splitlines()
        return sorted({_NUMBERS.sub("N", line) for line in said})
