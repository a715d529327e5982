"""A picture as lines for a terminal, 80 columns wide, in box-drawing characters or plain ASCII.

The lines carry their meaning as words and as tones; who shows them decides about colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from srcroutd.export.graph.picture import Edge, Line, Mark, Node, Picture, Tone
from srcroutd.export.graph.text import cells, wrap

WIDTH = 80

Shade = Literal["plain", "strong", "dim", "good", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line and how it is meant."""

    text: str
    shade: Shade = "plain"


Drawn = tuple[Span, ...]

SHADES: dict[Tone, Shade] = {
    Tone.GOOD: "good",
    Tone.QUIET: "dim",
    Tone.WARNING: "warning",
    Tone.BAD: "bad",
}
DEEPER = 3
"""Columns by which a box stands further right than the one before it."""
INSIDE = WIDTH - 4

ASCII = str.maketrans("┌┐└┘─│├┤▶…", "++++-|++>.")


def terminal(picture: Picture, *, plain: bool = False) -> list[Drawn]:
    """The picture as lines of at most ``WIDTH`` columns; ``plain`` keeps to ASCII."""
    drawn = list(_lines(picture))
    if not plain:
        return drawn
    return [tuple(Span(_ascii(span.text), span.shade) for span in line) for line in drawn]


def text(drawn: Sequence[Drawn]) -> str:
    """The lines without their shades."""
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in drawn)


def _ascii(content: str) -> str:
    """Box-drawing characters by their nearest, what else is not ASCII by question marks of the same
    width.
    """
    return "".join(one if one.isascii() else "?" * cells(one) for one in content.translate(ASCII))


def _lines(picture: Picture) -> Iterator[Drawn]:
    for words in wrap(picture.summary, WIDTH):
        yield (Span(words, "good" if picture.in_sync else "bad"),)
    for note in picture.notes:
        first, *more = wrap(note, WIDTH - 2)
        yield (Span(first),)
        yield from ((Span(f"  {words}"),) for words in more)
    for nic, nodes in picture.lanes():
        yield ()
        yield from _frame(nic)
        for line in _inside(nic, nodes, picture.edges):
            room = " " * (INSIDE - sum(cells(span.text) for span in line))
            yield (Span("│ "), *line, Span(f"{room} │"))
        yield (Span(f"└{'─' * (WIDTH - 2)}┘"),)
    if legend := picture.legend():
        yield ()
        yield from ((Span(f"[{mark.value}]", "bad"), Span(f" {told}")) for mark, told in legend)


def _frame(nic: Node) -> Iterator[Drawn]:
    """The upper edge of a lane, with the NIC's name at the left and its state at the right; facts
    that do not fit stand below it.
    """
    facts = "  ".join(part for part in (nic.eni, nic.role) if part)
    title = wrap(nic.title, WIDTH - 10 - cells(nic.state))[0]
    room = WIDTH - 10 - cells(title) - cells(nic.state)
    above = facts if cells(facts) + 2 <= room else ""
    between = "─" * (room - cells(above) - (2 if above else 0))
    yield (
        Span("┌─ "),
        Span(title, "strong"),
        Span(f"  {above}" if above else ""),
        Span(f" {between}── "),
        Span(nic.state, SHADES[nic.tone]),
        Span(" ─┐"),
    )
    if facts and not above:
        for line in wrap(facts, INSIDE):
            yield (Span(f"│ {line}{' ' * (INSIDE - cells(line))} │"),)


def _inside(nic: Node, nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[Drawn]:
    """The notes of a NIC, then its rows."""
    for line in nic.lines:
        yield from _line(line, 0, 0)
    for row in sorted({node.row for node in nodes}):
        if row or nic.lines:
            yield ()
        for depth, node in enumerate(node for node in nodes if node.row == row):
            arrow = next((edge for edge in edges if edge.end == node.id), None)
            yield from _node(node, depth, arrow)


def _node(node: Node, depth: int, arrow: Edge | None) -> Iterator[Drawn]:
    """A box below the one before it, its lines below its title."""
    before = " " * (DEEPER * (depth - 1)) + "└▶ " if depth else ""
    indent = " " * cells(before)
    told: tuple[Span, ...] = ()
    if arrow and arrow.words():
        shade: Shade = "dim" if arrow.mark is Mark.NONE else "bad"
        told = (Span(f"  [{arrow.words()}]", shade),)
    head = (Span(before), Span(node.title, "strong"), *told)
    if len(node.lines) == 1 and not node.lines[0].lead:
        (only,) = node.lines
        room = INSIDE - sum(cells(span.text) for span in head)
        if cells(only.words()) + 2 <= room and only.mark is Mark.NONE:
            yield (*head, Span(f"  {only.words()}"))
            return
    yield head
    lead = max((cells(line.lead) for line in node.lines), default=0)
    for line in node.lines:
        for drawn in _line(line, cells(indent), lead):
            yield (Span(indent), *drawn)


def _line(line: Line, indent: int, lead: int) -> Iterator[Drawn]:
    """A line of a box; what does not fit beside its lead goes below."""
    shade: Shade = "plain" if line.mark is Mark.NONE else "bad"
    start = lead + 2 if lead else 0
    room = INSIDE - indent - start
    if room < 24:  # beside a long IPv6 prefix
        yield (Span(line.lead, shade),)
        yield from _line(replace(line, lead=""), indent, 3)
        return
    texts = [(one, shade) for one in wrap(line.text, room)]
    texts += [(one, "dim") for one in wrap(line.under, room)] if line.under else []
    texts = [pair for pair in texts if pair[0]] or [("", shade)]
    flags = [f"({line.note})"] if line.note else []
    flags += [f"[{line.flag}]"] if line.flag else []
    tail = " ".join(flags)
    fits = cells(texts[0][0]) + 2 + cells(tail) <= room
    for number, (part, one) in enumerate(texts):
        before = line.lead.ljust(start) if number == 0 else " " * start
        after = f"  {tail}" if tail and fits and number == 0 else ""
        yield (Span(before, shade), Span(part, one), Span(after, "bad" if line.flag else "dim"))
    if tail and not fits:
        for word in wrap(tail, room):
            yield (Span(" " * start), Span(word, "bad" if line.flag else "dim"))
