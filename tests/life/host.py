"""A host on the real kernel: NICs, files, the real daemon, and the kernel's state as iproute2 tells
it.

``ours`` and ``theirs`` part everything that the host has by the rule of promise 3: our protocol
number inside our bands, and all the rest.
"""

import difflib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.life.enis import Eni
from tests.life.namespace import enter_fresh
from tests.life.running import Running

POLL_S = 0.01
HEALED_S = 1.0
"""What the daemon promises."""
SETTLED_S = 0.15
BANDS = {"rule": range(17000, 19000), "route": range(18000, 19000)}
"""What is ours: priorities of policies and of NICs, and tables."""
_NOISE = re.compile(r" (linkdown|dead|pref medium)\b|\[detached\] ")
_NUMBER = {"rule": re.compile(r"^(\d+):"), "route": re.compile(r" table (\d+)")}
_TYPES = {"1": "", "7": "unreachable "}


class Host:
    """The host that the test's thread is in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "srcroutd.toml"
        self.daemons: list[Running] = []

    def reboot(self) -> None:
        """The same files on a machine that has just been switched on, without any NIC."""
        for daemon in self.daemons:
            daemon.kill()
        enter_fresh()

    def ip(self, *lines: str) -> str:
        """Run lines of iproute2, as typed after ``ip``; returns what the last one said."""
        said = ""
        for line in lines:
            done = subprocess.run(
                ["ip", *line.split()], capture_output=True, text=True, check=False
            )
            assert not done.returncode, f"ip {line}: {done.stderr}"
            said = done.stdout
        return said

    def batch(self, lines: Iterable[str], *family: str, force: bool = False) -> None:
        """Many lines at once. ``family`` is "-6" for lines that cannot say so themselves."""
        command = ["ip", *family, *(["-force"] if force else []), "-batch", "-"]
        text = "\n".join(lines)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert force or not done.returncode, done.stderr

    def plug(self, *enis: Eni, addresses: bool = True) -> None:
        """Attach ENIs and give them their addresses. eth0 gets the default route of ``main``."""
        for eni in enis:
            self.batch(eni.plug_lines())
            # A new namespace has what the machine has here.
            self.sysctl(f"ipv4/conf/{eni.nic}/promote_secondaries", "0")
            if addresses:
                self.ip(*eni.address_lines())
            if addresses and eni.number == 0:
                self.ip("route add default via 172.16.0.253 dev eth0")

    def sysctl(self, key: str, value: str) -> None:
        """Set a sysctl below net/ of this namespace."""
        (Path("/proc/sys/net") / key).write_text(value)

    def configure(self, *enis: Eni, more: str = "", extra: str = "") -> None:
        """Write a configuration with ``provider = "static"``, with ``more`` at its top and
        ``extra`` at its end.
        """
        entries = "\n".join(eni.toml() for eni in enis)
        self.config.write_text(f'provider = "static"\n{more}\n{entries}\n{extra}\n')

    def command(self, *options: str) -> list[str]:
        """The daemon's command line."""
        places = ["--config", str(self.config), "--state-dir", str(self.state)]
        runtime = ["--runtime-dir", str(self.folder / "run")]
        return [sys.executable, "-m", "srcroutd.cli.srcroutd", *places, *runtime, *options]

    def start(self, *, below: tuple[str, ...] = (), ready: bool = True, **words: Any) -> Running:
        """Start the daemon, ``below`` another program if given, and wait until it is ready."""
        place = self.folder / f"daemon{len(self.daemons)}"
        place.mkdir()
        self.daemons.append(Running([*below, *self.command()], place, **words))
        if ready:
            self.daemons[-1].wait_ready()
        return self.daemons[-1]

    def run(self, *options: str, below: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run the daemon's program to its end; returns its exit code and all it said."""
        return _finish([*below, *self.command(*options)])

    def cleanup(self, *options: str) -> tuple[int, str]:
        """Run ``srcroutctl cleanup``; returns its exit code and all it said."""
        return self.ctl("cleanup", *options)

    def ctl(self, *words: str) -> tuple[int, str]:
        """Run ``srcroutctl WORDS``; returns its exit code and all it said."""
        return _finish([*self.tool(), *words])

    def tool(self) -> list[str]:
        """The command line of ``srcroutctl`` without a verb."""
        places = ["--config", str(self.config), "--state-dir", str(self.state)]
        socket = ["--socket", str(self.folder / "run" / "control.sock")]
        return [sys.executable, "-m", "srcroutd.cli.srcroutctl", *places, *socket]

    def forget(self) -> None:
        """Lose the state directory."""
        shutil.rmtree(self.state, ignore_errors=True)

    def ours(self, protocol: int = 83, band: range | None = None) -> str:
        """Our rules in their order, then our routes sorted, a line each, both families."""
        return self._part(lambda kind, line: _is_ours(kind, line, protocol, band))

    def theirs(self) -> str:
        """Everything else: all rules and all routes of all tables that are not ours."""
        return self._part(lambda kind, line: not _is_ours(kind, line, 83, None))

    def _part(self, wanted: Callable[[str, str], bool]) -> str:
        lines: list[str] = []
        for kind, question in (("rule", "rule"), ("route", "route show table all")):
            for family, shown in (("-4", ""), ("-6", "-6 ")):
                said = self.ip(f"-N -d -o {family} {question}").splitlines()
                found = [line for line in said if wanted(kind, line)]
                lines += [
                    f"ip {shown}{kind} {_readable(kind, line)}"
                    for line in sorted(found, key=_order)
                ]
        return "\n".join(lines)

    def healed(self, expected: str, within_s: float = HEALED_S, **which: Any) -> float:
        """Wait until what is ours is exactly this; returns how long it took, in seconds."""
        began = time.monotonic()
        while (found := self.ours(**which)) != expected:
            if time.monotonic() - began > within_s:
                last = "\n".join(self.daemons[-1].said()[-25:]) if self.daemons else ""
                pytest.fail(
                    f"not so in {within_s} s:\n{_compare(expected, found)}\n{last}", pytrace=False
                )
            time.sleep(POLL_S)
        return time.monotonic() - began

    def settled(self) -> str:
        """What is ours once it has not changed for a while."""
        found, since = self.ours(), time.monotonic()
        while time.monotonic() - since < SETTLED_S:
            time.sleep(POLL_S)
            if (now := self.ours()) != found:
                found, since = now, time.monotonic()
        return found

    def dangling(self) -> list[str]:
        """Rules of ours that point at a table of ours in which we have no route (promise 4)."""
        lines = self.ours().splitlines()
        held = {
            (family, found[1])
            for line in lines
            if (found := re.search(r" table (\d+)", line))
            for family in ("-6" if line.startswith("ip -6") else "",)
        }
        return [
            line
            for line in lines
            if (found := re.search(r"lookup (18\d+)", line))
            and ("-6" if line.startswith("ip -6") else "", found[1]) not in held
        ]


def same(before: str, after: str) -> None:
    """Fail with the difference unless the two are the same, byte for byte."""
    if before != after:
        pytest.fail(_compare(before, after), pytrace=False)


def until(true: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(POLL_S)


def _finish(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def _is_ours(kind: str, line: str, protocol: int, band: range | None) -> bool:
    number = _NUMBER[kind].search(line)
    marked = f" proto {protocol} " in f"{line} "
    return marked and number is not None and int(number[1]) in (band or BANDS[kind])


def _order(line: str) -> tuple[int, str]:
    """Rules by priority, within one in any fixed order, for it does not matter; routes by text."""
    number = _NUMBER["rule"].match(line)
    return (int(number[1]) if number else 0, line)


def _readable(kind: str, line: str) -> str:
    """Without what says nothing or comes and goes with the carrier; a word for a route's type."""
    line = _NOISE.sub("", " ".join(line.split()))
    if kind == "rule":
        return line
    number, _, rest = line.partition(" ")
    return f"{_TYPES.get(number, f'type {number} ')}{rest}"


def _compare(expected: str, found: str) -> str:
    lines = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=0
    )
    return "\n".join(lines)
