"""One group of figures, inside the private namespaces that the parent process made for it.

``python -m bench.inside NAME FOLDER [quick]`` prints a JSON line for each figure and each step of
progress. It refuses to run where it can see a network device that it did not make.
"""

import json
import signal
import socket
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.figures import Figure

GROUPS = {
    "attach": "an ENI is attached",
    "repair": "a rule is deleted by somebody else",
    "bulk": "3,200 rules from nothing",
    "idle": "nothing to do at 3,200 rules",
    "storm": "32 ENIs of 64 addresses at once",
    "start": "process start",
    "rest": "at rest",
    "tool": "an administrator asks",
    "send": "what our rules cost others",
    "routes": "beside somebody else's routes",
}
"""Module of this package to its title, in the order of a run; the million routes come last, for the
kernel goes on tearing them down after the group has ended.
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a group is given: a folder of its own, and how many rounds; and how it reports."""

    name: str
    folder: Path
    quick: bool

    def rounds(self, full: int, quick: int) -> int:
        """How many rounds to make in this run."""
        return quick if self.quick else full

    def progress(self, words: str) -> None:
        """Say how far it is."""
        _emit({"progress": words})

    def figure(  # noqa: PLR0913 - the fields of a figure
        self,
        name: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        note: str = "",
        samples: tuple[float, ...] | list[float] = (),
    ) -> None:
        """Report one figure."""
        figure = Figure(GROUPS[self.name], name, value, unit, target, note, tuple(samples))
        _emit({"figure": figure.as_json()})


def _emit(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the group that the command line names."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    devices = [device for _, device in socket.if_nameindex()]
    if devices != ["lo"]:
        sys.stderr.write(f"this is no namespace of the bench: {', '.join(devices)} are here\n")
        return 1
    # A polite end runs the exit of every with block: the daemons in here end with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    import_module(f"bench.{name}").run(Stage(name, folder, "quick" in sys.argv[3:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
