"""The packages that the tests look at: built once a session, as a person would build them.

The build downloads what .cache/packages lacks; a second run is offline.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging import deb, rpm

ROOT = Path(__file__).parents[2]
EPOCH_S = 1_700_000_000


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything for amd64, built twice with the same result, at the time EPOCH_S."""
    folder = tmp_path_factory.mktemp("made")
    said = build(folder, "--twice")
    assert said.startswith("built twice, in two folders: not a byte differs\n")
    return folder


@pytest.fixture(scope="session")
def package(made: Path) -> deb.Deb:
    """The Debian package."""
    (file,) = made.glob("*.deb")
    return deb.read(file)


@pytest.fixture(scope="session")
def rpm_package(made: Path) -> rpm.Rpm:
    """The RPM package."""
    (file,) = made.glob("*.rpm")
    return rpm.read(file)


@pytest.fixture(scope="session")
def root(package: deb.Deb, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, unpacked in a folder of its own."""
    return package.unpack(tmp_path_factory.mktemp("root"))


def build(into: Path, *words: str) -> str:
    """Run the build for amd64; returns what it said."""
    command = ["packaging/packages.sh", "--arch=amd64", f"--into={into}", *words]
    ran = run(command, PYTHON=sys.executable)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the build in the project's folder, at the time EPOCH_S."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH_S), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
