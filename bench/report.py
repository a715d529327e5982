"""Figures to words: the table for a terminal, the same as Markdown and as CSV. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from bench.figures import Figure, number

_HEAD = ("figure", "value", "target", "", "of target")


def terminal_line(figure: Figure) -> str:
    """One figure as a row of the table."""
    name, value, target, verdict, part = _cells(figure)
    line = f"  {name:<52} {value:>12}  {target:>10}  {verdict:<6}  {part:>9}".rstrip()
    return f"{line}\n      {figure.note}" if figure.note else line


def summary(figures: Sequence[Figure]) -> str:
    """The last sentence: how many targets were met, and which were not."""
    judged = [figure for figure in figures if figure.verdict]
    missed = [f"{figure.group}: {figure.name}" for figure in judged if figure.verdict == "MISSED"]
    if not missed:
        return f"all {len(judged)} targets are met"
    return (
        f"{len(judged) - len(missed)} of {len(judged)} targets are met; MISSED: {'; '.join(missed)}"
    )


def markdown(figures: Sequence[Figure], machine: Mapping[str, str]) -> str:
    """The page docs/bench/latest.md."""
    lines = [
        "# Figures of one run",
        "",
        "Written by `python -m bench --publish`; not edited by hand.",
        "",
    ]
    lines += [f"* {name}: {words}" for name, words in machine.items()]
    lines += ["", f"{summary(figures)[0].upper()}{summary(figures)[1:]}."]
    for group, members in groupby(figures, key=lambda figure: figure.group):
        lines += [
            "",
            f"## {group}",
            "",
            f"| {' | '.join(_HEAD)} | how |",
            "|---|--:|--:|---|--:|---|",
        ]
        lines += [f"| {' | '.join((*_cells(figure), figure.note))} |" for figure in members]
    return "\n".join(lines) + "\n"


def csv_text(figures: Iterable[Figure]) -> str:
    """One row a figure, numbers unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("group", "figure", "value", "unit", "target", "verdict", "of_target", "note"))
    for figure in figures:
        writer.writerow(
            (
                *(figure.group, figure.name, figure.value, figure.unit),
                *("" if cell is None else cell for cell in (figure.target,)),
                *(
                    figure.verdict,
                    "" if figure.of_target is None else figure.of_target,
                    figure.note,
                ),
            )
        )
    return out.getvalue()


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    target = "" if figure.target is None else _quantity(figure.target, figure.unit)
    part = "" if figure.of_target is None else f"{figure.of_target:.2f}"
    return figure.name, _quantity(figure.value, figure.unit), target, figure.verdict, part


def _quantity(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()
