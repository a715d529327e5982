"""Turns a compiled module into the same module without what only debuggers and linkers read: half
of all bytes in the wheels is debug information.

What the loader maps stays bit by bit where it is (every segment, every allocated section); only the
rest of the file goes. ``strip`` would do it too, but not for another machine's modules, and another
version of it writes other bytes. A file that is not laid out as expected is returned as it came.
"""

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_64_BIT_LITTLE_ENDIAN = b"\x7fELF\x02\x01\x01"
_ALLOCATED = 2
_NOBITS = 8


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int

    @property
    def end(self) -> int:
        return self.offset + (0 if self.kind == _NOBITS else self.size)

    def pack(self) -> bytes:
        return _SECTION.pack(
            *(self.name, self.kind, self.flags, self.address, self.offset, self.size),
            *(self.link, self.info, self.alignment, self.entry_size),
        )


def stripped(module: bytes) -> bytes:
    """The module without its unallocated sections, or as it came."""
    if not module.startswith(_64_BIT_LITTLE_ENDIAN):
        return module
    header = list(_HEADER.unpack_from(module))
    programs_at, sections_at, program_count = header[5], header[6], header[10]
    sections = [
        _Section(*_SECTION.unpack_from(module, sections_at + number * _SECTION.size))
        for number in range(header[12])
    ]
    programs = [
        _PROGRAM.unpack_from(module, programs_at + number * _PROGRAM.size)
        for number in range(program_count)
    ]
    kept = _allocated(sections)
    if kept is None:
        return module
    end = max(
        *(section.end for section in kept),
        *(offset + size for _, _, offset, _, _, size, _, _ in programs),
        programs_at + program_count * _PROGRAM.size,
    )
    names = sections[header[13]]
    text = module[names.offset : names.end]
    last = _Section(names.name, names.kind, 0, 0, end, len(text), 0, 0, 1, 0)
    body = module[:end] + text
    body += bytes(-len(body) % 8)
    header[6], header[12], header[13] = len(body), len(kept) + 1, len(kept)
    table = b"".join(section.pack() for section in (*kept, last))
    return _HEADER.pack(*header) + body[_HEADER.size :] + table


def _allocated(sections: list[_Section]) -> list[_Section] | None:
    """The sections that are loaded; None unless they stand before all others, for symbols and links
    name sections by number.
    """
    count = next(
        (n for n, one in enumerate(sections) if n and not one.flags & _ALLOCATED), len(sections)
    )
    loaded_later = any(one.flags & _ALLOCATED for one in sections[count:])
    links_away = any(one.link >= count for one in sections[:count])
    return None if loaded_later or links_away or count < 2 else sections[:count]
