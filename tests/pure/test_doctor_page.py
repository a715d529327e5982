"""Every finding has its section in docs/doctor.md, in the same order; no section is left over."""

import re
from pathlib import Path

from srcroutd.doctor.finding import Severity, Slug

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
CHECKS = Path(__file__).parents[2] / "srcroutd" / "doctor" / "checks"


def test_the_page_has_one_section_a_finding_in_the_order_of_the_list() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(Slug)


def test_each_section_begins_with_how_much_it_matters() -> None:
    for slug, text in re.findall(r"^## (.+)\n\n(.+?)[.;:] ", PAGE, re.MULTILINE):
        words = set(text.lower().replace(",", "").split()) - {"or"}
        assert words <= set(Severity), slug


def test_no_finding_of_the_list_is_without_a_check() -> None:
    code = "".join(file.read_text() for file in CHECKS.glob("*.py"))
    assert [slug for slug in Slug if f"Slug.{slug.name}" not in code] == []
