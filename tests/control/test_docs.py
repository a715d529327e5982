"""The page about the control socket says everything that there is."""

import json
import re
from pathlib import Path

from srcroutd.control.documents import VERSION
from srcroutd.control.generate import schemas
from srcroutd.control.limits import Limits
from srcroutd.control.pages import CONTROL
from srcroutd.daemon.meter import Meter
from tests.control.openmetrics import parse
from tests.control.world import a_view

PAGE = (Path(__file__).parents[2] / "docs" / "control.md").read_text()
SAID = set(re.findall(r"`([^`\n]+)`", PAGE))
WORDS = {word for said in SAID for word in re.findall(r"[a-z0-9_]+", said)}


def test_every_path_and_option_is_on_the_page() -> None:
    for path, page in CONTROL.items():
        assert any(said.startswith(f"{page.method} {path}") for said in SAID), path
        assert page.switches | page.numbers <= WORDS


def test_every_field_of_every_document_is_on_the_page() -> None:
    for name, text in schemas().items():
        schema = json.loads(text)
        assert f"srcroutd.{name}" in PAGE
        for part in (schema, *schema.get("$defs", {}).values()):
            assert part["properties"].keys() - WORDS - {"version", "kind"} == set(), name
    assert f'"version": {VERSION}' in PAGE


def test_every_figure_is_on_the_page() -> None:
    endings = {"counter": "_total", "info": "_info"}
    for name, family in parse(Meter().metrics(a_view()).text()).items():
        figure = name + endings.get(family.type, "")
        assert any(re.split(r"[{]", said)[0] == figure for said in SAID), figure


def test_the_limits_on_the_page_are_those_in_force() -> None:
    limits = Limits()
    assert f"within {limits.head_s:.0f} s or its answer has not" in PAGE
    assert f"been read within {limits.answer_s:.0f} s" in PAGE
    assert f"nothing for {limits.stall_s:.0f} s" in PAGE
    assert f"may have {limits.each}\nconnections" in PAGE
    assert f"watch by {limits.watchers} of them" in PAGE
    assert f"there are {limits.connections} in all, of which {limits.for_root} are" in PAGE
