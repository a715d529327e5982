"""The sysctls of each NIC that the checks need and a look-up does not, as numbers.

Read in the network namespace of the calling thread, below the root folder.
"""

from srcroutd.doctor.files import Files

_WANTED = (
    ("ipv4", "promote_secondaries"),
    ("ipv4", "src_valid_mark"),
    ("ipv4", "forwarding"),
    ("ipv6", "disable_ipv6"),
)
MANY_NICS = 256
"""A host with more NICs has containers; ENIs are the first."""


def read_sysctls(files: Files) -> dict[str, int]:
    """``ipv4/conf/eth1/promote_secondaries`` and the like, for every NIC and for ``all``."""
    found: dict[str, int] = {}
    for family in ("ipv4", "ipv6"):
        folder = f"/proc/sys/net/{family}/conf"
        for nic in files.names(folder)[:MANY_NICS]:
            for kind, key in _WANTED:
                if kind == family:
                    path = f"{family}/conf/{nic}/{key}"
                    _read(files, path, found)
    _read(files, "ipv4/ip_local_port_range", found)
    return found


def _read(files: Files, path: str, found: dict[str, int]) -> None:
    """The first number of one file; a NIC may go while it is read."""
    try:
        words = (files.root / "proc/sys/net" / path).read_text().split()
        found[path] = int(words[0])
    except (OSError, ValueError, IndexError):
        return
    if path.endswith("ip_local_port_range") and len(words) == 2 and words[1].isdecimal():
        found[f"{path}/last"] = int(words[1])
