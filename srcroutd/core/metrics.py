"""Figures as values, and as text in OpenMetrics 1.0: counters, gauges and histograms with a few
labels each.

Sorted, so that the same figures give the same bytes. Source of the format: the OpenMetrics
specification, 1.0 (ABNF and "Metric types").
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Type = Literal["counter", "gauge", "histogram", "info"]
Labels = tuple[tuple[str, str], ...]
"""Names and values of the labels of one figure, sorted by name."""


def labels(**given: str) -> Labels:
    """Labels by name."""
    return tuple(sorted(given.items()))


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a value fell below each bound; the last count is for what lies above all."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0

    @classmethod
    def empty(cls, *bounds: float) -> "Histogram":
        """Nothing counted yet."""
        return cls(bounds, (0,) * (len(bounds) + 1))

    def with_value(self, value: float) -> "Histogram":
        """The same with one more value."""
        place = bisect_left(self.bounds, value)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return replace(self, counts=counts, total=self.total + value)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of figures. ``name`` is without the ending that its type gives (``_total``,
    ``_info``); where it has a unit, that is its last word.
    """

    name: str
    type: Type
    help: str
    figures: Mapping[Labels, float | Histogram]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Metrics:
    """All the figures of a moment."""

    metrics: tuple[Metric, ...]

    def text(self) -> str:
        """The whole exposition, with its end."""
        lines: list[str] = []
        for metric in sorted(self.metrics, key=lambda metric: metric.name):
            lines.append(f"# TYPE {metric.name} {metric.type}")
            if metric.unit:
                lines.append(f"# UNIT {metric.name} {metric.unit}")
            lines.append(f"# HELP {metric.name} {_escaped(metric.help)}")
            for given, figure in sorted(metric.figures.items(), key=lambda item: item[0]):
                lines += _samples(metric, given, figure)
        return "\n".join([*lines, "# EOF", ""])

    def value(self, name: str, **given: str) -> float | Histogram | None:
        """One figure, by the name of its family and its labels; None if there is none."""
        wanted = labels(**given)
        return next(
            (metric.figures.get(wanted) for metric in self.metrics if metric.name == name), None
        )


_ENDING: Mapping[Type, str] = {"counter": "_total", "gauge": "", "info": "_info"}


def _samples(metric: Metric, given: Labels, figure: float | Histogram) -> Iterator[str]:
    name = metric.name
    if not isinstance(figure, Histogram):
        yield f"{name}{_ENDING[metric.type]}{_braced(given)} {_number(figure)}"
        return
    below = 0
    for bound, count in zip((*figure.bounds, math.inf), figure.counts, strict=True):
        below += count
        yield f"{name}_bucket{_braced((*given, ('le', _number(float(bound)))))} {below}"
    yield f"{name}_count{_braced(given)} {below}"
    yield f"{name}_sum{_braced(given)} {_number(figure.total)}"


def _braced(given: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in given)
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    return str(value) if isinstance(value, int) else repr(float(value))
