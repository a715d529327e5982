"""A picture gets coordinates: four columns, a lane for each NIC, straight arrows between boxes.

No text leaves its box, no box touches another, no arrow crosses a box: boxes of a kind share their
left edge and width, boxes of a row their upper edge, and arrows run at the height of the titles.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from srcroutd.export.graph.boxes import HEAD, PAD, Box, Column, box, height, lead_of, needed
from srcroutd.export.graph.measure import Area, Chip, Look, Text, chip, chip_width, width
from srcroutd.export.graph.picture import Edge, Kind, Mark, Node, Picture, Tone
from srcroutd.export.graph.text import wrap

MARGIN = 24.0
LANE_PAD = 16.0
LANE_HEAD = 40.0
LEAST_WIDTH = 760.0
GAP = 52.0
"""Between two columns where no arrow bears a word."""
STEP = 14.0
"""Between rows, and between lanes."""
NOTE = 17.0
"""Height of a line of prose."""

PLACES = {
    Kind.ADDRESSES: 0,
    Kind.RULES: 1,
    Kind.NOTE: 1,
    Kind.TABLE: 2,
    Kind.GATEWAY: 3,
}
HEADINGS = ("a packet from", "meets these rules", "finds its way in", "and goes out")


@dataclass(frozen=True, slots=True)
class Arrow:
    """A straight arrow at height ``y``; its label stands above it."""

    x: float
    to_x: float
    y: float
    mark: Mark
    label: Text | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One NIC with all that belongs to it."""

    area: Area
    nic: Node
    texts: tuple[Text, ...]
    chips: tuple[Chip, ...]
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole drawing."""

    area: Area
    texts: tuple[Text, ...]
    lanes: tuple[Lane, ...]
    chips: tuple[Chip, ...] = ()


def layout(picture: Picture) -> Layout:
    """Place everything."""
    columns = _columns(picture)
    right = max((column.right for column in columns.values()), default=0.0) + LANE_PAD
    heads = [_head_width(nic) for nic in picture.nodes if nic.kind is Kind.NIC]
    wide = ceil(max(right + MARGIN, LEAST_WIDTH, *(2 * MARGIN + head for head in heads)))
    texts, y = _headline(picture, columns, wide)
    lanes: list[Lane] = []
    for nic, nodes in picture.lanes():
        lanes.append(_lane(picture, nic, nodes, columns, Area(MARGIN, y, wide - 2 * MARGIN, 0)))
        y = lanes[-1].area.bottom + (STEP if not nic.folded else STEP / 2)
    legend, chips, y = _legend(picture, y)
    return Layout(Area(0, 0, wide, y + MARGIN / 2), (*texts, *legend), tuple(lanes), chips)


def _columns(picture: Picture) -> dict[int, Column]:
    """The columns that occur, by number; each as wide as its widest box or heading."""
    nodes: dict[int, list[Node]] = defaultdict(list)
    for node in picture.nodes:
        if node.kind in PLACES:
            nodes[PLACES[node.kind]].append(node)
    columns: dict[int, Column] = {}
    x = MARGIN + LANE_PAD
    present = sorted(nodes)
    for number in present:
        lead = lead_of(nodes[number])
        widest = max(needed(node, lead) for node in nodes[number])
        heading = width(HEADINGS[number], 12, "prose") + 8
        columns[number] = Column(x, ceil(max(widest, heading)), lead)
        x = columns[number].right + _gap(picture, present, number)
    return columns


def _gap(picture: Picture, present: Sequence[int], number: int) -> float:
    """The room after a column: enough for the words of the arrows that only cross it."""
    place = {node.id: PLACES.get(node.kind, -1) for node in picture.nodes}
    after = present[present.index(number) + 1 :][:1]
    crossing = [
        width(edge.words(), 11) + 36
        for edge in picture.edges
        if edge.words() and [place[edge.end]] == after and place[edge.start] == number
    ]
    return ceil(max(GAP, *crossing, GAP))


def _headline(
    picture: Picture, columns: Mapping[int, Column], wide: float
) -> tuple[list[Text], float]:
    """Title, summary, notes and the columns' headings; and where the lanes begin."""
    texts = [Text(MARGIN, 36, picture.title, "strong", 18, "prose")]
    y = 36.0
    for number, sentence in enumerate((picture.summary, *picture.notes)):
        look: Look = "muted" if picture.in_sync or number else "bad"
        for line in _prose(sentence, wide - 2 * MARGIN):
            y += NOTE + (5 if y == 36 else 0)
            texts.append(Text(MARGIN, y, line, look, 13, "prose"))
    y += 30
    for number, column in columns.items():
        texts.append(Text(column.x, y, HEADINGS[number], "muted", 12, "prose"))
    return texts, y + 10


