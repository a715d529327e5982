"""Figures to a picture: one bar for each figure with a target, measured in parts of that target.
Pure SVG.

Where single measurements are known, the bar bears their box (quartiles, median) and whiskers (1 %
to 99 %).
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.figures import Figure, number, quantile

_ROW, _LEFT, _WIDTH, _RIGHT = 26, 560, 340, 160
_MOST = 2.0
"""Parts of the target that fit into the picture; a longer bar ends in an arrow."""
_OK, _MISSED, _INK, _PALE = "#4c8c6b", "#b4532a", "#222222", "#cccccc"


def svg(figures: Sequence[Figure]) -> str:
    """The picture of all figures that have a target."""
    judged = [figure for figure in figures if figure.of_target is not None]
    height, limit = _ROW * (len(judged) + 2), _x(1.0)
    parts = [
        _element("rect", width="100%", height="100%", fill="#ffffff"),
        _element("text", "target", x=limit, y=16, text_anchor="middle"),
        _line(limit, 20, limit, height - 8, stroke_dasharray="4 3"),
    ]
    for row, figure in enumerate(judged, 1):
        parts += _row(figure, row * _ROW + _ROW // 2)
    attributes: dict[str, str | int] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "width": _LEFT + _WIDTH + _RIGHT,
        "height": height,
        "font_family": "sans-serif",
        "font_size": 12,
        "fill": _INK,
    }
    return _element("svg", "\n".join(("", *parts, "")), **attributes) + "\n"


def _row(figure: Figure, y: int) -> list[str]:
    part = figure.of_target or 0.0
    colour = _OK if figure.verdict == "ok" else _MISSED
    name = escape(f"{figure.group}: {figure.name}")
    words = escape(f"{number(figure.value)} {figure.unit} {figure.verdict}")
    more = "\N{RIGHTWARDS ARROW} " if part > _MOST else ""
    return [
        _element("text", name, x=_LEFT - 10, y=y + 4, text_anchor="end"),
        _element("rect", x=_LEFT, y=y - 7, width=_x(part) - _LEFT, height=14, fill=colour),
        *_box(figure, y),
        _element("text", more + words, x=_LEFT + _WIDTH + 10, y=y + 4),
    ]


def _box(figure: Figure, y: int) -> list[str]:
    if not figure.samples or not figure.target:
        return []
    low, first, middle, third, high = (
        _x(quantile(figure.samples, part) / figure.target) for part in (0.01, 0.25, 0.5, 0.75, 0.99)
    )
    width = max(1, third - first)
    return [
        _line(low, y, high, y),
        _element("rect", "", x=first, y=y - 4, width=width, height=8, fill=_PALE, stroke=_INK),
        _line(middle, y - 4, middle, y + 4, stroke_width=2),
    ]


def _line(x1: int, y1: int, x2: int, y2: int, **attributes: str | int) -> str:
    return _element("line", "", x1=x1, y1=y1, x2=x2, y2=y2, stroke=_INK, **attributes)


def _element(name: str, inside: str = "", /, **attributes: str | int) -> str:
    """One element; an underscore in an attribute's name stands for a hyphen."""
    words = (f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f"<{name}{''.join(words)}>{inside}</{name}>"


def _x(part: float) -> int:
    """The place of a part of the target on the picture's scale."""
    return _LEFT + round(min(part, _MOST) / _MOST * _WIDTH)
