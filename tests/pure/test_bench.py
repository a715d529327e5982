"""How measured figures become words and pictures; the measuring itself is no test."""

import csv
import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Figure, figure_from, median, number, quantile
from bench.plot import svg
from bench.report import csv_text, markdown, summary, terminal_line

MET = Figure("at rest", "memory", 45.25, "MiB", target=50)
MISSED = Figure("repair", "99th percentile", 3.5, "ms", 2, "200 deletions", (1.0, 1.5, 3.5))
PLAIN = Figure("repair", "a <b> & c", 0.138, "ms")
SAMPLES = st.lists(st.floats(0, 1e9), min_size=1, max_size=50)


def test_a_missed_target_is_said_in_words() -> None:
    assert terminal_line(MISSED).split() == (
        "99th percentile 3.50 ms 2.00 ms MISSED 1.75 200 deletions".split()
    )
    assert summary([MET, MISSED, PLAIN]) == (
        "1 of 2 targets are met; MISSED: repair: 99th percentile"
    )


def test_a_figure_at_its_target_meets_it() -> None:
    assert Figure("g", "n", 2.0, "ms", target=2).verdict == "ok"
    assert Figure("g", "n", 0.0, "lost", target=0).verdict == "ok"
    assert Figure("g", "n", 1.0, "lost", target=0).verdict == "MISSED"


def test_a_figure_without_a_target_has_no_verdict() -> None:
    assert PLAIN.verdict == ""
    assert PLAIN.of_target is None
    assert summary([MET, PLAIN]) == "all 1 targets are met"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.138, "0.138"),
        (0.5, "0.5"),
        (3.456, "3.46"),
        (45.25, "45.2"),
        (16729.4, "16,729"),
    ],
)
def test_numbers_have_three_digits_or_so(value: float, words: str) -> None:
    assert number(value) == words


def test_the_page_has_a_row_for_each_figure() -> None:
    page = markdown([MET, MISSED, PLAIN], {"Python": "3.11"})
    assert "| memory | 45.2 MiB | 50.0 MiB | ok | 0.91 |  |" in page
    assert "| 99th percentile | 3.50 ms | 2.00 ms | MISSED | 1.75 | 200 deletions |" in page
    assert page.index("## at rest") < page.index("## repair")


def test_csv_keeps_numbers_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([MET, MISSED, PLAIN]))))
    assert [row["value"] for row in rows] == ["45.25", "3.5", "0.138"]
    assert [row["target"] for row in rows] == ["50", "2", ""]


def test_the_picture_has_a_bar_for_each_figure_with_a_target() -> None:
    root = ET.fromstring(svg([MET, MISSED, PLAIN]))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        *("target", "at rest: memory", "45.2 MiB ok"),
        *("repair: 99th percentile", "3.50 ms MISSED"),
    ]


def test_names_do_not_break_the_picture() -> None:
    odd = Figure("a & b", "<c>", 9.0, "ms", target=1, samples=(0.0, 9.0))
    assert ET.fromstring(svg([odd])) is not None


def test_a_figure_survives_json() -> None:
    assert figure_from(MISSED.as_json()) == MISSED


@given(SAMPLES, st.floats(0, 1))
def test_a_quantile_is_a_sample_that_enough_samples_do_not_exceed(
    samples: list[float], part: float
) -> None:
    found = quantile(samples, part)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= part * len(samples) - 1e-9


@given(SAMPLES)
def test_the_median_lies_between_the_extremes(samples: list[float]) -> None:
    assert min(samples) <= median(samples) <= max(samples)
