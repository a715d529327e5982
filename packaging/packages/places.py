"""What lies where in a package: the files, their modes, and which of them are configuration.

The same for every format but for three things: Arch has one folder for programs, and Debian looks
for completions of zsh in a place of its own and has logcheck.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

from packages.refusal import Refused
from packages.vendor import Files

LIB = "/usr/lib/srcroutd"
DOC = "/usr/share/doc/srcroutd"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder (``content`` is None) or configuration file at its place."""

    place: str
    content: bytes | None
    mode: int = 0o644
    configuration: bool = False


def entries(root: Path, code: Files, papers: dict[str, str], form: str) -> tuple[Entry, ...]:
    """All that a package of this form ("deb", "rpm", "archlinux") holds, sorted by place.

    ``code`` goes below the vendor folder, ``papers`` (name -> content) below the documentation.
    Raises Refused when a file of the project is missing.
    """
    packaging, systemd = root / "packaging", root / "systemd"
    sbin = "/usr/bin" if form == "archlinux" else "/usr/sbin"
    found = [
        *_programs(packaging / "launch", sbin),
        *_systemd(systemd),
        *_configuration(packaging, systemd),
        *(_logcheck(systemd) if form == "deb" else ()),
        *_documentation(root, papers),
        *_completions(packaging / "completions", debian=form == "deb"),
        *(Entry(f"{LIB}/vendor/{path}", content) for path, content in code.items()),
    ]
    found += _folders(found)
    return tuple(sorted(found, key=lambda entry: entry.place))


def _programs(launch: Path, sbin: str) -> list[Entry]:
    return [
        Entry("/usr/bin/srcroutctl", _read(launch / "srcroutctl"), 0o755),
        Entry(f"{sbin}/srcroutd", _read(launch / "srcroutd"), 0o755),
        Entry(f"{LIB}/python", _read(launch / "python"), 0o755),
        Entry(f"{LIB}/run.py", _read(launch / "run.py")),
    ]


def _systemd(systemd: Path) -> list[Entry]:
    units = ("srcroutd.service", "srcroutd-once.service", "srcroutd-online.service")
    lib = "/usr/lib"
    return [
        *(Entry(f"{lib}/systemd/system/{unit}", _read(systemd / unit)) for unit in units),
        Entry(f"{lib}/systemd/catalog/srcroutd.catalog", _read(systemd / "srcroutd.catalog")),
        Entry(f"{lib}/systemd/networkd.conf.d/50-srcroutd.conf", _read(systemd / "networkd.conf")),
        Entry(f"{lib}/sysusers.d/srcroutd.conf", _read(systemd / "srcroutd.sysusers")),
        Entry(f"{lib}/tmpfiles.d/srcroutd.conf", _read(systemd / "srcroutd.tmpfiles")),  # noqa: S108 - a place in the package
    ]


def _configuration(packaging: Path, systemd: Path) -> list[Entry]:
    files = {
        "/etc/srcroutd/srcroutd.toml": packaging / "srcroutd.toml",
        # Every iproute2 reads these folders below /etc; those below /usr only the newer ones, and
        # they moved twice. A label in both would be there twice.
        "/etc/iproute2/rt_tables.d/srcroutd.conf": systemd / "rt_tables.conf",
        "/etc/iproute2/rt_protos.d/srcroutd.conf": systemd / "rt_protos.conf",
    }
    return [
        *(Entry(place, _read(file), configuration=True) for place, file in files.items()),
        Entry("/etc/srcroutd/srcroutd.toml.d", None, 0o755),
    ]


def _logcheck(systemd: Path) -> list[Entry]:
    """Debian's reader of logs; nobody else has it."""
    place = "/etc/logcheck/ignore.d.server/srcroutd"
    return [Entry(place, _read(systemd / "logcheck"), configuration=True)]


def _documentation(root: Path, papers: dict[str, str]) -> list[Entry]:
    manuals = sorted((root / "docs/man").iterdir())
    return [
        *(
            Entry(f"/usr/share/man/man{man.suffix[1:]}/{man.name}.gz", _gzip(_read(man)))
            for man in manuals
        ),
        Entry(f"{DOC}/README.md", _read(root / "README.md")),
        Entry(f"{DOC}/CHANGELOG.md", _read(root / "CHANGELOG.md")),
        Entry(f"{DOC}/examples/metrics.conf", _read(root / "systemd/metrics.conf")),
        Entry(f"{DOC}/examples/sysctls.conf", _read(root / "systemd/sysctls.conf")),
        *(Entry(f"{DOC}/{name}", text.encode()) for name, text in papers.items()),
    ]


def _completions(folder: Path, *, debian: bool) -> list[Entry]:
    share = "/usr/share"
    zsh = f"{share}/zsh/{'vendor-completions' if debian else 'site-functions'}"
    fish = f"{share}/fish/vendor_completions.d"
    # bash looks for a file with the name of the command; ours completes both.
    return [
        entry
        for name in ("srcroutctl", "srcroutd")
        for entry in (
            Entry(f"{share}/bash-completion/completions/{name}", _read(folder / "srcroutd.bash")),
            Entry(f"{zsh}/_{name}", _read(folder / f"_{name}")),
            Entry(f"{fish}/{name}.fish", _read(folder / f"{name}.fish")),
        )
    ]


def _folders(found: list[Entry]) -> list[Entry]:
    """The folders that are ours, and those of others that may not be there yet: a package manager
    removes only those that a package holds.
    """
    ours = (LIB, DOC, "/etc/srcroutd")
    others = ("/etc/iproute2", "/usr/lib/systemd/networkd.conf.d")
    there = {entry.place for entry in found}
    parents = {str(parent) for place in there for parent in Path(place).parents}
    return [
        Entry(place, None, 0o755)
        for place in sorted(parents - there)
        if any(place == folder or place.startswith(f"{folder}/") for folder in (*ours, *others))
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} belongs into the package: {error.strerror}") from None


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)
