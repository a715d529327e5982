"""The programs under measure as processes of the bench: the real daemon and the lab's metadata
service.

Each is started with words made here, watched by its own process id and ended by it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.world import METADATA
from srcroutd.lab.metadata_facts import EniFacts, Facts

PATIENCE_S = 30.0


class ProgramFailed(Exception):
    """A program did not do what was waited for; the text ends with what it said last."""


class Program:
    """A child process with its output in a file; ended when the block is left."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def spawn(self, words: Sequence[str], **environment: str) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | environment,
            )

    def stop(self) -> None:
        """End it, politely first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def failed(self, what: str) -> ProgramFailed:
        """The error to raise, with the end of the log."""
        return ProgramFailed(f"{what}\n{self.log.read_text()[-2000:]}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Daemon(Program):
    """srcroutd itself, with a folder for its configuration and state."""

    def __init__(self, folder: Path, config: str) -> None:
        super().__init__(folder, "srcroutd")
        self._config = folder / "srcroutd.toml"
        self.configure(config)
        self._address = folder / "notify"
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(self._address))

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def configure(self, config: str) -> None:
        """Write the configuration; a running daemon has to be told (SIGHUP)."""
        self._config.write_text(config)

    def start(self) -> float:
        """Start; returns when, in seconds of CLOCK_MONOTONIC."""
        words = [sys.executable, "-m", "srcroutd.cli.srcroutd"]
        words += ["--config", str(self._config), "--state-dir", str(self.folder / "state")]
        words += ["--runtime-dir", str(self.folder / "run")]
        began = time.monotonic()
        self.spawn(words, NOTIFY_SOCKET=str(self._address))
        return began

    def wait_ready(self) -> float:
        """Wait for READY=1; returns when it was heard. Raises ProgramFailed.

        Then the socket is closed: one that nobody reads is full after ten notices, and the sender
        of the next one waits.
        """
        self._notices.settimeout(PATIENCE_S)
        try:
            while "READY=1" not in self._notices.recv(4096).decode():
                pass
        except TimeoutError:
            raise self.failed("the daemon was not ready in time") from None
        ready = time.monotonic()
        self._notices.close()
        return ready

    def reload(self) -> None:
        """SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    def cpu_ms(self) -> float:
        """CPU time of all threads so far."""
        spent_ns = sum(int(path.read_text().split()[0]) for path in self._tasks("schedstat"))
        return spent_ns / 1e6

    def wake_ups(self) -> int:
        """How often any thread has gone to sleep so far."""
        return sum(_status(path, "voluntary_ctxt_switches") for path in self._tasks("status"))

    def rss_mib(self) -> float:
        """Resident memory now."""
        return _status(Path(f"/proc/{self.pid}/status"), "VmRSS") / 1024

    def _tasks(self, file: str) -> list[Path]:
        return list(Path(f"/proc/{self.pid}/task").glob(f"*/{file}"))


def _status(path: Path, key: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


class Metadata(Program):
    """The lab's metadata service, at the address that is its own inside this namespace."""

    LOOK_AGAIN_S = 0.15
    """It looks at its facts every 50 ms."""

    def __init__(self, folder: Path, enis: Sequence[EniFacts], *, whole: bool = True) -> None:
        super().__init__(folder, "metadata")
        self._facts = folder / "facts.json"
        self._requests = folder / "requests.jsonl"
        self._whole = whole
        self.tell(enis)

    def __enter__(self) -> Self:
        words = [sys.executable, "-m", "srcroutd.lab.metadata", "--listen", METADATA]
        self.spawn([*words, "--facts", str(self._facts), "--log", str(self._requests)])
        deadline = time.monotonic() + PATIENCE_S
        while "ready" not in self.log.read_text():
            if time.monotonic() > deadline:
                raise self.failed("the metadata service did not start")
            time.sleep(0.02)
        return self

    def tell(self, enis: Sequence[EniFacts]) -> None:
        """Change the facts; give the service ``LOOK_AGAIN_S`` to notice."""
        facts = Facts(primary=enis[0].mac, enis=tuple(enis), all=self._whole)
        fresh = self._facts.with_suffix(".new")
        fresh.write_text(facts.model_dump_json())
        fresh.replace(self._facts)

    def requests(self, since: float) -> list[dict[str, Any]]:
        """What it was asked since a time of CLOCK_MONOTONIC, in order of arrival."""
        if not self._requests.exists():
            return []
        lines = [json.loads(line) for line in self._requests.read_text().splitlines()]
        return sorted(
            (line for line in lines if line["at_s"] >= since), key=lambda line: line["at_s"]
        )
