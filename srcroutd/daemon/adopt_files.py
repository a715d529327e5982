"""The files in which people and tools write down rules and routes, read for ``adopt``'s hints.

Nothing is ever written to them. What cannot be read is passed over: a hint is missing then, and
nothing else.
"""

from collections.abc import Iterator
from pathlib import Path

from srcroutd.core.adoption import Adoption, tiers_of
from srcroutd.core.adoption_hints import SCRIPT, Hint, Wanted, hints, table_names
from srcroutd.core.net import Family
from srcroutd.core.view import View

BOOT = """
etc/rc.local etc/rc.d/rc.local etc/init.d/boot.local
etc/NetworkManager/system-connections/*.nmconnection
run/NetworkManager/system-connections/*.nmconnection
etc/NetworkManager/dispatcher.d/* etc/NetworkManager/dispatcher.d/*.d/*
etc/sysconfig/network-scripts/rule-* etc/sysconfig/network-scripts/rule6-*
etc/sysconfig/network-scripts/route-* etc/sysconfig/network-scripts/route6-*
etc/sysconfig/network/ifrule-* etc/sysconfig/network/ifroute-*
etc/netplan/*.yaml
etc/systemd/network/*.network etc/systemd/network/*.network.d/*.conf
etc/systemd/system/*.service etc/networkd-dispatcher/*.d/*
etc/network/interfaces etc/network/interfaces.d/* etc/network/if-up.d/*
etc/dhcp/dhclient-exit-hooks.d/* etc/crontab etc/cron.d/* var/spool/cron/* var/spool/cron/crontabs/*
""".split()
SCRIPTS = "root home/* usr/local/bin usr/local/sbin usr/bin usr/sbin opt etc".split()
NAMES = (
    "usr/share/iproute2/rt_tables",
    "etc/iproute2/rt_tables",
    "etc/iproute2/rt_tables.d/*.conf",
)
LONGEST = 1 << 20
"""Bytes; no file that sets up a network is longer."""
NETWORK_MANAGER = "run/NetworkManager"
"""There while NetworkManager runs."""


def read_hints(view: View, adoption: Adoption, root: Path) -> tuple[Hint, ...]:
    """What below ``root`` would bring back rules for the addresses that ours route."""
    nics = {
        src.network_address: nic.link.name
        for nic in view.nics
        if nic.kept
        for src in tiers_of(nic)
        if src.prefixlen == src.max_prefixlen
    }
    if not nics:
        return ()
    names = table_names(text for _, text in _texts(root, NAMES))
    tables = {one.rule.table for one in adoption.rules}
    files = dict(_texts(root, [*BOOT, *(f"{folder}/{SCRIPT}" for folder in SCRIPTS)]))
    found = hints(files, Wanted(nics, tables, names))
    return (*found, *_in_memory(adoption, found, root))


def _texts(root: Path, patterns: list[str] | tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Path on the host and content of each file; a file that is reached twice comes once."""
    seen: set[Path] = set()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            try:
                real = path.resolve()
                if real in seen or not path.is_file() or path.stat().st_size > LONGEST:
                    continue
                seen.add(real)
                yield f"/{path.relative_to(root)}", path.read_text(errors="replace")
            except OSError:
                continue


def _in_memory(adoption: Adoption, found: tuple[Hint, ...], root: Path) -> Iterator[Hint]:
    """The recipe's temporary form leaves no file: NetworkManager alone knows of it."""
    if not (root / NETWORK_MANAGER).is_dir():
        return
    told = " ".join(hint.line for hint in found)
    for one in adoption.rules:
        if str(one.ip) in told:
            continue
        section = "ipv6" if one.rule.family is Family.V6 else "ipv4"
        value = f"priority {one.rule.priority} from {one.ip} table {one.rule.table}"
        yield Hint(
            "NetworkManager",
            f"it runs, and may have made rule {one.rule} (nmcli device modify)",
            (f"nmcli device modify {one.nic.link.name} -{section}.routing-rules '{value}'",),
        )
