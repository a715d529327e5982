"""The two ways to speak to a virtual machine: JSON lines to qemu itself (QMP), and to the agent
inside.
"""

import json
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Words = dict[str, Any]


class Silent(Exception):
    """Nobody answered in time, or the line is dead."""


class Line:
    """JSON lines over a Unix socket."""

    def __init__(self, path: Path, patience_s: float = 20.0) -> None:
        self.path = path
        self._rest = b""
        deadline = time.monotonic() + patience_s
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(str(path))
            except OSError as error:
                self._socket.close()
                if time.monotonic() > deadline:
                    raise Silent(f"nobody listens at {path}: {error}") from error
                time.sleep(0.05)
            else:
                return

    def send(self, words: Words) -> None:
        """Say one thing."""
        try:
            self._socket.sendall(json.dumps(words).encode() + b"\n")
        except OSError as error:
            raise Silent(f"{self.path.name}: {error}") from error

    def receive(self, timeout_s: float) -> Words:
        """The next thing said. Raises Silent. Noise that is no JSON object is passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            while b"\n" not in self._rest:
                self._rest += self._more(deadline)
            line, _, self._rest = self._rest.partition(b"\n")
            try:
                words = json.loads(line)
            except ValueError:
                continue
            if isinstance(words, dict):
                return words

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _more(self, deadline: float) -> bytes:
        left_s = max(0.0, deadline - time.monotonic())
        if not select.select([self._socket], [], [], left_s)[0]:
            raise Silent(f"{self.path.name}: nothing said in time")
        try:
            data = self._socket.recv(65536)
        except OSError as error:
            raise Silent(f"{self.path.name}: {error}") from error
        if not data:
            raise Silent(f"{self.path.name}: the other end has gone")
        return data


class Qmp:
    """Orders to qemu. Its events are kept until somebody waits for them."""

    def __init__(self, path: Path) -> None:
        self._line = Line(path)
        self._events: list[Words] = []
        self._line.receive(20)
        self.do("qmp_capabilities")

    def do(self, order: str, **words: Any) -> Any:
        """Carry out one order. Raises Silent, or ValueError with qemu's words if it will not."""
        self._line.send({"execute": order, "arguments": words})
        while True:
            said = self._line.receive(60)
            if "event" in said:
                self._events.append(said)
            elif "error" in said:
                raise ValueError(f"{order}: {said['error']['desc']}")
            elif "return" in said:
                return said["return"]

    def wait(self, event: str, timeout_s: float, **about: Any) -> None:
        """Wait for an event that says this; earlier ones count, too, and each only once."""
        deadline = time.monotonic() + timeout_s
        while True:
            for one in self._events:
                told = one.get("data", {})
                if one["event"] == event and about.items() <= told.items():
                    self._events.remove(one)
                    return
            said = self._line.receive(deadline - time.monotonic())
            if "event" in said:
                self._events.append(said)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


@dataclass(frozen=True, slots=True)
class Said:
    """What a script in the machine said; the times are the machine's clock (CLOCK_REALTIME)."""

    code: int
    out: str
    began: float
    ended: float


class Agent:
    """Scripts for the machine's agent; one at a time, in the order in which they are begun."""

    def __init__(self, path: Path) -> None:
        self._line = Line(path)
        self._asked = 0

    def hello(self, timeout_s: float) -> str:
        """Wait until the agent of the next boot listens; the boot's id."""
        deadline = time.monotonic() + timeout_s
        while True:
            said = self._line.receive(deadline - time.monotonic())
            if "hello" in said:
                return str(said["hello"])

    def begin(self, script: str, timeout_s: float = 60) -> int:
        """Start a script; ``end`` waits for it."""
        self._asked += 1
        self._line.send({"id": self._asked, "script": script, "timeout_s": timeout_s})
        return self._asked

    def end(self, asked: int, timeout_s: float = 60) -> Said:
        """Wait for what became of a script. Raises Silent."""
        deadline = time.monotonic() + timeout_s + 30
        while True:
            said = self._line.receive(deadline - time.monotonic())
            if said.pop("id", None) == asked:
                return Said(**said)

    def close(self) -> None:
        """Hang up."""
        self._line.close()
