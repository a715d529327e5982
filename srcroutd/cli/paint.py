"""Colour on a terminal, columns that align: how text for people is laid out.

Colour never carries a meaning of its own; it is off where the output is no terminal, and where
NO_COLOR is set to anything (no-color.org) or TERM is dumb.
"""

import os
import shutil
import sys
from collections.abc import Sequence

RED, GREEN, YELLOW, BOLD, DIM = "31", "32", "33", "1", "2"


def coloured() -> bool:
    """Whether standard output takes colours."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def paint(text: str, colour: str) -> str:
    """The text in a colour (an SGR parameter), or as it is where colours are off."""
    return f"\033[{colour}m{text}\033[0m" if text and coloured() else text


def width() -> int | None:
    """Columns of the terminal; None where the output is no terminal and lines may be any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows as lines with aligned columns, nothing after the last word of a line."""
    count = max((len(row) for row in rows), default=0)
    widths = [
        max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(count)
    ]
    return [
        gap.join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in rows
    ]


def ago(seconds: float) -> str:
    """A stretch of time for people: 8 s, 3 min, 5 h, 2 d."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "min"):
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"
