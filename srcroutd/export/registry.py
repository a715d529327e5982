"""The formats there are: this literal list, and nothing found by magic."""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from srcroutd.core.view import View
from srcroutd.export.document import Document


class Exporter(Protocol):
    """What writes a format."""

    def __call__(self, view: View, *, temporary: bool = False) -> tuple[Document, ...]:
        """The files, none where nothing is kept; ``temporary``: gone after a reboot.

        Raises NotSayable.
        """


@dataclass(frozen=True, slots=True)
class Format:
    """A format: it is written by the function of its own name in the file of that name."""

    name: str
    summary: str


FORMATS = (
    Format("iproute2", "a shell script that gives exactly the daemon's rules and routes"),
    Format("nmcli", "a shell script for NetworkManager's profiles"),
    Format("networkd", "drop-ins for systemd-networkd's .network files"),
    Format("netplan", "YAML; it cannot say all, and says what is lost"),
    Format("windows", "PowerShell with route add and netsh, for the same ENIs on Windows"),
)
NAMES = tuple(one.name for one in FORMATS)


def exporter(name: str) -> Exporter:
    """What writes that format, imported when asked for."""
    module = import_module(f"srcroutd.export.{name}")
    written: Exporter = getattr(module, name)
    return written
