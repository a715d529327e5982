"""/proc to the names of what runs and the UDP servers on wildcard addresses.

Names need no privilege; which process holds a socket does, unless it is the caller's.
"""

import os
from collections.abc import Iterator

from srcroutd.core.net import Family
from srcroutd.doctor.files import Files
from srcroutd.doctor.scene import UdpServer

_UNCONNECTED = "07"
_TABLES = ((Family.V4, "/proc/net/udp", "0" * 8), (Family.V6, "/proc/net/udp6", "0" * 32))
LONGEST = 1 << 22


def read_running(files: Files) -> frozenset[str]:
    """The command names of this host's processes, cut to 15 characters as the kernel does
    (proc(5)). A container's are left out: its networkd has a network of its own.
    """
    pids = (pid for pid in files.names("/proc", "[0-9]*") if not _contained(files, pid))
    return frozenset(filter(None, (_comm(files, pid) for pid in pids)))


def _contained(files: Files, pid: str) -> bool:
    """Whether a process has a number in a PID namespace below this one, too."""
    try:
        text = (files.root / "proc" / pid / "status").read_text(errors="replace")
    except OSError:
        return False
    numbers = next((line for line in text.splitlines() if line.startswith("NSpid:")), "")
    return len(numbers.split()) > 2


def read_udp(files: Files) -> tuple[UdpServer, ...]:
    """Every UDP socket that is bound to a port of all addresses and connected to nobody."""
    found: dict[str, tuple[Family, int]] = {}
    for family, path, anywhere in _TABLES:
        for row in _rows(files, path):
            address, _, port = row[1].partition(":")
            if address == anywhere and row[3] == _UNCONNECTED:
                found[row[9]] = (family, int(port, 16))
    if not found:
        return ()
    programs = _holders(files, set(found))
    hidden = len(set(found) - set(programs))
    if hidden and os.geteuid():
        files.unseen.append(f"the programs of {hidden} UDP sockets: only root may see them")
    servers = {
        UdpServer(family, port, programs.get(inode, "")) for inode, (family, port) in found.items()
    }
    return tuple(sorted(servers, key=lambda one: (one.family, one.port, one.program)))


def _rows(files: Files, path: str) -> Iterator[list[str]]:
    """The rows of one table, without its head (Documentation/networking/proc_net_tcp.rst)."""
    try:
        with (files.root / path[1:]).open(errors="replace") as file:
            text = file.read(LONGEST)
    except FileNotFoundError:
        return  # a kernel without IPv6
    except OSError as error:
        files.unseen.append(f"{path}: {error.strerror}")
        return
    for line in text.splitlines()[1:]:
        row = line.split()
        if len(row) > 9 and ":" in row[1]:
            yield row


def _holders(files: Files, inodes: set[str]) -> dict[str, str]:
    """The name of a process for each socket, by inode."""
    programs: dict[str, str] = {}
    for pid in files.names("/proc", "[0-9]*"):
        if len(programs) == len(inodes):
            break
        folder = files.root / "proc" / pid / "fd"
        try:
            handles = list(folder.iterdir())
        except OSError:
            continue  # Another user's, or it has ended.
        for handle in handles:
            try:
                target = str(handle.readlink())
            except OSError:
                continue
            inode = target.removeprefix("socket:[").removesuffix("]")
            if target.startswith("socket:[") and inode in inodes:
                programs.setdefault(inode, _comm(files, pid))
    return programs


def _comm(files: Files, pid: str) -> str:
    try:
        name = (files.root / "proc" / pid / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""
    # Anybody may give a process a name with terminal commands in it, and root would print it.
    return "".join(letter if letter.isprintable() else "?" for letter in name)
