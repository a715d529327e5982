"""Files that bring back, at the next boot, rules and routes that people made by a recipe.

Only lines about addresses that srcroutd keeps, spelled out, count; a rule that a person made for
something else is none of our business.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterator

from srcroutd.core.adoption_hints import SCRIPT, Hint, Wanted, hints, table_names
from srcroutd.core.net import IP
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, sources

LABELS = "/etc/iproute2/rt_tables"
_SHOWN = 2
LONGEST_LINE = 1000
_RUN_AT_BOOT = ("/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local")
_KINDS = {
    Slug.NM_PROFILE: "a profile of NetworkManager",
    Slug.IFCFG_FILES: "a file of the network scripts",
    Slug.RC_LOCAL: "a script of the boot",
    Slug.NETPLAN_POLICY: "netplan",
    Slug.NETWORKD_POLICY: "systemd-networkd",
    Slug.CLOUD_INIT_POLICY: "cloud-init",
    Slug.INTERFACES_COMMANDS: "ifupdown",
}


def leftovers(scene: Scene) -> Iterator[Finding]:
    """One finding a file."""
    nics: dict[IP, str] = {ip: nic.link.name for nic in scene.kept for ip in sources(nic)}
    names = table_names(
        plain(text) for path, text in scene.files.items() if path.startswith(LABELS)
    )
    files = {
        path: plain(text)
        for path, text in scene.files.items()
        if _slug(path) and (path not in _RUN_AT_BOOT or path in scene.executable)
    }
    by_file: dict[str, list[Hint]] = defaultdict(list)
    for hint in hints(files, Wanted(nics, names=names)):
        path = next(path for path in files if path in {hint.place, _file(hint.place)})
        by_file[path].append(hint)
    for path, found in sorted(by_file.items()):
        slug = _slug(path)
        if slug is Slug.DUAL_TRAFFIC_SCRIPT:
            yield _script(path)
        elif slug:
            yield _lines(slug, path, found, nics)


def plain(text: str) -> str:
    """The text as printable ASCII, with overlong lines emptied: it is quoted on a terminal.

    Python takes a superscript two for a digit, too, and then cannot make it a number.
    """
    ascii_only = text.expandtabs(1).encode("ascii", "replace").decode()
    lines = ("".join(map(_printable, line)) for line in ascii_only.split("\n"))
    return "\n".join(line if len(line) <= LONGEST_LINE else "" for line in lines)


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else " "


def _file(place: str) -> str:
    """A place without its line number."""
    path, _, number = place.rpartition(":")
    return path if number.isdecimal() else place


def _slug(path: str) -> Slug | None:
    if path.rpartition("/")[2] == SCRIPT:
        return Slug.DUAL_TRAFFIC_SCRIPT
    if path.endswith(".nmconnection"):
        return Slug.NM_PROFILE
    if path.startswith("/etc/sysconfig/"):
        return Slug.IFCFG_FILES
    if path in _RUN_AT_BOOT:
        return Slug.RC_LOCAL
    if "/netplan/" in path:
        return Slug.NETPLAN_POLICY
    if path.startswith("/etc/systemd/network/"):
        return Slug.NETWORKD_POLICY
    if path.startswith("/etc/cloud/"):
        return Slug.CLOUD_INIT_POLICY
    if path.startswith("/etc/network/interfaces"):
        return Slug.INTERFACES_COMMANDS
    return None


def _script(path: str) -> Finding:
    return Finding(
        Slug.DUAL_TRAFFIC_SCRIPT,
        Severity.NOTE,
        "",
        f"{path} lies here",
        "it puts every NIC into one table, 200, and adds the same again at each run: a third NIC "
        "breaks the second one",
        f"do not run it again\n$ rm {shlex.quote(path)}",
    )


def _lines(slug: Slug, path: str, found: list[Hint], nics: dict[IP, str]) -> Finding:
    quoted = [hint for hint in found if hint.line]
    rules_first = sorted(quoted, key=lambda hint: "from" not in hint.line)[:_SHOWN]
    shown = "; ".join(f"{hint.place}: {hint.line}" for hint in quoted if hint in rules_first)
    more = f"; and {len(quoted) - _SHOWN} more" if len(quoted) > _SHOWN else ""
    text = " ".join(hint.line for hint in quoted)
    about = sorted({nic for ip, nic in nics.items() if str(ip) in text})
    steps = dict.fromkeys(step for hint in found for step in hint.next)
    whose = " (cloud-init writes it: forbid it there)" if path.endswith("cloud-init.yaml") else ""
    return Finding(
        slug,
        Severity.RISK,
        about[0] if len(about) == 1 else "",
        f"{_KINDS[slug]} makes rules or routes for addresses that srcroutd keeps: {shown}{more}",
        "it brings them back at each boot or activation; with a priority before ours they decide "
        "instead, and cut containers off that talk to these addresses",
        "\n".join(
            (
                f"take over what stands, then see to the file{whose}:",
                "$ srcroutctl adopt",
                *(_step(step) for step in steps),
            )
        ),
    )


def _step(step: str) -> str:
    """A hint of ``adopt``: a command, or a sentence for people."""
    command = step.removeprefix("then: ")
    return f"$ {command}" if command.startswith("nmcli") else step
