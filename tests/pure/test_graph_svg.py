"""The SVG as somebody's viewer gets it: nothing overlaps, nothing overflows, nothing from outside
is taken for markup, and the picture in the documentation is the one that is drawn.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.join import State
from srcroutd.core.view import View
from srcroutd.export.graph.scene import scene
from srcroutd.export.graph.svg import svg
from tests.pure.graphs import (
    HOSTILE,
    Thing,
    host,
    numbered,
    routes_of,
    rules_of,
    three_enis,
    told,
)
from tests.pure.views import kept, view

SVG = "{http://www.w3.org/2000/svg}"
DOCUMENTED = Path(__file__).parents[2] / "docs/pictures/three-enis.svg"
WIDEST = 0.602
"""Width of a column in DejaVu Sans Mono and Menlo, in font sizes: the widest of the fonts named."""
Rectangle = tuple[float, float, float, float]


def drawn(whole: View) -> ET.Element:
    return ET.fromstring(svg(scene(whole)))


def rectangle(element: ET.Element) -> Rectangle:
    """Left, upper, right and lower edge."""
    x, y, width, height = (float(element.get(name, "0")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def rectangles(root: ET.Element, *kinds: str) -> list[Rectangle]:
    return [rectangle(one) for one in root.iter(f"{SVG}rect") if one.get("class") in kinds]


def extent(text: ET.Element) -> Rectangle:
    """The room that a text of one width takes."""
    size, content = float(text.get("font-size", "0")), text.text or ""
    wide = sum(2 if one > "\u024f" else 1 for one in content) * WIDEST * size
    x, y = float(text.get("x", "0")), float(text.get("y", "0"))
    if text.get("text-anchor") == "middle":
        x -= wide / 2
    return x, y - 0.8 * size, x + wide, y + 0.25 * size


def apart(one: Rectangle, other: Rectangle) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def within(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        inner[0] >= outer[0]
        and inner[1] >= outer[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def inset(outer: Rectangle, by: float) -> Rectangle:
    """A rectangle without a margin at its left and right."""
    return outer[0] + by, outer[1], outer[2] - by, outer[3]


def boxes(root: ET.Element) -> Iterator[tuple[Rectangle, list[ET.Element]]]:
    """Each box with the texts that belong to it."""
    for group in root.iter(f"{SVG}g"):
        if group.get("id"):
            outer = group.find(f"{SVG}rect")
            assert outer is not None
            yield rectangle(outer), list(group.iter(f"{SVG}text"))


def heads(root: ET.Element) -> Iterator[tuple[Rectangle, list[Rectangle]]]:
    """Each lane with the room of what stands in its head."""
    for group in root.iter(f"{SVG}g"):
        if not group.get("id"):
            lane, _, *chips = map(rectangle, group.findall(f"{SVG}rect"))
            words = [
                one for one in group.findall(f"{SVG}text") if "chip" not in str(one.get("class"))
            ]
            told = [extent(one) for one in words if float(one.get("y", "0")) < lane[1] + 40]
            yield lane, [*chips, *told]


def arrows(root: ET.Element) -> list[Rectangle]:
    lines = [one for one in root.iter(f"{SVG}line") if one.get("class") in {"arrow", "broken"}]
    ends = [[float(one.get(name, "0")) for name in ("x1", "y1", "x2", "y2")] for one in lines]
    return [(left, upper, right + 8, lower) for left, upper, right, lower in ends]  # and the head


def assert_well_laid(root: ET.Element) -> None:
    """Nothing overlaps that should not, nothing leaves what it belongs to."""
    canvas = (0.0, 0.0, float(root.get("width", "0")), float(root.get("height", "0")))
    lanes, placed = rectangles(root, "lane"), list(boxes(root))
    for one, other in combinations(lanes, 2):
        assert apart(one, other)
    for one, other in combinations([outer for outer, _ in placed], 2):
        assert apart(one, other)
    for outer, texts in placed:
        assert any(within(outer, lane) for lane in lanes)
        for text in texts:
            assert within(extent(text), inset(outer, 6)), text.text
        for first, second in combinations(texts, 2):
            assert apart(extent(first), extent(second)), (first.text, second.text)
    for lane, parts in heads(root):
        assert all(within(part, lane) for part in parts)
        assert all(apart(one, other) for one, other in combinations(parts, 2))
    for arrow in arrows(root):
        assert arrow[0] < arrow[2]
        for outer, _ in placed:
            assert apart(arrow, outer) or arrow[0] >= outer[2] or arrow[2] <= outer[0]
    for text in root.iter(f"{SVG}text"):
        if "mono" in (text.get("class") or ""):
            assert within(extent(text), canvas), text.text


names = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(min_size=1, max_size=15),
    st.from_regex(r"e[a-z0-9]{1,14}", fullmatch=True),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Hosts of all kinds: few and many NICs and addresses, any drift, any name, any state."""
    nics = [
        numbered(
            number,
            addresses=draw(st.sampled_from([1, 1, 2, 5, 9, 10, 24])),
            v6=draw(st.booleans()),
            prefixes=draw(st.integers(0, 3)),
        )
        for number in range(1, 1 + draw(st.sampled_from([1, 1, 2, 3, 18])))
    ]
    for at, one in enumerate(nics):
        if draw(st.booleans()):
            link = replace(one.link, name=draw(names), up=draw(st.booleans()))
            nics[at] = replace(one, link=link, eni=replace(one.eni, id=draw(st.text(max_size=80))))
    things: list[Thing] = []
    for one in nics:
        things += [*rules_of(one), *routes_of(one)]
    lost = draw(st.lists(st.sampled_from(things), max_size=6))
    gone = numbered(40, addresses=2)
    strays: list[Thing] = [*rules_of(gone), *routes_of(gone)]
    stray = draw(st.lists(st.sampled_from(strays), max_size=4))
    whole = host(*nics, lost=lost, stray=dict.fromkeys(stray))
    states = st.sampled_from(
        [State.MANAGED, State.KEPT, State.REFUSED, State.WAITING, State.LEFT_ALONE]
    )
    changed = tuple(
        replace(one, state=draw(states), why=draw(st.text(max_size=200)))
        if draw(st.booleans())
        else one
        for one in whole.nics
    )
    return replace(whole, nics=changed, conflicts=tuple(draw(st.lists(st.text(), max_size=2))))


