"""Text that comes from outside made safe to show, and how much room it takes."""

import unicodedata


def clean(text: str, most: int = 64) -> str:
    """``text`` on one line without anything invisible (controls, reversals of the direction, halves
    of a code point), shortened in the middle to ``most`` characters.
    """
    shown = "".join(
        one if one == " " or one.isprintable() else one.encode("unicode_escape").decode()
        for one in text
    )
    if len(shown) <= most:
        return shown
    half = (most - 1) // 2
    return f"{shown[: most - 1 - half]}…{shown[-half:]}"


def cells(text: str) -> int:
    """Columns that ``text`` takes on a terminal, or in any font of one width."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def wrap(text: str, room: int) -> list[str]:
    """``text`` as lines of at most ``room`` columns, broken at blanks where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        rest = word
        if line and cells(line) + 1 + cells(rest) <= room:
            line += f" {rest}"
            continue
        if line:
            lines.append(line)
        while cells(rest) > room:
            at = next(n for n in range(len(rest), 0, -1) if n == 1 or cells(rest[:n]) <= room)
            lines.append(rest[:at])
            rest = rest[at:]
        line = rest
    return [*lines, line] if line or not lines else lines
