"""Figures to a picture: one bar for each figure with a target, measured in parts of that target. Pure SVG.

Where single measurements are known, the bar bears their box (quartiles, median) and whiskers (1 % to 99 %).
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.figures import Figure, number, quantile

_ROW, _LEFT, _WIDTH, _RIGHT = 26, 430, 420, 190
_MOST = 2.0
"""Parts of the target that fit into the picture; a longer bar ends in an arrow."""
_OK, _MISSED, _INK, _PALE = "#4c8c6b", "#b4532a", "#222222", "#cccccc"


def svg(figures: Sequence[Figure]) -> str:
    """The picture of all figures that have a target."""
    judged = [figure for figure in figures if figure.of_target is not None]
    height = _ROW * (len(judged) + 2)
    limit = _x(1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" height="{height}" '
        f'font-family="sans-serif" font-size="13" fill="{_INK}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{limit}" y="16" text-anchor="middle">target</text>',
        f'<line x1="{limit}" y1="20" x2="{limit}" y2="{height - 8}" stroke="{_INK}" stroke-dasharray="4 3"/>',
    ]
    for row, figure in enumerate(judged, 1):
        parts += _row(figure, row * _ROW + _ROW // 2)
    return "\n".join([*parts, "</svg>", ""])


def _row(figure: Figure, y: int) -> list[str]:
    part = figure.of_target or 0.0
    colour = _OK if figure.verdict == "ok" else _MISSED
    words = f"{number(figure.value)} {figure.unit} {figure.verdict}"
    more = "→ " if part > _MOST else ""
    end = _LEFT + _WIDTH + 10
    return [
        f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(f"{figure.group}: {figure.name}")}</text>',
        f'<rect x="{_LEFT}" y="{y - 7}" width="{_x(part) - _LEFT}" height="14" fill="{colour}"/>',
        *_box(figure, y),
        f'<text x="{end}" y="{y + 4}">{more}{escape(words)}</text>',
    ]


def _box(figure: Figure, y: int) -> list[str]:
    if not figure.samples or not figure.target:
        return []
    low, first, middle, third, high = (
        _x(quantile(figure.samples, part) / figure.target) for part in (0.01, 0.25, 0.5, 0.75, 0.99)
    )
    return [
        f'<line x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke="{_INK}"/>',
        f'<rect x="{first}" y="{y - 4}" width="{max(1, third - first)}" height="8" fill="{_PALE}" stroke="{_INK}"/>',
        f'<line x1="{middle}" y1="{y - 4}" x2="{middle}" y2="{y + 4}" stroke="{_INK}" stroke-width="2"/>',
    ]


def _x(part: float) -> int:
    """The place of a part of the target on the picture's scale."""
    return _LEFT + round(min(part, _MOST) / _MOST * _WIDTH)
