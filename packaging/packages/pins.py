"""Turns a lock (packaging/locks/*.txt) into pins: name, version and the hashes that may be used.

It reads the one form that make lock writes and refuses everything else: a line that it did not
understand would be a package without a check.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from packages.refusal import Refused

_PIN = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+?))? \\")
_HASH = re.compile(r"    --hash=sha256:(?P<hash>[0-9a-f]{64})(?: \\)?")
_NEVER_HERE = "sys_platform == 'win32'"


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock; ``hashes`` are SHA-256 in hex, one for each file on the index."""

    name: str
    version: str
    hashes: frozenset[str]

    def __str__(self) -> str:
        """The pin as a line that pip reads."""
        hashes = "".join(f" --hash=sha256:{one}" for one in sorted(self.hashes))
        return f"{self.name}=={self.version}{hashes}"


def read(lock: Path) -> tuple[Pin, ...]:
    """The pins for Linux, in the order of the lock. Raises Refused."""
    pins: list[Pin] = []
    elsewhere = False
    for number, line in enumerate(lock.read_text().splitlines(), 1):
        if line.startswith("#"):
            continue
        if pin := _PIN.fullmatch(line):
            elsewhere = pin["marker"] == _NEVER_HERE
            if pin["marker"] and not elsewhere:
                raise Refused(f"{lock}:{number}: the marker {pin['marker']!r} is new here")
            if not elsewhere:
                pins.append(Pin(pin["name"], pin["version"], frozenset()))
        elif found := _HASH.fullmatch(line):
            if not elsewhere:
                last = pins.pop()
                pins.append(Pin(last.name, last.version, last.hashes | {found["hash"]}))
        else:
            raise Refused(f"{lock}:{number}: not a pin and not a hash: {line!r}")
    return tuple(pins)
