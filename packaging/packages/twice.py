"""Proves that a build is reproducible: builds twice where all that must not matter is different
(folder, times of files, clock, time zone, umask, order of sets) and compares every byte.

Both builds are of copies of one copy, so somebody may go on working meanwhile.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packages.refusal import Refused
from packages.release import epoch_s

_ELSEWHERE = {"PYTHONHASHSEED": "83", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}


def make_twice(root: Path, to: Path, words: Iterable[str]) -> None:
    """Make what the words ask for in the folder ``to``, and once more. Raises Refused unless both
    are the same.
    """
    time = {"SOURCE_DATE_EPOCH": str(epoch_s(root))}
    with tempfile.TemporaryDirectory(prefix="srcroutd-twice-") as folder:
        first, second = Path(folder) / "src", Path(folder) / "a longer name" / "src"
        _copy(root, first)
        shutil.copytree(first, second, copy_function=shutil.copyfile)
        again = Path(folder) / "again"
        _build(first, [*words, f"--into={to}"], time, 0o022)
        _build(second, [*words, f"--into={again}"], time | _ELSEWHERE, 0o077)
        names = sorted({file.name for at in (to, again) for file in at.iterdir()})
        _, different, missing = filecmp.cmpfiles(to, again, names, shallow=False)
    if unlike := sorted([*different, *missing]):
        raise Refused(f"two builds differ in {', '.join(unlike)}; nothing was written")


def _copy(root: Path, to: Path) -> None:
    """Copy what a clone would hold, and what is not committed yet."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    told = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=False)
    if told.returncode:
        raise Refused(f"{root} is no clone of a git repository: nobody knows what belongs to it")
    for name in told.stdout.decode().split("\0"):
        if name and (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, to / name)


def _build(root: Path, words: Iterable[str], more: Mapping[str, str], umask: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "packages", *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "packaging"), **more},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Refused(f"the build in {root} failed, its own words are:\n{ran.stderr}")
