"""A picture as SVG: one file that needs nothing else, readable on light and dark backgrounds, with
its content in words for those who cannot see it.
"""

from collections.abc import Iterator

from srcroutd.export.graph.boxes import HEAD, Box
from srcroutd.export.graph.layout import Arrow, Lane, Layout, layout
from srcroutd.export.graph.measure import Area, Chip, Text
from srcroutd.export.graph.picture import Mark, Node, Picture

STYLE = """
.mono { font-family: "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace }
.prose { font-family: "DejaVu Sans", "Segoe UI", Helvetica, Arial, sans-serif }
.ink { fill: #1f2a37 } .muted { fill: #5d6b7a } .strong { fill: #111a24; font-weight: bold }
text.bad { fill: #b3261e; font-weight: bold } .chip { fill: #ffffff; font-weight: bold }
rect.bad { fill: #b3261e } rect.good { fill: #2b7049 } rect.warning { fill: #8a5a00 }
rect.quiet { fill: #66727f }
.lane { fill: #f4f6f8; stroke: #dbe1e7 } .box { fill: #ffffff; stroke: #b9c4cf }
.drift { fill: #ffffff; stroke: #b3261e; stroke-width: 1.8 }
.rule { stroke: #e3e8ed } .arrow { stroke: #4a6078; stroke-width: 1.6; fill: none }
.head { fill: #4a6078 } .broken { stroke: #b3261e; stroke-width: 1.6; stroke-dasharray: 5 4 }
.broken-head { fill: #b3261e }
"""


def svg(picture: Picture) -> str:
    """The picture as an SVG document."""
    return "".join(f"{line}\n" for line in _lines(picture, layout(picture)))


def _lines(picture: Picture, placed: Layout) -> Iterator[str]:
    wide, high = _number(placed.area.width), _number(placed.area.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" role="img" aria-labelledby="title desc">'
    )
    yield f'<title id="title">{_escaped(picture.title)}</title>'
    yield f'<desc id="desc">{_escaped(_described(picture))}</desc>'
    yield f"<style>{STYLE}</style>"
    yield f'<rect width="{wide}" height="{high}" fill="#ffffff"/>'
    yield from map(_text, placed.texts)
    for one in placed.chips:
        yield from _chip(one)
    for lane in placed.lanes:
        yield from _lane(lane)
    yield "</svg>"


def _described(picture: Picture) -> str:
    """What the picture shows, in words."""
    said = [f"{picture.summary}."]
    for nic, nodes in picture.lanes():
        said.append(f"{nic.heading()}.")
        said += [_sentence(node) for node in nodes]
    return " ".join(said)


def _sentence(node: Node) -> str:
    return f"{node.title}: {'; '.join(line.words() for line in node.lines)}."


def _lane(lane: Lane) -> Iterator[str]:
    yield "<g>"
    yield _rect(lane.area, "lane", 8)
    edge = Area(lane.area.x, lane.area.y + 10, 4, 20)
    yield _rect(edge, lane.chips[0].look, 2)
    yield from map(_text, lane.texts)
    for one in lane.chips:
        yield from _chip(one)
    for arrow in lane.arrows:
        yield from _arrow(arrow)
    for placed in lane.boxes:
        yield from _box(placed)
    yield "</g>"


def _box(box: Box) -> Iterator[str]:
    area = box.area
    yield f'<g id="{_escaped(box.node.id)}">'
    yield _rect(area, "box" if box.node.mark is Mark.NONE else "drift", 5)
    y = _number(area.y + HEAD - 1.5)
    yield (
        f'<line class="rule" x1="{_number(area.x + 1)}" y1="{y}" '
        f'x2="{_number(area.right - 1)}" y2="{y}"/>'
    )
    yield from map(_text, box.texts)
    for chip in box.chips:
        yield from _chip(chip)
    yield "</g>"


def _arrow(arrow: Arrow) -> Iterator[str]:
    broken = arrow.mark is not Mark.NONE
    x, tip, y = arrow.x, arrow.to_x - 2, arrow.y
    yield (
        f'<line class="{"broken" if broken else "arrow"}" x1="{_number(x)}" y1="{_number(y)}" '
        f'x2="{_number(tip - 8)}" y2="{_number(y)}"/>'
    )
    points = " ".join(
        f"{_number(a)},{_number(b)}" for a, b in ((tip - 9, y - 4.5), (tip, y), (tip - 9, y + 4.5))
    )
    yield f'<polygon class="{"broken-head" if broken else "head"}" points="{points}"/>'
    if arrow.label:
        yield _text(arrow.label)


def _chip(chip: Chip) -> Iterator[str]:
    yield _rect(chip.area, chip.look, 8)
    yield _text(chip.text)


def _rect(area: Area, look: str, radius: int) -> str:
    return (
        f'<rect class="{look}" x="{_number(area.x)}" y="{_number(area.y)}" '
        f'width="{_number(area.width)}" height="{_number(area.height)}" rx="{radius}"/>'
    )


def _text(text: Text) -> str:
    x, anchor = text.x, ""
    if text.centred:
        x, anchor = text.x + text.width / 2, ' text-anchor="middle"'
    return (
        f'<text class="{text.face} {text.look}" x="{_number(x)}" y="{_number(text.y)}"{anchor} '
        f'font-size="{_number(text.size)}" xml:space="preserve">{_escaped(text.content)}</text>'
    )


def _number(value: float) -> str:
    """With one digit after the point, and none where it is 0."""
    return f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    for one, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(one, instead)
    return text
