"""Rectangles and texts of a drawing, and how wide a text is before anybody has drawn it.

What stands in boxes is set in a font of one width, so its room is known whatever the font; the
figures are those of the widest common fonts (pixels at size 1).
"""

from dataclasses import dataclass
from typing import Literal

MONO = 0.62
SIZE = 12.0
CELL = MONO * SIZE
"""Width of one column of the text in boxes."""

LATIN = "\u024f"
"""The last letter that a font for Latin has."""

Face = Literal["mono", "prose"]
Look = Literal["ink", "muted", "strong", "bad", "chip", "good", "warning", "quiet"]


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle; pixels, y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; ``y`` is its baseline."""

    x: float
    y: float
    content: str
    look: Look = "ink"
    size: float = SIZE
    face: Face = "mono"
    centred: bool = False
    """Whether it is to stand in the middle of its room, should it take less."""

    @property
    def width(self) -> float:
        """The room it takes."""
        return width(self.content, self.size, self.face)


@dataclass(frozen=True, slots=True)
class Chip:
    """A word on a filled, rounded rectangle."""

    area: Area
    text: Text
    look: Look


def columns(content: str) -> int:
    """Columns that a text takes in a font of one width. What is not Latin comes from another font,
    where nobody knows: two are enough.
    """
    return len(content) if content.isascii() else sum(1 if one <= LATIN else 2 for one in content)


def width(content: str, size: float = SIZE, face: Face = "mono") -> float:
    """The room that a text takes, rather too much than too little."""
    if face == "mono":
        return columns(content) * MONO * size
    return size * sum(_prose(one) for one in content)


def chip(right: float, middle: float, content: str, look: Look) -> Chip:
    """A chip that ends at ``right``, around the line ``middle``."""
    size = 11.0
    room = width(content, size) + 14
    area = Area(right - room, middle - 8, room, 16)
    return Chip(area, Text(area.x + 7, middle + 4, content, "chip", size, centred=True), look)


def chip_width(content: str) -> float:
    """The room that a chip takes, 0 without a word."""
    return chip(0, 0, content, "bad").area.width if content else 0.0


def _prose(one: str) -> float:
    """The widest of the common fonts for screens, by class of letter."""
    if one in "mwMW@%—" or not one.isascii():
        return 1.1
    return 0.8 if one.isupper() else 0.36 if one in " .,:;'il|" else 0.65
