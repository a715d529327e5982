"""Where a key of the configuration stands: its line, for the sentences about it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def line_of(text: str, loc: tuple[int | str, ...]) -> int:
    """The line of a key: the last name of ``loc``, below the n-th header of its array where it has
    one.
    """
    lines = text.splitlines()
    start = 0
    if len(loc) > 1 and isinstance(loc[1], int):
        header = re.compile(rf"\s*\[\[\s*{re.escape(str(loc[0]))}\s*\]\]")
        headers = [number for number, line in enumerate(lines) if header.match(line)]
        start = headers[loc[1]] if loc[1] < len(headers) else 0
    for name in reversed([part for part in loc if isinstance(part, str)]):
        key = re.compile(
            rf"(.*[{{,\s]|\s*\[+\s*([\w-]+\.)*)?[\"']?{re.escape(name)}[\"']?\s*([=.\]])"
        )
        for number in range(start, len(lines)):
            if key.match(lines[number].split("#")[0]):
                return number + 1
    return start + 1 if start else 0


class Origins:
    """Which file, and which line of it, said what; for sentences about what is only wrong once all
    files are read together.
    """

    def __init__(self, sources: Sequence[tuple[Path, str, Mapping[str, object]]]) -> None:
        """``sources`` are the files in the order they were read: path, text and content."""
        self._sources = sources

    @property
    def last(self) -> Path:
        """The file that had the last word."""
        return self._sources[-1][0]

    def key(self, name: str) -> str:
        """Where a top-level key was said last: ``FILE:LINE: name``."""
        for file, text, content in reversed(self._sources):
            if name in content:
                return f"{file}:{line_of(text, (name,))}: {name}"
        return f"{self.last}: {name}"

    def entry(self, table: str, number: int, key: str = "") -> str:
        """Where the n-th entry (from 1, over all files) of an array of tables stands, or a key of
        it: ``FILE:LINE: [[nic]] number 1: key``.
        """
        before = 0
        for file, text, content in self._sources:
            entries = content.get(table)
            count = len(entries) if isinstance(entries, list) else 0
            if number <= before + count:
                local = number - before
                at = line_of(text, (table, local - 1, key) if key else (table, local - 1))
                where = f"{file}:{at}" if at else str(file)
                return f"{where}: [[{table}]] number {local}" + (f": {key}" if key else "")
            before += count
        return f"{self.last}: [[{table}]] number {number}" + (f": {key}" if key else "")
