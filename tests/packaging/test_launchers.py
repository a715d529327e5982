"""The small programs in front of Python: which Python they take, and that nothing of the user's
gets into it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from srcroutd import __version__
from tests.packaging.conftest import ROOT

LAUNCHER = (ROOT / "packaging/launch/python").read_text()
FAKE = '#!/bin/sh\necho "${0##*/}" "$@"\n'


@pytest.mark.parametrize(
    ("there", "system", "taken"),
    [
        (["python3.11"], "python3.11", "python3.11"),
        (["python3.12", "python3.13"], "python3.12", "python3.12"),
        (["python3.11", "python3.12", "python3.13", "python3.14"], "python3.13", "python3.13"),
        (["python3.6", "python3.11"], "python3.6", "python3.11"),
        (["python3.9", "python3.11", "python3.12"], "python3.9", "python3.12"),
        (["python3.15", "python3.14"], "python3.15", "python3.14"),
        (["python3.14"], "", "python3.14"),
    ],
)
def test_the_systems_own_python_comes_first_then_the_newest_that_we_serve(
    tmp_path: Path, there: list[str], system: str, taken: str
) -> None:
    ran = _launch(tmp_path, there, system)
    assert (ran.returncode, ran.stdout) == (0, f"{taken} -IS x.py a b  c\n")


@pytest.mark.parametrize(
    ("there", "system"), [([], ""), (["python3.6"], "python3.6"), (["python3.15"], "python3.15")]
)
def test_without_one_a_sentence_says_what_to_install(
    tmp_path: Path, there: list[str], system: str
) -> None:
    ran = _launch(tmp_path, there, system)
    assert (ran.returncode, ran.stdout) == (69, "")
    assert ran.stderr == (
        f"srcroutd needs Python 3.11, 3.12, 3.13 or 3.14 in {tmp_path} and found none; install one "
        "of them, for example the package python3.11\n"
    )


@pytest.mark.parametrize("program", ["srcroutd", "srcroutctl"])
def test_both_programs_start_and_say_their_version(root: Path, program: str) -> None:
    ran = _run(root, program, "--version")
    assert (ran.returncode, ran.stdout) == (0, f"{program} {__version__}\n")


def test_neither_environment_nor_current_folder_gets_in(root: Path, tmp_path: Path) -> None:
    for name in ("srcroutd", "aiohttp", "argparse", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f'raise SystemExit("{name} of a stranger")\n')
    strange = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path), "PYTHONSTARTUP": "x"}
    ran = _run(root, "srcroutctl", "--version", cwd=tmp_path, **strange)
    assert (ran.returncode, ran.stdout) == (0, f"srcroutctl {__version__}\n")


def test_words_go_through_untouched_and_exit_codes_come_back(root: Path, tmp_path: Path) -> None:
    strange = str(tmp_path / "a b; echo $HOME `id` *")
    ran = _run(root, "srcroutctl", "--socket", strange, "status")
    assert ran.returncode == 69
    assert strange in ran.stderr


def test_the_lab_is_in_the_package(root: Path) -> None:
    ran = _run(root, "srcroutctl", "lab", "--help")
    assert ran.returncode == 0
    assert "network namespaces" in ran.stdout


def _launch(folder: Path, there: list[str], system: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher where /usr/bin is this folder, with these Pythons."""
    for name in there:
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    if system:
        (folder / "python3").symlink_to(system)
    launcher = folder / "launcher"
    launcher.write_text(LAUNCHER.replace("/usr/bin", str(folder)))
    return subprocess.run(
        ["sh", launcher, "x.py", "a", "b  c"], capture_output=True, text=True, check=False
    )


def _run(
    root: Path, program: str, *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the package as its launchers do, with the Python of the tests."""
    launcher = (root / "usr/lib/srcroutd/python").read_text()
    assert 'exec "/usr/bin/python$version" -IS "$@"' in launcher
    return subprocess.run(
        [sys.executable, "-IS", root / "usr/lib/srcroutd/run.py", program, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
