"""systemd-networkd deletes rules and routes that it did not make, unless two settings say no.

The settings are read as systemd reads them (systemd.syntax(7), networkd.conf(5)): the first
networkd.conf of /etc, /run, /usr/local/lib and /usr/lib, then all drop-ins by file name, a name in
an earlier folder hiding the same name in a later one.
"""

from collections.abc import Iterator, Mapping

from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene

FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
UNIT = "systemd-networkd.service"
PROCESS = "systemd-network"
CONFIGURATION = "/systemd/networkd.conf"
SETTINGS = ("ManageForeignRoutingPolicyRules", "ManageForeignRoutes")
DROP_IN = "/etc/systemd/networkd.conf.d/50-srcroutd.conf"
_NO = frozenset({"no", "n", "false", "f", "off", "0"})
_YES = frozenset({"yes", "y", "true", "t", "on", "1"})


def networkd(scene: Scene) -> Iterator[Finding]:
    """One finding where it runs, or will, and may delete what is ours."""
    if not scene.is_up(UNIT, PROCESS) or any(CONFIGURATION in path for path in scene.unread):
        return
    manages = foreign_settings(scene.files)
    left = [name for name in SETTINGS if manages[name]]
    if not left:
        return
    state = "runs" if PROCESS in scene.running else "is enabled"
    lines = "\\n".join(("[Network]", *(f"{name}=no" for name in SETTINGS)))
    yield Finding(
        Slug.NETWORKD_FOREIGN,
        Severity.RISK,
        "",
        f"systemd-networkd {state} without {' and '.join(f'{name}=no' for name in left)}",
        "it deletes rules and routes that it did not make when it starts, is restarted or "
        "reconfigures a link; srcroutd puts them back, but packets are lost meanwhile",
        f"write {DROP_IN}, and have networkd read it:\n"
        f"$ mkdir -p {DROP_IN.rpartition('/')[0]}\n"
        f"$ printf '{lines}\\n' > {DROP_IN}\n"
        "$ systemctl try-restart systemd-networkd",
    )


def foreign_settings(files: Mapping[str, str]) -> dict[str, bool]:
    """Whether networkd takes foreign rules and foreign routes for its own to delete."""
    manages = dict.fromkeys(SETTINGS, True)
    for path in (*_main_file(files), *_drop_ins(files)):
        section = ""
        for line in files[path].splitlines():
            stripped = line.strip()
            if stripped.startswith("["):
                section = stripped
            key, equals, value = stripped.partition("=")
            if section == "[Network]" and equals and key.strip() in manages:
                word = value.strip().lower()
                if word in _NO | _YES:  # systemd passes over what is neither
                    manages[key.strip()] = word in _YES
    return manages


def _main_file(files: Mapping[str, str]) -> tuple[str, ...]:
    paths = (f"{folder}/systemd/networkd.conf" for folder in FOLDERS)
    return tuple(path for path in paths if path in files)[:1]


def _drop_ins(files: Mapping[str, str]) -> tuple[str, ...]:
    by_name: dict[str, str] = {}
    for folder in FOLDERS:
        inside = f"{folder}/systemd/networkd.conf.d/"
        for path in files:
            if path.startswith(inside):
                by_name.setdefault(path.removeprefix(inside), path)
    return tuple(path for _, path in sorted(by_name.items()))
