"""The network sysctls of /proc/sys/net that a look-up depends on, as a value.

Read in the network namespace of the calling thread. A file that is not there counts as the kernel's
default: older kernels lack some, and a NIC may go while it is read.
"""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from srcroutd.core.lookup_values import NicConf, NicConf6, Sysctls
from srcroutd.core.net import Family

_ROOT = Path("/proc/sys/net")
_Conf = TypeVar("_Conf", NicConf, NicConf6)


def read_sysctls(nics: Iterable[str]) -> Sysctls:
    """The settings of ``all`` and of the NICs named, by name; those of other NICs are not read."""
    names = sorted(set(nics))
    return Sysctls(
        _read(NicConf, "ipv4", "all"),
        {name: _read(NicConf, "ipv4", name) for name in names},
        _read(NicConf6, "ipv6", "all"),
        {name: _read(NicConf6, "ipv6", name) for name in names},
        {family: _hash_policy(family) for family in Family},
    )


def _hash_policy(family: Family) -> int:
    place = _ROOT / f"ipv{family.everything.version}" / "fib_multipath_hash_policy"
    try:
        return int(place.read_text())
    except (OSError, ValueError):
        return 0


def _read(kind: type[_Conf], family: str, nic: str) -> _Conf:
    """One folder: each field is a file of the same name."""
    found: dict[str, int] = {}
    for field in fields(kind):
        try:
            found[field.name] = int((_ROOT / family / "conf" / nic / field.name).read_text())
        except (OSError, ValueError):
            continue
    return kind(**found)
