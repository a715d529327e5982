"""Prints a story to a terminal: 80 columns, Unicode where the locale has it, colour where it is
welcome.

Colour only repeats what the words say; ``NO_COLOR`` (no-color.org), a pipe or TERM=dumb turn it
off.
"""

import os
from typing import TextIO

_ASCII = str.maketrans(
    {
        "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "├": "+", "┤": "+",
        "┬": "+", "┴": "+", "┼": "+", "═": "=", "▶": ">", "✗": "x", "·": "-", "…": "...",
    }
)  # fmt: skip
_COERCED = {"C.UTF-8", "C.utf8", "UTF-8"}
"""What Python itself sets LC_CTYPE to under LANG=C (PEP 538): that is not the person's wish."""

_CODES = {"bold": "1", "dim": "2", "good": "32", "bad": "1;31"}


class Screen:
    """Where a story is told. ``ascii_only`` None means: as the locale says."""

    def __init__(self, stream: TextIO, *, ascii_only: bool | None = None) -> None:
        self._stream = stream
        self._ascii = not _locale_is_utf8() if ascii_only is None else ascii_only
        self._colour = (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def line(self, text: str = "", style: str = "") -> None:
        """One line, at once."""
        shown = text
        if self._ascii:
            shown = text.translate(_ASCII).encode("ascii", "replace").decode()
        if self._colour and style:
            shown = f"\033[{_CODES[style]}m{shown}\033[0m"
        self._stream.write(f"{shown}\n")
        self._stream.flush()

    def verdict(self, ok: bool, text: str) -> None:  # noqa: FBT001 - the verdict itself
        """A line that begins with ok or FAIL."""
        word = "ok  " if ok else "FAIL"
        style = "good" if ok else "bad"
        if self._colour:
            word = f"\033[{_CODES[style]}m{word}\033[0m"
        self.line(f"    {word}  {text}")


def _locale_is_utf8() -> bool:
    """What the locale says; not what Python makes of it, which is UTF-8 under LANG=C too."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if os.environ.get("LC_CTYPE") in _COERCED:
        names.remove("LC_CTYPE")
    chosen = next((word for name in names if (word := os.environ.get(name))), "")
    return chosen.lower().replace("-", "").endswith("utf8")
