"""Reads from a compiled module which versions of which libraries it asks for."""

import struct
from dataclasses import dataclass

_SECTION = struct.Struct("<IIQQQQIIQQ")
_VERSIONS_NEEDED = 0x6FFFFFFE
_MACHINES = {62: "x86_64", 183: "aarch64"}


@dataclass(frozen=True)
class Module:
    """Machine, versions asked for by library ("libc.so.6" -> {"GLIBC_2.17"}), names of sections."""

    machine: str
    versions: dict[str, set[str]]
    sections: set[str]


def read(module: bytes) -> Module:
    """What this module says of itself."""
    assert module[:6] == b"\x7fELF\x02\x01"
    (machine,) = struct.unpack_from("<H", module, 18)
    (table,) = struct.unpack_from("<Q", module, 40)
    count, names_in = struct.unpack_from("<HH", module, 60)
    sections = [_SECTION.unpack_from(module, table + n * _SECTION.size) for n in range(count)]
    names_at = sections[names_in][4]
    versions: dict[str, set[str]] = {}
    for _, kind, _, _, at, _, link, entries, _, _ in sections:
        if kind == _VERSIONS_NEEDED:
            versions |= _needed(module, at, sections[link][4], entries)
    names = {_string(module, names_at + section[0]) for section in sections}
    return Module(_MACHINES[machine], versions, names)


def _needed(module: bytes, at: int, strings: int, entries: int) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _ in range(entries):
        _, count, file, first, following = struct.unpack_from("<HHIII", module, at)
        version = at + first
        wanted = found.setdefault(_string(module, strings + file), set())
        for _ in range(count):
            _, _, _, name, next_version = struct.unpack_from("<IHHII", module, version)
            wanted.add(_string(module, strings + name))
            version += next_version
        at += following
    return found


def _string(module: bytes, at: int) -> str:
    return module[at : module.index(b"\0", at)].decode()
