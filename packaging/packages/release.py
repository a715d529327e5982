"""Turns this folder into the wheel and the source distribution that pipx and pip install."""

import os
import subprocess
import sys
from pathlib import Path

from packages.refusal import Refused


def epoch_s(root: Path) -> int:
    """The time that all in the packages bears: SOURCE_DATE_EPOCH if set, else that of the last
    commit. Raises Refused.
    """
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
        try:
            told = subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            raise Refused(
                f"{root} is no clone of a git repository, so nobody knows the time of its last "
                "change; next: set SOURCE_DATE_EPOCH to seconds since 1970"
            ) from None
    if not told.isdecimal():
        raise Refused(f"SOURCE_DATE_EPOCH is {told!r}, not a number of seconds since 1970")
    return int(told)


def wheel_sdist(root: Path, time_s: int, to: Path) -> tuple[Path, Path]:
    """Build both with hatchling into the folder ``to``. Raises Refused."""
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(to)],
        cwd=root,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(time_s)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Refused(f"hatchling could not build srcroutd, its own words are:\n{ran.stderr}")
    (wheel,), (sdist,) = to.glob("srcroutd-*.whl"), to.glob("srcroutd-*.tar.gz")
    return wheel, sdist
