"""Where labs live: one folder a lab, locked for as long as the lab's holder lives.

The lock (flock(2)) is the holder's: the kernel drops it when the holder ends, however it ends. A
folder whose lock can be had is what a crashed lab left behind, and only such a folder is ever
removed. Nothing is decided by process numbers, which the kernel hands out again.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srcroutd.lab.calls import LabError

_LOCK = "lock"
_PARTS = ("etc", "log", "run", "state")


def base_folder() -> Path:
    """The folder of this user's labs, made if need be, for nobody else. Raises LabError."""
    path = _base_path()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise LabError(
            f"{path} belongs to somebody else; set SRCROUTD_LAB_DIR to a folder of yours"
        )
    path.chmod(0o700)
    return path


def _base_path() -> Path:
    if chosen := os.environ.get("SRCROUTD_LAB_DIR"):
        return Path(chosen)
    # The root of a user namespace is not /run's.
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run/srcroutd-lab")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / "srcroutd-lab"
    return Path(tempfile.gettempdir()) / f"srcroutd-lab-{os.geteuid()}"


def create(base: Path, name: str | None = None) -> tuple[Path, int]:
    """Clean up after crashed labs, then make and lock a folder: its path and the lock's descriptor.

    Raises LabError if a lab of that name is running.
    """
    with _alone(base):
        sweep_locked(base)
        path = base / (name or f"run-{secrets.token_hex(3)}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            raise LabError(f"a lab is running in {path}; next: srcroutctl lab down") from None
        for part in _PARTS:
            (path / part).mkdir()
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def sweep(base: Path) -> list[str]:
    """Remove what crashed labs left behind; their names."""
    with _alone(base):
        return sweep_locked(base)


def sweep_locked(base: Path) -> list[str]:
    """``sweep`` for a caller that has the base folder to itself."""
    left = [path for path in _labs(base) if not is_running(path)]
    for path in left:
        shutil.rmtree(path)
    return [path.name for path in left]


def running(base: Path) -> list[Path]:
    """The folders of labs that run."""
    return [path for path in _labs(base) if is_running(path)]


def is_running(path: Path) -> bool:
    """Whether a holder has this lab's lock."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def remove(path: Path, patience_s: float = 5.0) -> None:
    """Wait until the holder is gone and remove the folder. Raises LabError if it does not go."""
    deadline = time.monotonic() + patience_s
    while is_running(path):
        if time.monotonic() > deadline:
            raise LabError(f"the lab in {path} does not end")
        time.sleep(0.005)
    shutil.rmtree(path, ignore_errors=True)


def _labs(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir() and not path.is_symlink())


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    """One at a time: between a folder's making and its locking it looks like a crashed lab's."""
    lock = os.open(base / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
