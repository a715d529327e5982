"""The system calls a machine of the lab is made of and Python 3.11 does not offer: unshare(2),
mount(2).

Everything here changes the calling process only, and only processes that the lab has started call
it.
"""

import ctypes
import os
import socket
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND = 2, 4, 8, 4096
_MNT_DETACH = 2
_FAKE_DMI = {
    "sys_vendor": "Alibaba Cloud",
    "product_name": "Alibaba Cloud ECS",
    "board_vendor": "Alibaba Cloud",
    "chassis_vendor": "Alibaba Cloud",
}

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces in ``flags`` (CLONE_NEW*) for new ones. Raises OSError."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def name_namespace(pid: int, name: str) -> None:
    """Make ``ip -n NAME`` and ``ip netns exec NAME`` mean the network namespace of ``pid``."""
    handle = Path("/run/netns") / name
    handle.parent.mkdir(exist_ok=True)
    handle.touch()
    _mount(f"/proc/{pid}/ns/net", str(handle), None, _MS_BIND)


def forget_namespace(name: str) -> None:
    """Undo ``name_namespace``; the namespace itself ends with its last process."""
    handle = Path("/run/netns") / name
    _check(_libc.umount2(os.fsencode(handle), _MNT_DETACH), f"umount {handle}")
    handle.unlink()


def become_machine(hostname: str) -> None:
    """Give this process, the first of a new PID namespace, a host name and a /proc that shows only
    its own.
    """
    socket.sethostname(hostname)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def cover_run(keep: Path) -> None:
    """Put an empty /run over the host's, so that nothing there is seen or touched; ``keep`` stays
    visible.
    """
    kept = os.open(keep, os.O_PATH | os.O_DIRECTORY)
    try:
        _mount("tmpfs", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
        if keep.resolve().is_relative_to("/run"):
            keep.mkdir(parents=True)
            _mount(f"/proc/self/fd/{kept}", str(keep), None, _MS_BIND)
    finally:
        os.close(kept)


def bind(source: Path, target: Path) -> None:
    """Show the folder ``source`` at ``target`` too."""
    target.mkdir(parents=True, exist_ok=True)
    _mount(str(source), str(target), None, _MS_BIND)


def fake_dmi() -> None:
    """Fake the firmware's identity: this /sys says that the machine is an Alibaba Cloud ECS
    instance.

    This is the one lie of the lab. It is what makes ``provider = "auto"`` choose aliyun with an
    empty configuration, as on the real thing. The rest of /sys is this namespace's real sysfs.
    """
    real = Path("/run/sysfs")
    real.mkdir()
    _mount("sysfs", str(real), "sysfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("tmpfs", "/sys", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, "mode=0755")
    identity = Path("/sys/class/dmi/id")
    identity.mkdir(parents=True)
    for key, value in _FAKE_DMI.items():
        (identity / key).write_text(f"{value}\n")
    for part, but in ((Path(), "class"), (Path("class"), "dmi")):
        for entry in (real / part).iterdir():
            if entry.name != but:
                (Path("/sys") / part / entry.name).symlink_to(entry)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    arguments = (
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(_libc.mount(*arguments), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