@given(views())
@settings(max_examples=120, deadline=None)
def test_whatever_the_host_nothing_overlaps_and_nothing_overflows(whole: View) -> None:
    assert_well_laid(drawn(whole))


@pytest.mark.parametrize("number", [1, 2, 3, 8, 16, 60])
def test_any_number_of_nics_with_the_longest_addresses_is_well_laid(number: int) -> None:
    nics = [numbered(one, addresses=64) for one in range(1, number + 1)]
    root = drawn(host(*nics))
    assert_well_laid(root)
    assert len(rectangles(root, "lane")) == number + 2


def test_drift_is_red_and_says_so() -> None:
    root = drawn(three_enis())
    said = [one.text for one in root.iter(f"{SVG}text") if "chip" in (one.get("class") or "")]
    assert {"missing", "to delete", "to replace", "drift (7)"} <= set(said)
    assert len(rectangles(root, "drift")) == 2
    assert [one.get("class") for one in root.iter(f"{SVG}line")].count("broken") == 1
    assert "text.bad { fill: #b3261e" in svg(scene(three_enis()))


def test_in_sync_nothing_is_red_and_no_legend_is_there() -> None:
    root = drawn(host(numbered(1)))
    assert rectangles(root, "drift", "bad") == []
    assert not any("bad" in (one.get("class") or "") for one in root.iter())
    assert "wanted, but not in the kernel" not in svg(scene(host(numbered(1))))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_stay_text(name: str) -> None:
    one = numbered(1)
    one = replace(one, link=replace(one.link, name=name), eni=replace(one.eni, id=name))
    root = drawn(host(one))
    assert_well_laid(root)
    known = {"svg", "title", "desc", "style", "rect", "text", "line", "polygon", "g"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= known
    shown = [text.text for text in root.iter(f"{SVG}text")]
    visible = name.isprintable()
    assert (name in shown) == visible
    assert all(one.isprintable() for text in shown for one in text or "")


def test_the_file_needs_nothing_else_and_is_readable_anywhere() -> None:
    document = svg(scene(three_enis()))
    assert re.findall(r"https?://[^\"]*", document) == ["http://www.w3.org/2000/svg"]
    for word in ("<script", "href", "@import", "@font-face", "url(", "<image", "foreignObject"):
        assert word not in document
    root = ET.fromstring(document)
    first = root.find(f"{SVG}rect")
    assert first is not None
    assert first.get("fill") == "#ffffff"
    assert rectangle(first)[2:] == (float(root.get("width", "")), float(root.get("height", "")))


def test_those_who_cannot_see_it_get_the_same_in_words() -> None:
    picture = scene(three_enis())
    root = ET.fromstring(svg(picture))
    assert root.get("role") == "img"
    labels = {one.get("id"): one.text or "" for one in root if one.get("id")}
    assert set((root.get("aria-labelledby") or "").split()) == set(labels)
    for node in picture.nodes:
        for words in told(picture, node.id):
            assert words in labels["desc"]


def test_the_same_view_gives_the_same_bytes() -> None:
    assert svg(scene(three_enis())) == svg(scene(three_enis()))


def test_a_view_without_any_nic_is_a_picture_too() -> None:
    assert_well_laid(drawn(replace(view(), nics=())))


def test_only_nics_that_wait_take_no_room_for_tables() -> None:
    waiting = [one for one in view().nics if one.state is State.WAITING]
    assert_well_laid(drawn(replace(view(), nics=tuple(waiting))))
    assert "finds its way in" not in svg(scene(replace(view(), nics=tuple(waiting))))


def test_a_nic_left_alone_beside_none_that_is_kept_has_room_for_its_arrows_words() -> None:
    alone = [one for one in view().nics if one.state is State.LEFT_ALONE]
    root = drawn(replace(view(), nics=tuple(alone)))
    (label,) = [one for one in root.iter(f"{SVG}text") if one.text == "no rules of srcroutd"]
    assert all(apart(extent(label), outer) for outer, _ in boxes(root))


def test_the_picture_in_the_documentation_is_the_one_that_is_drawn() -> None:
    now = svg(scene(three_enis()))
    before = DOCUMENTED.read_text("utf-8") if DOCUMENTED.exists() else ""
    if now != before:
        DOCUMENTED.write_text(now, "utf-8")
    assert now == before, f"{DOCUMENTED.name} was out of date; it is written anew: look at it"


def test_a_picture_of_little_is_as_wide_as_its_longest_head() -> None:
    one = numbered(1)
    one = replace(one, link=replace(one.link, name="e" * 15), eni=replace(one.eni, id="i" * 64))
    refused = replace(kept(one), state=State.REFUSED, seat=0, why="all numbers are taken")
    assert_well_laid(drawn(replace(view(), nics=(replace(refused, addresses=()),))))


def test_kept_nics_are_drawn_like_managed_ones() -> None:
    whole = host(numbered(1))
    still = replace(
        whole, nics=(replace(kept(numbered(1)), state=State.KEPT, why="no longer listed"),)
    )
    root = drawn(still)
    assert len(list(boxes(root))) == 8
    assert "no longer listed" in [text.text for text in root.iter(f"{SVG}text")]
