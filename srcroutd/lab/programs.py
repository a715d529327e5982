"""The two programs that run in a lab: the metadata service beside the router, the real srcroutd
inside.
"""

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcroutd.lab import facts
from srcroutd.lab.calls import LabError
from srcroutd.lab.machine import Machine, Ran
from srcroutd.lab.topology import METADATA_V4, METADATA_V6

_READY_S = 20.0
_STOP_S = 10.0
_SETTLE_S = 0.08
"""The service looks at its facts every 50 ms: whoever wrote them wants them told before going on.
"""


class Metadata:
    """The metadata service at 100.100.100.200: alive or dead, and what it says."""

    def __init__(self, folder: Path, router: Machine) -> None:
        self.path = folder / "facts.json"
        self.log = folder / "log" / "metadata.log"
        self.requests = folder / "log" / "requests.jsonl"
        self._router = router
        self._seen = 0

    def write(self, told: facts.Facts) -> None:
        """Say this from now on (the schema is srcroutd.lab.metadata_facts')."""
        facts.write(self.path, told)
        if self.running:
            time.sleep(_SETTLE_S)

    def start(self, *, wait: bool = True) -> None:
        """Come to life; with ``wait`` until it answers."""
        argv = [sys.executable, "-m", "srcroutd.lab.metadata", "--port", "80"]
        argv += ["--listen", str(METADATA_V4), "--listen", str(METADATA_V6)]
        argv += ["--facts", str(self.path), "--log", str(self.requests)]
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        self._router.ask({"do": "spawn", "name": "metadata", "argv": argv})
        if wait:
            self.wait()

    def wait(self, timeout_s: float = 15) -> None:
        """Wait until it says that it listens. Raises LabError."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.running:
            if b"ready" in self.log.read_bytes()[self._seen :]:
                return
            time.sleep(0.01)
        raise LabError(f"the metadata service did not start:\n{tail(self.log)}")

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._router.ask({"do": "service", "name": "metadata"})["pid"] is not None

    def stop(self) -> None:
        """Die: from now on connections to it are refused."""
        self._router.ask({"do": "signal", "name": "metadata", "signal": int(signal.SIGKILL)})
        self._router.ask({"do": "wait", "name": "metadata"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A daemon that has said READY=1: when it began, and how long it took."""

    began: float
    at: float

    @property
    def ms(self) -> float:
        """From the start of the process to READY=1."""
        return (self.at - self.began) * 1000


class Daemon:
    """The real srcroutd in the instance, started as its unit starts it; its folders outlive a
    reboot.
    """

    def __init__(self, folder: Path, instance: Machine) -> None:
        self.config = folder / "etc" / "srcroutd.toml"
        self.state_dir = folder / "state"
        self.runtime_dir = folder / "run"
        self.log = folder / "log" / "srcroutd.log"
        self._instance = instance

    def start(self, config: str | None = None) -> Ready:
        """Start it and wait for READY=1. By default the configuration stays: at first empty, which
        is complete.

        Raises LabError if it ends or says nothing within 20 s.
        """
        self.launch(config)
        return self.wait_ready()

    def launch(self, config: str | None = None) -> None:
        """Start it without waiting."""
        if config is not None:
            self.config.write_text(config)
        self.config.touch()
        argv = [sys.executable, "-m", "srcroutd.cli.srcroutd", *self._folders()]
        argv += ["--runtime-dir", str(self.runtime_dir)]
        self._instance.ask({"do": "spawn", "name": "srcroutd", "argv": argv})

    def wait_ready(self) -> Ready:
        """Wait for READY=1. Raises LabError with the end of its log."""
        request = {"do": "wait", "name": "srcroutd", "notice": "READY=1", "timeout_s": _READY_S}
        answer = self._instance.ask(request, _READY_S + 5)
        if answer["at"] is None:
            ended = (
                f"it ended with {answer['code']}" if answer["code"] is not None else "still silent"
            )
            raise LabError(f"srcroutd did not get ready ({ended}):\n{tail(self.log)}")
        return Ready(answer["began"], answer["at"])

    def stop(self) -> int:
        """SIGTERM, as systemctl stop; its exit status. Raises LabError if it does not end within 10
        s.
        """
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL: a crash."""
        return self._end(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Any signal, for instance SIGHUP to reload."""
        self._instance.ask({"do": "signal", "name": "srcroutd", "signal": int(number)})

    def state(self) -> dict[str, Any]:
        """{"pid": in the instance or None, "code": exit status or None, "notices": [[t, line]]}."""
        return self._instance.ask({"do": "service", "name": "srcroutd"})

    def status(self) -> str:
        """What it last said of itself to systemd (STATUS=), empty if nothing."""
        said = [line for _, line in self.state()["notices"] if line.startswith("STATUS=")]
        return said[-1].removeprefix("STATUS=") if said else ""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.state()["pid"] is not None

    @property
    def pid(self) -> int:
        """Its process number out here. Raises LabError if it does not run."""
        inside = self.state()["pid"]
        namespace = Path(f"/proc/{self._instance.pid}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/pid").readlink() == namespace and _inner_pid(process) == inside:
                    return int(process.name)
            except OSError:
                continue  # It has ended, or is none of our business.
        raise LabError("srcroutd does not run")

    def ctl(self, *words: str, check: bool = True) -> Ran:
        """``srcroutctl WORDS`` in the instance, where /run/srcroutd is this daemon's runtime
        folder.
        """
        argv = [sys.executable, "-m", "srcroutd.cli.srcroutctl", *self._folders(), *words]
        return self._instance.run(*argv, check=check)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return tail(self.log, lines)

    def _folders(self) -> list[str]:
        return ["--config", str(self.config), "--state-dir", str(self.state_dir)]

    def _end(self, number: signal.Signals) -> int:
        self.send_signal(number)
        request = {"do": "wait", "name": "srcroutd", "timeout_s": _STOP_S}
        code: int | None = self._instance.ask(request, _STOP_S + 5)["code"]
        if code is None:
            raise LabError(f"srcroutd did not end on {number.name}:\n{self.tail()}")
        return code


def _inner_pid(process: Path) -> int:
    """The number a process has in its innermost PID namespace (proc(5), NSpid)."""
    status = (process / "status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("NSpid:")).split()[-1])


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, indented; says so if there is none."""
    try:
        words = log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in words) or "  (the log is empty)"
