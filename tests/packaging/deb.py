"""Reads a Debian package without Debian's tools: an ar archive of two tar archives."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"!<arch>\n"
_HEADER = 60


@dataclass(frozen=True)
class Deb:
    """What is in a package: members of its data by absolute path, their content, the control
    files by name.
    """

    members: dict[str, tarfile.TarInfo]
    content: dict[str, bytes]
    control: dict[str, bytes]
    parts: dict[str, int]
    """Name of each part of the ar archive -> its time, seconds since 1970."""

    @property
    def files(self) -> set[str]:
        """The paths of all files."""
        return set(self.content)

    def unpack(self, to: Path) -> Path:
        """Write files and folders below ``to`` with their modes; returns ``to``."""
        for place, member in self.members.items():
            path = to / place.lstrip("/")
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.content[place])
                path.chmod(member.mode)
        return to


def read(file: Path) -> Deb:
    """The package in this file."""
    raw = file.read_bytes()
    assert raw.startswith(_MAGIC), f"{file} is no ar archive"
    parts: dict[str, bytes] = {}
    times: dict[str, int] = {}
    at = len(_MAGIC)
    while at < len(raw):
        header = raw[at : at + _HEADER].decode()
        name, time_s, size = header[:16].rstrip(" /"), int(header[16:28]), int(header[48:58])
        at += _HEADER
        parts[name], times[name] = raw[at : at + size], time_s
        at += size + size % 2
    assert list(parts) == ["debian-binary", "control.tar.gz", "data.tar.xz"]
    members, content = _tar(parts["data.tar.xz"])
    control = {name.lstrip("/"): text for name, text in _tar(parts["control.tar.gz"])[1].items()}
    return Deb(members, content, control, times)


def _tar(raw: bytes) -> tuple[dict[str, tarfile.TarInfo], dict[str, bytes]]:
    members: dict[str, tarfile.TarInfo] = {}
    content: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in archive:
            place = "/" + member.name.removeprefix("./").strip("/")
            assert place not in members, f"{place} is there twice"
            members[place] = member
            opened = archive.extractfile(member)
            if opened:
                content[place] = opened.read()
    return members, content
