"""A picture as a value: boxes with lines of text, and arrows between them; no coordinates, no
markup.

It is read from left to right: what bears an address, the rules it meets, the table they name, the
gateway it leaves by. Text in it is already safe to show (``text.clean``), nothing is escaped yet.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

from srcroutd.core.net import Route, Rule


class Mark(Enum):
    """How a thing stands with the kernel; the value is the text mark, empty where all is well."""

    NONE = ""
    TO_DELETE = "to delete"
    TO_REPLACE = "to replace"
    MISSING = "missing"


MEANING = {
    Mark.MISSING: "wanted, but not in the kernel",
    Mark.TO_DELETE: "in the kernel, but not wanted",
    Mark.TO_REPLACE: "another route has its place in the kernel",
}
"""The legend."""


class Kind(StrEnum):
    """What a box shows; all but NIC belong to one column of the picture."""

    NIC = "nic"
    ADDRESSES = "addresses"
    RULES = "rules"
    TABLE = "table"
    GATEWAY = "gateway"
    NOTE = "note"


class Tone(StrEnum):
    """How a NIC's state word is meant, for those who colour it."""

    GOOD = "good"
    QUIET = "quiet"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a box: ``lead`` (a priority, a destination) in a column of its own, then
    ``text``; ``under`` goes below it.

    ``note`` is a remark of lesser weight. ``told`` is the text mark where it is more than the
    mark's own word ("18016 missing"). ``things`` are the rules and routes that the line stands for.
    """

    text: str
    lead: str = ""
    under: str = ""
    note: str = ""
    mark: Mark = Mark.NONE
    told: str = ""
    things: tuple[Rule | Route, ...] = ()

    @property
    def flag(self) -> str:
        """The text mark; empty in sync."""
        return self.told or self.mark.value

    def words(self) -> str:
        """The line as one sentence, with its mark in brackets: for formats without columns."""
        said = " ".join(part for part in (self.lead, self.text) if part)
        said += f": {self.under}" if self.under else ""
        said += f" ({self.note})" if self.note else ""
        return said + (f" [{self.flag}]" if self.flag else "")


@dataclass(frozen=True, slots=True)
class Node:
    """One box. ``lane`` is the id of the NIC that it belongs to (its own for a NIC), ``row`` its
    line of boxes there: 0, 1, ... from the top.
    """

    id: str
    kind: Kind
    title: str
    lane: str
    row: int = 0
    lines: tuple[Line, ...] = ()
    eni: str = ""
    role: str = ""
    state: str = ""
    tone: Tone = Tone.QUIET
    folded: bool = False
    """A NIC of which only a summary is shown, for want of room."""

    @property
    def mark(self) -> Mark:
        """The gravest mark of its lines."""
        order = list(Mark)
        return max((line.mark for line in self.lines), key=order.index, default=Mark.NONE)

    def heading(self) -> str:
        """A NIC's name and facts in one line."""
        return "  ".join(part for part in (self.title, self.eni, self.role, self.state) if part)


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one box to another of the same row."""

    start: str
    end: str
    label: str = ""
    mark: Mark = Mark.NONE

    def words(self) -> str:
        """Its label with its mark."""
        return " ".join(part for part in (self.label, self.mark.value) if part)


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole: ``nodes`` lane by lane, each NIC before what belongs to it; ``summary`` and
    ``notes`` are sentences about all of it.
    """

    title: str
    summary: str
    in_sync: bool
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()

    def lanes(self) -> Iterator[tuple[Node, tuple[Node, ...]]]:
        """Each NIC with its boxes, in order."""
        for nic in self.nodes:
            if nic.kind is Kind.NIC:
                yield nic, tuple(n for n in self.nodes if n.lane == nic.id and n.id != nic.id)

    def node(self, name: str) -> Node:
        """The box of that id."""
        return next(node for node in self.nodes if node.id == name)

    def legend(self) -> tuple[tuple[Mark, str], ...]:
        """The marks that occur, each with its meaning; empty without drift."""
        found = {line.mark for node in self.nodes for line in node.lines}
        return tuple((mark, words) for mark, words in MEANING.items() if mark in found)


def marked(lines: Iterable[Line]) -> Mark:
    """The mark that an arrow takes over from what it stands for: that of all that is wanted, if all
    bear the same one.
    """
    marks = {line.mark for line in lines}
    wanted = marks - {Mark.TO_DELETE} or marks
    return wanted.pop() if len(wanted) == 1 else Mark.NONE
