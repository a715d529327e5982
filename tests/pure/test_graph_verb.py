"""``srcroutctl graph`` as it is typed: formats, files, NICs, exit codes; and the examples in its
page of documentation.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from srcroutd.cli.parser import parser
from srcroutd.cli.sight import chosen
from srcroutd.cli.verbs import graph
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import View
from srcroutd.export.graph.document import document
from srcroutd.export.graph.registry import FORMATS, drawing
from srcroutd.export.graph.scene import scene
from srcroutd.export.graph.terminal import terminal, text
from tests.pure.graphs import host, numbered, three_enis

PAGE = Path(__file__).parents[2] / "docs/graph.md"


def typed(view: View, *words: str) -> int:
    """Type ``srcroutctl graph WORDS`` on a host with that view; returns the exit code."""
    return graph.draw(view, parser().parse_args(["graph", *words]))


def test_drift_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(host(numbered(1))) == Exit.OK
    assert typed(three_enis()) == Exit.DRIFT
    assert typed(three_enis(), "--nic", "eth1") == Exit.DRIFT
    assert typed(replace(three_enis(), in_sync=True), "--nic", "eth1") == Exit.OK
    assert "[missing]" in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_gets_what_the_terminal_would(
    form: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    typed(three_enis(), "--format", form)
    shown = capfdbinary.readouterr().out
    typed(three_enis(), "--format", form, "--output", str(tmp_path / "picture"))
    assert capfdbinary.readouterr().out == b""
    assert (tmp_path / "picture").read_bytes() == shown
    assert shown.endswith(b"\n")


def test_each_format_is_what_it_says(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    starts = {"terminal": "drift:", "svg": "<svg ", "dot": "digraph ", "mermaid": "%%{init"}
    assert set(starts) == set(FORMATS)
    for form, start in starts.items():
        typed(three_enis(), "--format", form)
        assert capfdbinary.readouterr().out.decode().startswith(start)
    typed(three_enis(), "--format", "svg")
    ET.fromstring(capfdbinary.readouterr().out)


def test_json_is_versioned(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert typed(three_enis(), "--json") == Exit.DRIFT
    whole = json.loads(capfdbinary.readouterr().out)
    assert (whole["version"], whole["kind"]) == (1, "srcroutd.graph")


def test_ascii_is_ascii(capfd: pytest.CaptureFixture[str]) -> None:
    typed(three_enis(), "--ascii")
    assert capfd.readouterr().out.isascii()


def test_only_the_nics_asked_for_are_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    typed(three_enis(), "--nic", "eth2", "--nic", "eth0")
    said = capfd.readouterr().out
    assert "┌─ eth0" in said
    assert "┌─ eth2" in said
    assert "eth1" not in said


def test_an_unknown_nic_names_the_nearest() -> None:
    with pytest.raises(OperatorError, match=r"'eth22' is no NIC.*do you mean eth2\?") as raised:
        typed(three_enis(), "--nic", "eth22")
    assert raised.value.exit_code == Exit.USAGE


def test_an_unknown_format_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        typed(three_enis(), "--format", "mermaids")
    assert raised.value.code == Exit.USAGE
    assert "do you mean mermaid?" in capsys.readouterr().err


def test_two_formats_at_once_are_refused() -> None:
    with pytest.raises(OperatorError, match="leave one of them out"):
        typed(three_enis(), "--json", "--format", "dot")


def test_a_file_that_cannot_be_written_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"cannot write .*none/x: No such file.*next:"):
        typed(three_enis(), "--output", str(tmp_path / "none" / "x"))


def examples() -> dict[str, str]:
    """The page's examples by the language of their fence."""
    one = chosen(three_enis(), ["eth2"])
    picture = scene(one)
    whole = json.loads(document(picture))
    whole["nodes"] = [node for node in whole["nodes"] if node["id"] in {"nic1", "nic1gateway0"}]
    whole["edges"] = whole["edges"][-1:]
    return {
        "text": text(terminal(picture)),
        "dot": drawing("dot")(picture),
        "mermaid": drawing("mermaid")(picture),
        "json": json.dumps(whole, indent=2) + "\n",
    }


def test_the_pages_examples_are_what_is_drawn() -> None:
    before = PAGE.read_text("utf-8")
    now = before
    for language, example in examples().items():
        block = re.compile(rf"(^```{language}\n).*?(^```$)", re.DOTALL | re.MULTILINE)
        assert len(block.findall(before)) == 1, language
        now = block.sub(lambda found, example=example: found[1] + example + found[2], now)  # type: ignore[misc]
    if now != before:
        PAGE.write_text(now, "utf-8")
    assert now == before, f"{PAGE.name} was out of date; it is written anew: look at it"
