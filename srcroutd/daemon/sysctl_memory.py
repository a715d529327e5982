"""What stood in the sysctls before we changed them, as a file in the state directory.

Written like the other state (atomically, 0600), and before a sysctl is changed. It counts only for
the network namespace it was written in (``kernel.epoch``): a boot gives every NIC its first values
back, and what is remembered of another boot must never be "restored". A damaged file is set aside
under another name and nothing is restored from it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from srcroutd.core.sysctl_plan import Change, Memory, Place
from srcroutd.core.sysctls import Knob
from srcroutd.daemon.store import Damaged, load_file, save_file

_FILES = frozenset(knob.file for knob in Knob)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2})+", re.ASCII)
_INTEGERS = range(-(2**31), 2**31)


class SysctlMemory:
    """The file sysctls.json in the state directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "sysctls.json"

    def __str__(self) -> str:
        return str(self._file)

    def exists(self) -> bool:
        """Whether anything was ever written there and not taken back."""
        return self._file.exists()

    def load(self, epoch: str) -> Memory:
        """What was changed in this epoch; empty if nothing was. Raises Damaged, once: the file is
        set aside then.
        """
        try:
            content = load_file(self._file)
            return {} if content is None else self._read(content, epoch)
        except Damaged:
            with suppress(OSError):
                self._file.replace(self._file.with_suffix(".damaged"))
            raise

    def save(self, memory: Memory, epoch: str) -> None:
        """Write it; with nothing to remember there is no file. Raises OSError."""
        if not memory:
            self._file.unlink(missing_ok=True)
            return
        changes = [
            {
                "mac": place.mac,
                "ifindex": place.ifindex,
                "sysctl": place.file,
                "before": change.before,
                "ours": change.ours,
            }
            for place, change in sorted(memory.items())
        ]
        save_file(self._file, {"epoch": epoch, "changes": changes})

    def _read(self, content: Mapping[str, Any], epoch: str) -> Memory:
        try:
            changes = dict(_change(row) for row in content["changes"])
            if len(changes) != len(content["changes"]):
                raise Damaged(self._file, "one sysctl stands there twice")
            written = str(content["epoch"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(self._file, f"{type(error).__name__} at {error}") from None
        return changes if written == epoch else {}


def _change(row: Mapping[str, Any]) -> tuple[Place, Change]:
    """One row. Raises ValueError for what we never write."""
    mac, ifindex, file = row["mac"], row["ifindex"], row["sysctl"]
    before, ours = row["before"], row["ours"]
    numbers = (ifindex, before, ours)
    if not isinstance(mac, str) or not _MAC.fullmatch(mac) or file not in _FILES:
        raise ValueError(f"{mac} {file}")
    if any(type(number) is not int or number not in _INTEGERS for number in numbers):
        raise ValueError(f"{mac} {file}, the numbers")
    if ifindex <= 0 or before == ours:
        raise ValueError(f"{mac} {file}, the numbers")
    return Place(mac, ifindex, file), Change(before, ours)
