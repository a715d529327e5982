"""A measured figure as a value: what it was, what it was to be, and the words for the difference.

Pure: no clock and no kernel. Targets are upper limits; times are in the unit that the figure names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``samples`` are the single measurements behind ``value``, in the same unit."""

    group: str
    name: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""
    samples: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """``ok`` or ``MISSED``; empty where there is no target."""
        if self.target is None:
            return ""
        return "ok" if self.value <= self.target else "MISSED"

    @property
    def of_target(self) -> float | None:
        """The value as a part of its target: 1 is the limit. None without a target to divide by."""
        return self.value / self.target if self.target else None

    def as_json(self) -> dict[str, Any]:
        """All of it, for build/bench.json, with the two words a reader would compute."""
        return asdict(self) | {"verdict": self.verdict, "of_target": self.of_target}


def figure_from(content: Mapping[str, Any]) -> Figure:
    """The figure that a group's process reported as JSON; the inverse of ``as_json``."""
    fields = {name: content[name] for name in ("group", "name", "value", "unit", "target", "note")}
    return Figure(**fields, samples=tuple(content["samples"]))


def quantile(samples: Sequence[float], part: float) -> float:
    """The smallest sample that at least ``part`` (0..1) of all samples do not exceed (nearest
    rank).
    """
    ranked = sorted(samples)
    return ranked[max(0, ceil(part * len(ranked)) - 1)]


def median(samples: Sequence[float]) -> float:
    """The middle sample, or half-way between the middle two."""
    ranked, half = sorted(samples), len(samples) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def number(value: float) -> str:
    """A number with as many digits as a person compares: three, and no exponent."""
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"
