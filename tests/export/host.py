"""A host of the tests: processes, mounts and network of its own, and nothing of the machine's."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from srcroutd.core.operation import Operation
from tests.export.scene import TABLES

ROOT = Path(__file__).parents[2]
SETTLE_S = 20.0
PRIVATE = """
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
echo ready
exec sleep infinity
"""
"""/sys shows the own network; because it cannot be written, nobody waits for udev there."""


class Host:
    """Ends with everything in it when it is closed."""

    def __init__(self) -> None:
        words = "unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private"
        self._holder = subprocess.Popen(
            [*words.split(), "sh", "-euc", PRIVATE], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._first = children.read_text().strip()

    def close(self) -> None:
        """Kill the first process, and with it its namespaces."""
        self._holder.kill()
        self._holder.communicate()

    def inside(self, *words: str) -> list[str]:
        """A command as one that runs in here."""
        return ["nsenter", "--target", self._first, "--mount", "--net", "--pid", *words]

    def run(self, script: str, *, words: Iterable[str] = (), given: str = "") -> str:
        """Run a shell script; its standard output. Fails the test if it fails."""
        done = self.attempt(script, words=words, given=given)
        assert not done.returncode, f"{script[:200]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(
        self, script: str, *, words: Iterable[str] = (), given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script, whatever becomes of it. Its first line may name a shell."""
        with NamedTemporaryFile("w") as file:
            first = "" if script.startswith("#!") else "#!/bin/sh\nset -eu\n"
            file.write(first + script)
            file.flush()
            shell = (first or script).partition("\n")[0].removeprefix("#!").split()
            return subprocess.run(
                self.inside(*shell, file.name, *words),
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )

    def start(self, script: str) -> None:
        """Run a shell script that goes on until the host ends; what it says is in /run/said."""
        self.run(f"({script}) >>/run/said 2>&1 </dev/null &")

    def put_in(self, operations: tuple[Operation, ...]) -> None:
        """Do what the daemon would do, by the daemon's own messages to the kernel."""
        done = subprocess.run(
            self.inside(sys.executable, "-m", "tests.export.put_in"),
            input=pickle.dumps(operations),
            capture_output=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert (done.returncode, done.stdout) == (0, b""), (done.stdout, done.stderr)

    def dump(self) -> str:
        """All rules and routes of both families, in full.

        The kernel's own routes are sorted: they come in an order of chance as the NICs come up.
        """
        tables = " ".join(map(str, TABLES))
        return self.run(f"""
            for family in -4 -6; do
                ip -d $family rule
                for table in {tables}; do
                    ip -d $family route show table $table 2>/dev/null || :
                done
                ip -d $family route show table all | LC_ALL=C sort
            done
        """)

    def ours(self) -> list[str]:
        """The rules of our priorities and the routes of our tables, sorted, family in front."""
        lines = []
        for family in ("-4", "-6"):
            rules = self.run(f"ip {family} rule").splitlines()
            lines += [f"{family} {line}" for line in rules if line.startswith("18")]
            for table in TABLES:
                routes = self.run(f"ip {family} route show table {table} 2>&1 || :").splitlines()
                lines += [f"{family} {line} table {table}" for line in routes if "FIB" not in line]
        return sorted(" ".join(line.split()) for line in lines if "Dump terminated" not in line)


def settled(look: Callable[[], object], expected: object) -> object:
    """What ``look`` gives once it is as expected, or after a while."""
    until = time.monotonic() + SETTLE_S
    while (seen := look()) != expected and time.monotonic() < until:
        time.sleep(0.1)
    return seen