def _prose(sentence: str, room: float) -> list[str]:
    """A sentence in lines that fit."""
    return (
        wrap(sentence, int(room / (13 * 1.1)))
        if width(sentence, 13, "prose") > room
        else [sentence]
    )


def _head_width(nic: Node) -> float:
    """The room that a lane's head takes."""
    texts, chips = _head(nic, Area(0, 0, 0, 0))
    side = sum(one.area.width + 10 for one in chips)
    return max(text.x + text.width for text in texts) + side + LANE_PAD + 20


def _head(nic: Node, area: Area) -> tuple[list[Text], list[Chip]]:
    """A NIC's name and facts at the left, its state at the right."""
    baseline = area.y + 25
    texts = [Text(area.x + LANE_PAD, baseline, nic.title, "strong", 15)]
    words = [nic.eni, nic.role, *((line.text for line in nic.lines) if nic.folded else ())]
    for word in filter(None, words):
        last = texts[-1]
        texts.append(Text(last.x + last.width + 18, baseline, word, "muted"))
    chips = [chip(area.right - LANE_PAD, area.y + 20, nic.state, _look(nic.tone))]
    for line in nic.lines if nic.folded else ():
        if line.flag:
            chips.append(chip(chips[-1].area.x - 10, area.y + 20, line.flag, "bad"))
    return texts, chips


def _look(tone: Tone) -> Look:
    looks: dict[Tone, Look] = {
        Tone.GOOD: "good",
        Tone.QUIET: "quiet",
        Tone.WARNING: "warning",
        Tone.BAD: "bad",
    }
    return looks[tone]


def _lane(
    picture: Picture, nic: Node, nodes: Sequence[Node], columns: Mapping[int, Column], area: Area
) -> Lane:
    texts, chips = _head(nic, area)
    y = area.y + LANE_HEAD
    for line in nic.lines if not nic.folded else ():
        for part in _prose(line.text, area.width - 2 * LANE_PAD):
            texts.append(Text(area.x + LANE_PAD, y + 9, part, "muted", 12, "prose"))
            y += NOTE
        y += 2
    boxes: list[Box] = []
    for row in sorted({node.row for node in nodes}):
        of_row = [node for node in nodes if node.row == row]
        boxes += [box(node, columns[PLACES[node.kind]], y) for node in of_row]
        y += max(height(node) for node in of_row) + STEP
    bottom = y - STEP + LANE_PAD if boxes else y
    arrows = tuple(_arrows(picture.edges, {one.node.id: one for one in boxes}))
    whole = Area(area.x, area.y, area.width, bottom - area.y)
    return Lane(whole, nic, tuple(texts), tuple(chips), tuple(boxes), arrows)


def _arrows(edges: Sequence[Edge], boxes: Mapping[str, Box]) -> Iterator[Arrow]:
    for edge in edges:
        if edge.start not in boxes:
            continue
        start, end = boxes[edge.start].area, boxes[edge.end].area
        y = start.y + HEAD / 2
        words = edge.words()
        label = None
        if words:
            look: Look = "muted" if edge.mark is Mark.NONE else "bad"
            middle = (start.right + end.x - width(words, 11)) / 2 - 3
            label = Text(middle, y - 5, words, look, 11, centred=True)
        yield Arrow(start.right, end.x, y, edge.mark, label)


def _legend(picture: Picture, y: float) -> tuple[list[Text], tuple[Chip, ...], float]:
    """The marks that occur with their meaning; nothing without drift."""
    texts: list[Text] = []
    chips: list[Chip] = []
    entries = picture.legend()
    room = max((chip_width(mark.value) for mark, _ in entries), default=0.0)
    for mark, words in entries:
        y += 22
        chips.append(chip(MARGIN + chip_width(mark.value), y, mark.value, "bad"))
        texts.append(Text(MARGIN + room + PAD, y + 4, words, "muted", 12, "prose"))
    return texts, tuple(chips), y + (PAD if entries else 0)
