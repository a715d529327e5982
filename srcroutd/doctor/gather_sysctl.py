"""The sysctls of each NIC that the checks need and a look-up does not, as numbers.

Read in the network namespace of the calling thread, below the root folder.
"""

from collections.abc import Iterable

from srcroutd.doctor.files import Files

_WANTED = (
    ("ipv4", "promote_secondaries"),
    ("ipv6", "disable_ipv6"),
    ("ipv6", "keep_addr_on_down"),
)
_PERMANENT = 0x80
_GLOBAL = 0


def read_sysctls(files: Files, nics: Iterable[str]) -> dict[str, int]:
    """``ipv4/conf/eth1/promote_secondaries`` and the like, for these NICs and for ``all``."""
    found: dict[str, int] = {}
    for nic in ("all", *sorted(nics)):
        for family, key in _WANTED:
            _read(files, f"{family}/conf/{nic}/{key}", found)
    _read(files, "ipv4/ip_local_port_range", found)
    return found


def read_static6(files: Files) -> frozenset[str]:
    """The NICs with a global IPv6 address that does not expire: neither from an advertisement nor
    leased, so that nobody gives it back (/proc/net/if_inet6, IFA_F_PERMANENT).
    """
    try:
        text = (files.root / "proc/net/if_inet6").read_text(errors="replace")
    except OSError:
        return frozenset()  # a kernel without IPv6
    rows = (line.split() for line in text.splitlines())
    return frozenset(
        row[5]
        for row in rows
        if len(row) == 6 and int(row[3], 16) == _GLOBAL and int(row[4], 16) & _PERMANENT
    )


def _read(files: Files, path: str, found: dict[str, int]) -> None:
    """The first number of one file; a NIC may go while it is read."""
    try:
        words = (files.root / "proc/sys/net" / path).read_text().split()
        found[path] = int(words[0])
    except (OSError, ValueError, IndexError):
        return
    if path.endswith("ip_local_port_range") and len(words) == 2 and words[1].isdecimal():
        found[f"{path}/last"] = int(words[1])
