"""The real daemon in a process of its own: its log, and what it tells the service manager."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 20.0
"""How long a daemon may take to be ready, or to end, on a busy machine."""
Condition = Callable[[], bool]
_TICKS = os.sysconf("SC_CLK_TCK")


class Running:
    """One run of the daemon. ``folder`` is its own, for its log and the notification socket."""

    def __init__(self, command: list[str], folder: Path, watchdog_s: float = 0.0) -> None:
        self._log = folder / "log"
        self._told: list[tuple[float, str]] = []
        self._hearing = threading.Lock()
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(folder / "notify"))
        # Somebody must listen all the time, as systemd does: a full queue would hold up the daemon.
        threading.Thread(target=self._listen, daemon=True).start()
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        if watchdog_s:
            environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stderr=log, stdin=subprocess.DEVNULL
            )

    def _listen(self) -> None:
        while message := self._ear.recv(4096):
            with self._hearing:
                self._told.append((time.monotonic(), message.decode()))

    def deaf(self) -> threading.Lock:
        """``with daemon.deaf():`` the service manager reads nothing, and its queue fills up."""
        return self._hearing

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def status(self) -> str:
        """The sentence that ``systemctl status`` would show."""
        said = [text[7:] for _, text in self._told if text.startswith("STATUS=")]
        return said[-1] if said else ""

    @property
    def generation(self) -> int:
        """How many of its rounds changed something."""
        found = re.search(r"generation (\d+)", self.status)
        return int(found[1]) if found else 0

    def told(self, word: str) -> list[float]:
        """When the service manager was told this (``WATCHDOG=1``), on the monotonic clock."""
        return [at for at, text in self._told if word in text]

    def log(self) -> str:
        """All it has logged."""
        return self._log.read_text(errors="replace")

    def said(self, *words: str) -> list[str]:
        """The lines of its log that hold all these words."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]

    def operations(self) -> list[str]:
        """What it has done, in order: ``+ ip rule 18016: from 172.16.1.5 lookup 18001``."""
        found = (re.search(r"generation \d+ .*?  ([+~-] ip .*?)  \(", line) for line in self.said())
        return [match[1] for match in found if match]

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def wait_ready(self) -> None:
        """Wait for READY=1."""
        self.wait_for(lambda: bool(self.told("READY=1")), "READY=1")

    def wait_said(self, *words: str, within_s: float = PATIENCE_S) -> str:
        """Wait for a line with these words in its log; returns the first such line."""
        self.wait_for(lambda: bool(self.said(*words)), " ".join(words), within_s)
        return self.said(*words)[0]

    def wait_for(self, true: Condition, what: str, within_s: float = PATIENCE_S) -> None:
        """Wait until something is true while it runs."""
        end = time.monotonic() + within_s
        while not true():
            if not self.running and not true():
                raise AssertionError(f"it ended ({self._process.returncode}): {self.log()}")
            assert time.monotonic() < end, f"not in {within_s} s: {what}; its log: {self.log()}"
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self.send(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.running:
            self._process.kill()
        self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, and listen no more."""
        self.kill()
        # The one who waits in recv takes this for the end.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as voice:
            voice.sendto(b"", self._ear.getsockname())
