"""Parser, man pages, completions, example and README say the same: nothing is in one and not in
the other.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srcroutd.cli import srcroutd
from srcroutd.cli.parser import parser, verbs_of
from srcroutd.cli.verbs import VERBS
from srcroutd.core.errors import Exit
from srcroutd.daemon import configaccess, configegress, configload, configshape

ROOT = Path(__file__).parents[2]
MAN = ROOT / "docs" / "man"
EVERYWHERE = {"--socket", "--config", "--state-dir", "--help", "-h", "--json", "--dry-run"}
"""Options that the man page tells once for all verbs."""


def page(name: str) -> str:
    """A man page with its roff escapes for hyphens and fonts taken out."""
    text = (MAN / name).read_text()
    return re.sub(r"\\f[BIR]", "", text).replace(r"\-", "-").replace(r"\(en", "-")


def options_of(one: argparse.ArgumentParser) -> set[str]:
    return {name for action in one._actions for name in action.option_strings}


def told_options(text: str) -> set[str]:
    """The options that stand at the head of a paragraph."""
    heads = re.findall(r"^\.TP\n(-.*)$", text, re.MULTILINE)
    return {word.strip(",") for head in heads for word in head.split() if word.startswith("-")}


def sections(text: str) -> dict[str, str]:
    """The text below each .SS heading, up to the next heading."""
    found = re.split(r"^\.S[SH] (.*)$", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def test_the_daemons_page_has_its_options_and_no_others() -> None:
    assert told_options(page("srcroutd.8")) == options_of(srcroutd.parser())


def test_the_tools_page_has_a_section_for_each_verb() -> None:
    told = [name for name in sections(page("srcroutctl.1")) if name.islower()]
    assert sorted(told) == sorted(verb.name for verb in VERBS)


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS if verb.kind != "lab"])
def test_each_verbs_section_has_its_options_and_no_others(verb: str) -> None:
    known = options_of(verbs_of(parser())[verb]) - EVERYWHERE
    assert told_options(sections(page("srcroutctl.1"))[verb]) == known


def test_the_options_of_every_verb_are_told_once() -> None:
    text = page("srcroutctl.1")
    assert told_options(text) >= EVERYWHERE
    assert options_of(parser()) <= told_options(text)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.kind != "lab"], ids=str)
def test_readers_take_json_and_writers_dry_run(verb: object) -> None:
    one = next(known for known in VERBS if known == verb)
    word = {"reader": "--json", "writer": "--dry-run"}[one.kind]
    assert word in options_of(verbs_of(parser())[one.name])


@pytest.mark.parametrize("name", ["srcroutd.8", "srcroutctl.1"])
def test_the_pages_tell_the_exit_codes(name: str) -> None:
    told = {int(code) for code in re.findall(r"^\.B (\d+)$", page(name), re.MULTILINE)}
    assert told <= set(Exit)
    written = {73} if name == "srcroutctl.1" else set()
    assert told == {0, 1, 64, 69, 70, 71, 75, 77, 78} | written


def test_the_configurations_page_has_each_key_and_no_other() -> None:
    text = page("srcroutd.toml.5")
    told = sections(text)
    for heading, model in (
        ('"TOP LEVEL"', configshape.File),
        ('"[[nic]]"', configshape.Nic),
        ('"[[access]]"', configaccess.Access),
        ('"[[eni]]"', configshape.Eni),
        ('"[[egress]]"', configegress.Egress),
        ('"[[load]]"', configload.Load),
    ):
        heads = re.findall(r"^\.TP\n\.BR? (.*)$", told[heading], re.MULTILINE)
        words = {
            word.strip('"[]').removeprefix("eni.")
            for head in heads
            for word in re.sub(r'" =.*?"(, )?|, |" (?==)', " ", head).split()
            if not word.startswith(('"', "="))
        }
        arrays = {"nic", "eni", "access", "egress", "load"} if model is configshape.File else set()
        known = {field.alias or name for name, field in model.model_fields.items()}
        assert words == known - arrays, heading


@pytest.mark.parametrize("name", ["srcroutd.8", "srcroutctl.1", "srcroutd.toml.5"])
def test_man_has_nothing_to_complain_of(name: str) -> None:
    command = ["man", "--warnings", "--local-file", str(MAN / name)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert max(map(len, re.sub(r".\x08", "", shown.stdout).splitlines())) <= 80


def test_the_completions_are_those_of_the_parser() -> None:
    sys.path.insert(0, str(ROOT / "packaging"))
    try:
        import completions  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(ROOT / "packaging"))
    made: dict[str, str] = completions.files()
    folder = ROOT / "packaging" / "completions"
    assert sorted(made) == sorted(path.name for path in folder.iterdir())
    for name, text in made.items():
        assert (folder / name).read_text() == text, f"{name}: run python packaging/completions.py"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("srcroutctl ", ["status", "explain", "lab", "--socket"]),
        ("srcroutctl pl", ["plan"]),
        ("srcroutctl plan --", ["--json", "--nic"]),
        ("srcroutctl --config x lab u", ["up"]),
        ("srcroutctl lab ", ["run", "attach"]),
        ("srcroutctl plan --nic l", ["lo"]),
        ("srcroutctl export n", ["netplan", "networkd", "nmcli"]),
        ("srcroutd --lo", ["--log"]),
        ("srcroutd --log j", ["journal", "json"]),
    ],
)
def test_bash_completes(line: str, words: list[str]) -> None:
    script = (
        f"source {ROOT}/packaging/completions/srcroutd.bash; "
        'read -ra COMP_WORDS <<<"$1"; [ "${1: -1}" = " " ] && COMP_WORDS+=(""); '
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _srcroutd_complete; echo "${COMPREPLY[@]}"'
    )
    said = subprocess.run(
        ["bash", "-c", script, "bash", line], capture_output=True, text=True, check=True
    )
    assert said.stderr == ""
    assert set(words) <= set(said.stdout.split())
    if not line.endswith((" ", "-")):
        assert set(said.stdout.split()) == set(words)


def test_the_readme_names_each_verb() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [verb.name for verb in VERBS if f"srcroutctl {verb.name}" not in readme] == []
