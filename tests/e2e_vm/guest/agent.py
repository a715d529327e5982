"""Runs what the tests ask for inside the virtual machine: it listens on the second serial port.

A line of JSON each way. It says hello once it listens; then a request is {"id", "script",
"timeout_s"} and its answer {"id", "code", "out", "began", "ended"}, in the order of the requests.
Times are CLOCK_REALTIME, which ``ip -ts monitor`` and the journal use too. It runs on the machine's
own Python and imports nothing else.
"""

import json
import os
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

PORT = "/dev/ttyS1"


def main() -> None:
    """Answer for as long as the machine is up."""
    port = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    termios.tcflush(port, termios.TCIOFLUSH)
    _say(port, {"hello": Path("/proc/sys/kernel/random/boot_id").read_text().strip()})
    for line in _lines(port):
        _say(port, _run(json.loads(line)))


def _lines(port: int) -> Iterator[bytes]:
    rest = b""
    while True:
        *whole, rest = (rest + os.read(port, 4096)).split(b"\n")
        yield from whole


def _run(request: dict[str, object]) -> dict[str, object]:
    """Run a shell script; both its streams are one text."""
    began = time.time()
    try:
        done = subprocess.run(
            ["sh", "-euc", str(request["script"])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=float(str(request["timeout_s"])),
            check=False,
        )
        code, out = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        code, out = -1, f"still running after {error.timeout} s"
    return {"id": request["id"], "code": code, "out": out, "began": began, "ended": time.time()}


def _say(port: int, words: dict[str, object]) -> None:
    rest = json.dumps(words).encode() + b"\n"
    while rest:
        rest = rest[os.write(port, rest) :]


if __name__ == "__main__":
    main()
