"""What the pictures and completions are made for reads them: graphviz, zsh and fish themselves."""

import subprocess
from pathlib import Path

import pytest

from srcroutd.export.graph.dot import dot
from srcroutd.export.graph.scene import scene
from tests.pure.graphs import NASTY, named, three_enis

COMPLETIONS = Path(__file__).parents[2] / "packaging" / "completions"


def run(tools: str, script: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a shell script with the neighbours' programs first in PATH."""
    command = ["sh", "-c", f"{tools}\n{script}"]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def plugins(neighbours: Path) -> str:
    """Shell words that have graphviz find its plugins, which its package registers at install."""
    (core,) = (neighbours / "usr/lib").rglob("graphviz")
    return f'export GVBINDIR="{core}"; dot -c'


@pytest.mark.parametrize("name", NASTY)
def test_graphviz_draws_it(tools: str, plugins: str, name: str) -> None:
    for whole in (named(name), three_enis()):
        done = run(tools, f"{plugins}; dot -Tsvg", dot(scene(whole)))
        assert (done.returncode, done.stderr) == (0, "")
        assert "<svg" in done.stdout


@pytest.mark.parametrize("program", ["srcroutctl", "srcroutd"])
def test_zsh_and_fish_read_the_completions(tools: str, program: str) -> None:
    for command in (
        f"zsh -fn {COMPLETIONS}/_{program}",
        f"fish --no-config --no-execute {COMPLETIONS}/{program}.fish",
    ):
        done = run(tools, command)
        assert (done.returncode, done.stderr) == (0, ""), command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("srcroutctl pl", ["plan"]),
        ("srcroutctl lab at", ["attach"]),
        ("srcroutctl plan --js", ["--json"]),
        ("srcroutctl export net", ["netplan", "networkd"]),
        ("srcroutd --log j", ["journal", "json"]),
    ],
)
def test_fish_completes(
    tools: str, neighbours: Path, tmp_path: Path, line: str, words: list[str]
) -> None:
    functions = neighbours / "usr/share/fish/functions"
    program = line.split(maxsplit=1)[0]
    script = (
        f"HOME={tmp_path} fish --no-config -c "
        f"'set fish_function_path {functions}; source {COMPLETIONS}/{program}.fish; "
        f'complete -C "{line}"\''
    )
    done = run(tools, script)
    assert done.stderr == ""
    assert sorted(said.split("\t")[0] for said in done.stdout.splitlines()) == words
