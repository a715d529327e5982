"""The addresses that we put, as a file in the state directory, for kernels that do not tell.

Written like the other state (atomically, 0600), and before an address is put. It counts only for
the network namespace it was written in (``kernel.epoch``). A damaged file is set aside under
another name: what it told is nobody's then, and stays.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from srcroutd.core.assign_values import Placed
from srcroutd.daemon.store import Damaged, load_file, save_file


class AssignedMemory:
    """The file addresses.json in the state directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "addresses.json"

    def __str__(self) -> str:
        return str(self._file)

    def exists(self) -> bool:
        """Whether anything was ever remembered."""
        return self._file.exists()

    def load(self, epoch: str) -> frozenset[Placed]:
        """What was put in this epoch; empty if nothing was. Raises Damaged, once: the file is set
        aside then.
        """
        try:
            content = load_file(self._file)
            return frozenset() if content is None else self._read(content, epoch)
        except Damaged:
            with suppress(OSError):
                self._file.replace(self._file.with_suffix(".damaged"))
            raise

    def save(self, put: Iterable[Placed], epoch: str) -> None:
        """Write it; with nothing to remember there is no file. Raises OSError."""
        rows = [
            {"mac": place.mac, "ifindex": place.ifindex, "address": str(place.interface)}
            for place in put
        ]
        if not rows:
            self._file.unlink(missing_ok=True)
            return
        rows.sort(key=lambda row: (row["ifindex"], row["address"]))
        save_file(self._file, {"epoch": epoch, "put": rows})

    def _read(self, content: Mapping[str, Any], epoch: str) -> frozenset[Placed]:
        try:
            rows = frozenset(_placed(row) for row in content["put"])
            written = str(content["epoch"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(self._file, f"{type(error).__name__} at {error}") from None
        return rows if written == epoch else frozenset()


def _placed(row: Mapping[str, Any]) -> Placed:
    """One row. Raises ValueError for what we never write."""
    mac, ifindex, own = row["mac"], row["ifindex"], ip_interface(row["address"])
    if not isinstance(mac, str) or type(ifindex) is not int or ifindex <= 0:
        raise ValueError(f"{mac} {ifindex}")
    if own.network.prefixlen != own.max_prefixlen:
        raise ValueError(str(own))
    return Placed(mac, ifindex, own)
