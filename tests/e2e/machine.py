"""A machine with a real systemd as process 1, in a network namespace that somebody else made.

    machine = Machine([root], folder)
    machine.boot(Path("/proc/4711/ns/net"))
    machine.install(Path("dist/srcroutd_0.1.0_amd64.deb"))
    assert "active" in machine.run("systemctl is-active srcroutd")

It is systemd-nspawn, so its kernel is this one: no modules, no clock and no firmware of its own.
Its disk is an overlay: what it writes lies in its folder and nowhere else, survives a reboot and a
power cut, and can be the ground for other machines (``layers``). Everything ends with the process
that booted it, however that ends.
"""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APART = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
_APART += ["--mount-proc"]
_BOOT_S = 60.0
_END_S = 45.0
_REBOOTING = 133
"""nspawn's exit status for a machine that wants to be booted again."""

_numbers = itertools.count(1)


class MachineError(AssertionError):
    """A machine did not do what was asked of it; the text holds its words."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has run in the machine."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both outputs, stderr last."""
        return self.out + self.err


class Machine:
    """One machine. ``layers`` are the folders its disk is made of, the uppermost first."""

    def __init__(self, layers: Sequence[Path], folder: Path) -> None:
        self.name = f"e2e-{os.getpid()}-{next(_numbers)}"
        self.folder = folder
        self.layers = [folder / "upper", *layers]
        self.console = folder / "console.log"
        self.boots = 0
        self.boot_s = 0.0
        """How long the last boot took, until systemd called itself running."""
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader: int | None = None
        for part in ("upper", "work", "root", "cgroup"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    @property
    def running(self) -> bool:
        """Whether it is on."""
        return self._nspawn is not None and self._nspawn.poll() is None

    @property
    def pid(self) -> int:
        """The process number that its process 1 has out here."""
        if self._leader is None:
            raise MachineError(f"{self.name} is off")
        return self._leader

    @property
    def root(self) -> Path:
        """Its files, while it is on, as one can read and write them from out here."""
        return Path(f"/proc/{self.pid}/root")

    def boot(self, network: Path, *, wait: bool = True) -> None:
        """Switch it on, in the network namespace ``network``; with ``wait`` until it is running.

        The machine ends with the thread that calls this (prctl(2), PR_SET_PDEATHSIG).
        """
        began = time.monotonic()
        layers = ":".join(str(layer) for layer in self.layers[1:])
        command = ["setpriv", "--pdeathsig=KILL", "nsenter", f"--net={network}", *_APART]
        command += [str(_HERE / "boot.sh"), str(self.folder), self.name, layers]
        with self.console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            )
        try:
            self._leader = self._find_leader(began + _BOOT_S)
            if wait:
                self.wait_running(began + _BOOT_S - time.monotonic())
        except BaseException:
            self.kill()
            raise
        self.boots += 1
        self.boot_s = time.monotonic() - began

    def wait_running(self, timeout_s: float = _BOOT_S) -> str:
        """Wait until systemd has done all that a boot does; its word, "running" or "degraded"."""
        deadline = time.monotonic() + timeout_s
        state = ""
        while time.monotonic() < deadline and self.running:
            state = self.attempt("systemctl is-system-running", timeout_s=20).out.strip()
            if state in {"running", "degraded"}:
                return state
            time.sleep(0.05)
        raise MachineError(f"{self.name} did not boot: {state or 'no word'}\n{self.tail()}")

    def attempt(self, command: str, *, timeout_s: float = 60, text: str | None = None) -> Done:
        """Run a shell line as root in the machine, ``text`` on its stdin."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        enter += ["--cgroup", "env", "-i", f"PATH={_PATH}", "LANG=C.UTF-8", "HOME=/root"]
        enter += ["TERM=dumb", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command]
        try:
            done = subprocess.run(
                enter,
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise MachineError(f"{self.name}: not done after {timeout_s:g} s: {command}") from late
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, command: str, *, timeout_s: float = 60, text: str | None = None) -> str:
        """``attempt`` for a command that has to work: what it printed. Raises MachineError."""
        done = self.attempt(command, timeout_s=timeout_s, text=text)
        if done.code:
            raise MachineError(f"{self.name}: exit {done.code}: {command}\n{done.said}")
        return done.out

    def write(self, path: str, text: str) -> None:
        """Write a file in the machine, its folder too."""
        self.run(f"mkdir -p '{Path(path).parent}' && cat >'{path}'", text=text)

    def install(self, package: Path) -> str:
        """Install a package as people do, by ``apt install ./FILE``; what apt said."""
        shutil.copy(package, self.root / "root" / package.name)
        return self.run(f"apt-get install -y /root/{package.name}", timeout_s=180)

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The entries of this boot that match, each with all its fields; "UNIT" is not needed."""
        words = " ".join(f"'{match}'" for match in matches)
        said = self.run(f"journalctl --sync; journalctl -b -o json --all --no-pager {words}")
        return [json.loads(line) for line in said.splitlines()]

    def unit(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit, as ``systemctl show`` knows them."""
        said = self.run(f"systemctl show '{unit}' --property={','.join(properties)}")
        return dict(line.split("=", 1) for line in said.splitlines())

    def reboot(self) -> None:
        """Have it shut down for a reboot; whoever made its network then calls ``boot`` again."""
        self._end("systemctl reboot", _REBOOTING)

    def stop(self) -> None:
        """Shut it down in good order."""
        self._end("systemctl poweroff", 0)

    def kill(self) -> None:
        """Cut its power; nothing happens if it is off."""
        if self._nspawn is not None:
            self._nspawn.kill()
            self._nspawn.wait()
        self._off()

    def remove(self) -> None:
        """Cut its power and remove its disk."""
        self.kill()
        shutil.rmtree(self.folder)

    def tail(self, lines: int = 30) -> str:
        """The end of what it printed on its console."""
        if not self.console.exists():
            return "(nothing on the console)"
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    def _find_leader(self, deadline: float) -> int:
        """Nspawn's child that is process 1 of its own PID namespace."""
        while time.monotonic() < deadline:
            if self._nspawn is None or self._nspawn.poll() is not None:
                raise MachineError(f"{self.name} did not start:\n{self.tail()}")
            for nspawn in _children(self._nspawn.pid):
                for child in _children(nspawn):
                    if _is_first_systemd(child):
                        return child
            time.sleep(0.01)
        raise MachineError(f"{self.name}: no process 1\n{self.tail()}")

    def _end(self, command: str, expected: int) -> None:
        if self._nspawn is None:
            raise MachineError(f"{self.name} is off")
        self.attempt(command)
        try:
            code = self._nspawn.wait(_END_S)
        except subprocess.TimeoutExpired:
            said = self.tail()
            self.kill()
            raise MachineError(f"{self.name}: {command} did not end it:\n{said}") from None
        self._off()
        if code != expected:
            raise MachineError(f"{self.name}: nspawn ended with {code}:\n{self.tail()}")

    def _off(self) -> None:
        if self._leader is None and self._nspawn is None:
            return
        self._leader = self._nspawn = None
        sweep = ["unshare", "--mount", "--propagation=private", str(_HERE / "sweep.sh")]
        subprocess.run([*sweep, str(self.folder), self.name], check=True, timeout=30)


def _children(pid: int) -> list[int]:
    """The children of a process; none if it has gone."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _is_first_systemd(pid: int) -> bool:
    """Whether this is systemd, as process 1 of its PID namespace (proc(5), NSpid)."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        numbers = status.partition("NSpid:")[2].splitlines()[0].split()
        return numbers[-1] == "1" and "Name:\tsystemd\n" in status
    return False
