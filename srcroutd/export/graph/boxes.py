"""What stands in a box: its lines as rows of columns, measured and placed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from srcroutd.export.graph.measure import CELL, Area, Chip, Look, Text, chip, chip_width, columns
from srcroutd.export.graph.picture import Line, Mark, Node
from srcroutd.export.graph.text import wrap

ROW = 18.0
PAD = 12.0
HEAD = 30.0
"""From a box's upper edge to its first row; the arrows run at half of it."""
BETWEEN = 2
"""Columns between two texts of a row."""
WRAP = 48
"""Longer texts take several rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where the boxes of one kind stand, and how wide their leads are (in columns of text)."""

    x: float
    width: float
    lead: int

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Box:
    """A node in its place."""

    area: Area
    node: Node
    texts: tuple[Text, ...]
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    look: Look
    lead: str = ""
    note: str = ""
    flag: str = ""


def lead_of(nodes: Iterable[Node]) -> int:
    """The widest lead of some nodes, in columns of text."""
    return max((columns(line.lead) for node in nodes for line in node.lines), default=0)


def needed(node: Node, lead: int) -> float:
    """The width that a node's box needs if leads take ``lead`` columns."""
    start = _start(node, lead)
    rows = max(_right(row, start) + _flag(row) for row in _rows(node))
    return 2 * PAD + max(rows, columns(node.title) * CELL)


def height(node: Node) -> float:
    """The height of a node's box."""
    return HEAD + ROW * sum(1 for _ in _rows(node)) + PAD / 2


def box(node: Node, column: Column, y: float) -> Box:
    """The box of a node, its upper edge at ``y``."""
    area = Area(column.x, y, column.width, height(node))
    left, right = area.x + PAD, area.right - PAD
    look: Look = "strong" if node.mark is Mark.NONE else "bad"
    texts = [Text(left, y + 20, node.title, look)]
    chips: list[Chip] = []
    start = _start(node, column.lead)
    for number, row in enumerate(_rows(node)):
        middle = y + HEAD + ROW * (number + 0.5)
        baseline = middle + 4
        if row.lead:
            texts.append(Text(left, baseline, row.lead, row.look))
        if row.text:
            texts.append(Text(left + start, baseline, row.text, row.look))
        if row.note:
            room = _right(row, start) - columns(row.note) * CELL
            texts.append(Text(left + room, baseline, row.note, "muted"))
        if row.flag:
            chips.append(chip(right, middle, row.flag, "bad"))
    return Box(area, node, tuple(texts), tuple(chips))


def _start(node: Node, lead: int) -> float:
    """Where the texts begin: all at the same place, but for a box without leads."""
    return (lead + BETWEEN) * CELL if any(line.lead for line in node.lines) else 0.0


def _right(row: _Row, start: float) -> float:
    """Where a row's texts end."""
    note = columns(row.note) + BETWEEN if row.note else 0
    return start + (columns(row.text) + note) * CELL


def _flag(row: _Row) -> float:
    return BETWEEN * CELL + chip_width(row.flag) if row.flag else 0.0


def _rows(node: Node) -> Iterator[_Row]:
    for line in node.lines:
        yield from _of_line(line)


def _of_line(line: Line) -> Iterator[_Row]:
    look: Look = "ink" if line.mark is Mark.NONE else "bad"
    first, *more = wrap(line.text, WRAP)
    yield _Row(first, look, line.lead, line.note, line.flag)
    for text in more:
        yield _Row(text, look)
    for text in wrap(line.under, WRAP) if line.under else ():
        yield _Row(text, "muted")
