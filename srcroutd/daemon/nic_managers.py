"""Who else gives a NIC its addresses: networkd, NetworkManager, a DHCP client, ifupdown.

Everything is read below /run, where it is of this boot, and by files that anybody may read: the
service sees neither other users' processes nor their sockets. Promise: in doubt there is somebody.
A manager that has not decided on a NIC yet counts as one that cares for it.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from srcroutd.core.net import Address, Family, Link

_SIZE_LIMIT = 64 * 1024
_PID_FILES = (
    ("dhclient{}.pid", "dhclient"),
    ("dhclient-{}.pid", "dhclient"),
    ("dhclient.{}.pid", "dhclient"),
    ("dhcpcd-{}.pid", "dhcpcd"),
    ("dhcpcd-{}-4.pid", "dhcpcd"),
    ("dhcpcd/{}.pid", "dhcpcd"),
    ("dhcpcd/{}-4.pid", "dhcpcd"),
    ("dhcpcd.pid", "dhcpcd"),
    ("dhcpcd/pid", "dhcpcd"),
    ("udhcpc.{}.pid", "udhcpc"),
    ("wicked/leaseinfo.{}.dhcp.ipv4", "wicked"),
    ("network/ifstate.{}", "ifupdown"),
)
"""Files that are there while somebody cares for a NIC: of the NIC's name, or for all NICs."""


def managers(
    links: Iterable[Link], addresses: Iterable[Address], run: Path = Path("/run")
) -> dict[int, str]:
    """For each NIC, by ifindex, a clause on who gives it addresses; empty where nobody does."""
    leased = {
        address.index
        for address in addresses
        if Family.of(address.ip) is Family.V4 and not address.permanent
    }
    return {
        link.index: next(_of(link, run), "a DHCP client" if link.index in leased else "")
        for link in links
    }


def _of(link: Link, run: Path) -> Iterator[str]:
    yield from _networkd(link, run)
    yield from _networkmanager(link, run)
    for pattern, who in _PID_FILES:
        if _is_there(run / pattern.format(link.name)):
            yield f"{who} ({run / pattern.format(link.name)})"
    said = _text(run / "network/ifstate") or ""
    if any(line.partition("=")[0].strip() == link.name for line in said.splitlines()):
        yield f"ifupdown ({run / 'network/ifstate'})"


def _networkd(link: Link, run: Path) -> Iterator[str]:
    """A link that networkd knows has a file; it says ``unmanaged`` where networkd does nothing.

    networkctl(1) reads it, too.
    """
    if not _is_there(run / "systemd/netif/state"):
        return
    said = _text(run / f"systemd/netif/links/{link.index}")
    state = _value(said, "ADMIN_STATE") if said is not None else ""
    if state != "unmanaged":
        yield "systemd-networkd" if state else "systemd-networkd, which has not said yet"


def _networkmanager(link: Link, run: Path) -> Iterator[str]:
    """NetworkManager keeps a file for each device it has looked at."""
    said = _text(run / f"NetworkManager/devices/{link.index}")
    if said is not None:
        if _value(said, "managed") != "false":
            yield "NetworkManager"
    elif _is_there(run / "NetworkManager/devices"):
        yield "NetworkManager, which has not said yet"


def _value(said: str, key: str) -> str:
    found = re.search(rf"^{key}=(.*)$", said, re.MULTILINE)
    return found[1].strip() if found else ""


def _is_there(file: Path) -> bool:
    """Whether there is such a file; one that is hidden from us counts as there."""
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _text(file: Path) -> str | None:
    """What a file says, None where there is none; one that cannot be read says nothing."""
    try:
        with file.open(errors="replace") as opened:
            return opened.read(_SIZE_LIMIT)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
