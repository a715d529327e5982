"""Starts a lab's holder below ``unshare``, with root or in a user namespace, or says why that
cannot be.
"""

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import srcroutd
from srcroutd.lab.calls import LabError

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_UNSHARE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
_PATIENCE_S = 20.0
_NEEDED = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}

# Each forbids user namespaces on some distribution: file, the value that forbids, how to allow
# them.
_FORBIDDEN = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "=0  (Ubuntu 23.10 and later)"),
    ("kernel/unprivileged_userns_clone", "0", "=1  (Debian)"),
    ("user/max_user_namespaces", "0", "=15000"),
)


def environment() -> dict[str, str]:
    """The environment of everything in a lab: sbin in the path, srcroutd importable, programs
    findable.
    """
    programs = Path(sys.executable).parent
    package = Path(srcroutd.__file__).parent.parent
    old = os.environ.get("PYTHONPATH")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("NOTIFY_")},
        "PATH": f"{programs}:{os.environ.get('PATH', '/usr/bin:/bin')}:{_SBIN}",
        "PYTHONPATH": f"{package}:{old}" if old else str(package),
    }


def why_impossible() -> str | None:
    """Why no lab can run here as far as one can tell without trying; None if nothing speaks against
    it.
    """
    path = environment()["PATH"]
    for program, package in _NEEDED.items():
        if not shutil.which(program, path=path):
            return f"the program {program} is missing; next: apt install {package}"
    if os.geteuid() == 0:
        return None
    for key, forbidding, allow in _FORBIDDEN:
        file = Path("/proc/sys") / key
        if file.exists() and file.read_text().strip() == forbidding:
            sysctl = key.replace("/", ".")
            return (
                f"a lab needs root or user namespaces, and {sysctl} = {forbidding} forbids them;"
                f" next: run it with sudo, or: sudo sysctl -w {sysctl}{allow}"
            )
    return None


def check_possible() -> None:
    """Raise LabError if no lab can run here."""
    if why := why_impossible():
        raise LabError(why)


def start_holder(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    """The holder of the lab in ``folder``, listening. It ends when our end of its stdin closes.

    It gets the lock, and a session of its own: Ctrl-C at the terminal is for whoever tells the
    story. Raises LabError.
    """
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    log = folder / "log" / "holder.log"
    try:
        with log.open("ab") as errors:
            holder = subprocess.Popen(
                [*_UNSHARE, *as_user, sys.executable, "-m", "srcroutd.lab.holder", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=[lock],
                start_new_session=True,
                env=environment(),
            )
    finally:
        os.close(lock)  # From now on it is the holder's alone: it says whether the lab lives.
    if holder.stdout is None or not _is_ready(holder.stdout.fileno()):
        holder.kill()
        holder.wait()
        raise LabError(_explain(log.read_text(errors="replace")))
    return holder


def _is_ready(pipe: int) -> bool:
    ready, _, _ = select.select([pipe], [], [], _PATIENCE_S)
    return bool(ready) and os.read(pipe, 64) == b"ready\n"


def _explain(log: str) -> str:
    """What unshare or the holder said, and what one can do about it."""
    said = log.strip().splitlines()[-1] if log.strip() else "it said nothing"
    if "ermitted" in said or "ermission" in said:
        hint = (
            "this root may not make namespaces (a container?); next: run it on the host, or with"
            " CAP_SYS_ADMIN and CAP_NET_ADMIN"
            if os.geteuid() == 0
            else "user namespaces seem to be forbidden here; next: run it with sudo"
        )
        return f"the lab did not start: {said}; {hint}"
    return f"the lab did not start: {said}"
