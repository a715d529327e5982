"""Reads the header of an RPM package without RPM's tools: tags and their values (the file format is
described in rpm's own manual, docs/manual/format).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LEAD = 96
_MAGIC = b"\x8e\xad\xe8\x01"
_SIZES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q"}
_STRINGS = {6, 8, 9}

NAME, VERSION, RELEASE, SUMMARY, BUILD_TIME, BUILD_HOST = 1000, 1001, 1002, 1004, 1006, 1007
LICENCE, ARCHITECTURE, SIZES, MODES, TIMES = 1014, 1022, 1028, 1030, 1034
FLAGS, OWNERS, GROUPS, REQUIRES = 1037, 1039, 1040, 1049
BEFORE_INSTALL, AFTER_INSTALL, BEFORE_ERASE, AFTER_ERASE = 1023, 1024, 1025, 1026
FOLDER_OF, BASE_NAMES, FOLDERS, AFTER_TRANSACTION = 1116, 1117, 1118, 1152
RECOMMENDS = 5046

CONFIG, NOREPLACE = 1, 16
"""Flags of a file."""


@dataclass(frozen=True)
class Rpm:
    """The tags of a package."""

    tags: dict[int, Any]

    @property
    def places(self) -> list[str]:
        """The paths of all files and folders, as the other lists count them."""
        folders, of, names = (self.tags[tag] for tag in (FOLDERS, FOLDER_OF, BASE_NAMES))
        return [folders[number] + name for number, name in zip(of, names, strict=True)]

    def by_place(self, tag: int) -> dict[str, Any]:
        """A tag that has one value a file."""
        return dict(zip(self.places, self.tags[tag], strict=True))


def read(file: Path) -> Rpm:
    """The package in this file."""
    raw = file.read_bytes()
    signature, end = _header(raw, _LEAD)
    assert signature
    tags, _ = _header(raw, end + -end % 8)
    return Rpm(tags)


def _header(raw: bytes, at: int) -> tuple[dict[int, Any], int]:
    assert raw[at : at + 4] == _MAGIC
    count, size = struct.unpack_from(">II", raw, at + 8)
    store = at + 16 + 16 * count
    tags: dict[int, Any] = {}
    for number in range(count):
        tag, kind, offset, length = struct.unpack_from(">IIII", raw, at + 16 + 16 * number)
        tags[tag] = _value(raw, kind, store + offset, length)
    return tags, store + size


def _value(raw: bytes, kind: int, at: int, count: int) -> Any:
    if kind in _STRINGS:
        strings = []
        for _ in range(count):
            end = raw.index(b"\0", at)
            strings.append(raw[at:end].decode())
            at = end + 1
        return strings if kind == 8 else strings[0]
    if kind == 7:
        return raw[at : at + count]
    return list(struct.unpack_from(f">{count}{_SIZES[kind]}", raw, at))
