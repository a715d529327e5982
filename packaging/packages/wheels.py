"""Turns the pins into wheels for one machine, all Pythons side by side, below .cache/packages.

Every download is checked against the lock by pip, and again each time it is used here: what lies in
a cache is not trusted. A wheel must run on glibc 2.28, so that an RPM system of 2021 is served too.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packages.pins import Pin
from packages.refusal import Refused

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""For each of these the packages bring compiled modules; packaging/launch/python knows the same."""

SOURCE_ONLY = frozenset({"sdnotify"})
"""Published without a wheel: built here, from the source whose hash is in the lock."""

GLIBC = "2.28"
"""What compiled modules may ask for at the most."""

_LIBCS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


def fetch(pins: Iterable[Pin], machine: str, cache: Path) -> dict[Pin, tuple[Path, ...]]:
    """The wheels of each pin for ``machine`` (x86_64, aarch64), by pip where the cache lacks them.

    Raises Refused.
    """
    pins = tuple(pins)
    wanted = "\n".join(str(pin) for pin in pins) + machine + " ".join((*PYTHONS, *_LIBCS))
    folder = cache / f"wheels-{machine}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as started:
            partial = Path(started) / "wheels"
            partial.mkdir()
            _download([pin for pin in pins if pin.name not in SOURCE_ONLY], machine, partial)
            _build([pin for pin in pins if pin.name in SOURCE_ONLY], partial)
            if not folder.is_dir():  # another build may have been faster
                partial.rename(folder)
    return {pin: _of(pin, folder) for pin in pins}


def _download(pins: Iterable[Pin], machine: str, folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{pin}\n" for pin in pins))
    platforms = [f"--platform={libc}_{machine}" for libc in _LIBCS] + ["--platform=any"]
    for python in PYTHONS:
        cp = "cp" + python.replace(".", "")
        _pip(
            *["download", "--no-deps", "--require-hashes", "--only-binary=:all:"],
            *["--implementation=cp", f"--python-version={python}"],
            *[f"--abi={abi}" for abi in (cp, "abi3", "none")],
            *platforms,
            *["--dest", str(folder), "--requirement", str(requirements)],
        )
    requirements.unlink()


def _build(pins: Iterable[Pin], folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{pin}\n" for pin in pins))
    _pip(
        *["wheel", "--no-deps", "--require-hashes", "--no-binary=:all:", "--no-build-isolation"],
        *["--wheel-dir", str(folder), "--requirement", str(requirements)],
    )
    requirements.unlink()


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Refused(f"pip {words[0]} failed, its own words are:\n{ran.stderr.strip()}")


def _of(pin: Pin, folder: Path) -> tuple[Path, ...]:
    prefix = f"{pin.name.replace('-', '_').replace('.', '_')}-{pin.version}-"
    found = tuple(sorted(folder.glob(f"{prefix}*.whl")))
    if not found:
        raise Refused(f"{folder}: no wheel of {pin.name} {pin.version}; remove that folder")
    for wheel in found:
        have = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if pin.name not in SOURCE_ONLY and have not in pin.hashes:
            raise Refused(f"{wheel}: its hash is not in the lock; remove that folder")
    return found
