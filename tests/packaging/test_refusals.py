"""When there will be no package: the sentence, the exit code, and a folder that stays empty."""

import os
import shutil
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, run

CACHE = ROOT / ".cache/packages"
PARTS = ("packaging", "systemd", "srcroutd", "docs/man")
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of what the build reads, beside the cache that the first build has filled."""
    assert made.exists()
    copy = tmp_path / "project"
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    for file in FILES:
        shutil.copyfile(ROOT / file, copy / file)
    return copy


def test_a_file_that_is_missing_is_named(project: Path) -> None:
    (project / "systemd/srcroutd.tmpfiles").unlink()
    missing = f"{project}/systemd/srcroutd.tmpfiles"
    assert _refusal(project) == f"{missing} belongs into the package: No such file or directory"


def test_a_wheel_in_the_cache_that_is_not_the_locked_one_is_refused(
    project: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(CACHE, cache, copy_function=os.link, ignore=shutil.ignore_patterns("tools"))
    wheel = next(cache.glob("wheels-x86_64-*/idna-*.whl"))
    content = wheel.read_bytes()
    wheel.unlink()  # a link: the real one stays as it is
    wheel.write_bytes(content + b"x")
    assert _refusal(project, cache) == f"{wheel}: its hash is not in the lock; remove that folder"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("evil @ file:///tmp/evil", "not a pin and not a hash: 'evil @ file:///tmp/evil'"),
        ("evil==1.0 ; python_version < '4' \\", "the marker \"python_version < '4'\" is new here"),
    ],
)
def test_a_line_of_the_lock_that_is_not_understood_is_refused(
    project: Path, line: str, why: str
) -> None:
    lock = project / "packaging/locks/runtime.txt"
    lock.write_text(f"{line}\n{lock.read_text()}")
    assert _refusal(project) == f"{lock}:1: {why}"


def test_a_time_that_is_no_number_is_refused(project: Path) -> None:
    said = _refusal(project, SOURCE_DATE_EPOCH="yesterday")
    assert said == "SOURCE_DATE_EPOCH is 'yesterday', not a number of seconds since 1970"


def test_without_git_and_without_a_time_the_sentence_says_what_to_set(project: Path) -> None:
    said = _refusal(project, SOURCE_DATE_EPOCH="", GIT_CEILING_DIRECTORIES=str(project.parent))
    assert said.endswith("next: set SOURCE_DATE_EPOCH to seconds since 1970")


def _refusal(project: Path, cache: Path = CACHE, **environment: str) -> str:
    """What the build of this copy says, which must fail and write nothing."""
    python = str(CACHE / "tools/bin/python")
    words = ["--arch=amd64", "--form=deb", f"--into={project}/out", f"--cache={cache}"]
    path = str(project / "packaging")
    ran = run([python, "-m", "packages", *words], PYTHONPATH=path, **environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert not (project / "out").exists()
    (said,) = ran.stderr.splitlines()
    return said.removeprefix("packages: ")
