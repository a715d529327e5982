"""A real systemd-journald of the test's own, in a mount namespace with a /run of its own.

The machine's journal, if it has one, is out of reach; the catalog there holds ours alone.
"""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.life.host import Host, until
from tests.life.running import Running

PROGRAM = Path("/lib/systemd/systemd-journald")
CATALOG = Path(__file__).parents[2] / "systemd" / "srcroutd.catalog"
MACHINE = "0123456789abcdef0123456789abcdef"
_JOURNAL = f"/run/log/journal/{MACHINE}"
# Kernel messages and audit are the machine's: not to be touched.
_CONFIGURATION = """\
[Journal]
Storage=volatile
Audit=no
ReadKMsg=no
ForwardToSyslog=no
ForwardToWall=no
RateLimitIntervalSec=0
"""
_ROOM = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d {_JOURNAL}
printf '%s' '{_CONFIGURATION}' >/run/systemd/journald.conf.d/test.conf
echo {MACHINE} >/run/machine-id
mount --bind /run/machine-id /etc/machine-id
mount -t tmpfs tmpfs /var/lib/systemd
mkdir /var/lib/systemd/catalog
mount -t tmpfs tmpfs /usr/lib/systemd/catalog
cp '{CATALOG}' /usr/lib/systemd/catalog/
journalctl --update-catalog
echo ready
exec sleep infinity
"""
# What systemd does for a service: stderr is a stream to the journal, and JOURNAL_STREAM names it.
_STREAM = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$@"'


class Journald:
    """One journald with its journal."""

    def __init__(self) -> None:
        if not PROGRAM.exists():
            pytest.skip("NOT TESTED: systemd-journald is not installed")
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ROOM]
        self._room = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._room.stdout
        assert self._room.stdout.readline() == "ready\n"
        self._inside = ["nsenter", f"--mount=/proc/{self._room.pid}/ns/mnt", "--"]
        self._process: subprocess.Popen[bytes] | None = None
        self.path = f"/proc/{self._room.pid}/root/run/systemd/journal/socket"
        """The socket, as it is called outside."""
        self.start()

    def start(self) -> None:
        """Start it, or start it anew, and wait until it listens."""
        self._process = subprocess.Popen([*self._inside, str(PROGRAM)], stderr=subprocess.DEVNULL)
        until(Path(self.path).exists, 5.0, "journald listens")

    def stop(self) -> None:
        """End it; its socket goes too."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
        Path(self.path).unlink(missing_ok=True)

    def freeze(self) -> None:
        """It takes nothing any more, as when its disk hangs."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._room.kill()
        self._room.wait()
        assert self._room.stdout
        self._room.stdout.close()

    def run(self, host: Host, *options: str, stream: bool = True, ready: bool = True) -> Running:
        """Start the daemon in there, with stderr connected to the journal or to its log file."""
        below = [*self._inside]
        if stream:
            below += ["systemd-cat", "--identifier=srcroutd", "sh", "-c", _STREAM, "sh"]
        place = host.folder / f"daemon{len(host.daemons)}"
        place.mkdir()
        host.daemons.append(Running([*below, *host.command(*options)], place))
        if ready:
            host.daemons[-1].wait_ready()
        return host.daemons[-1]

    def text(self, *words: str) -> str:
        """What journalctl says."""
        tool = [*self._inside, "journalctl", "--directory", _JOURNAL, "--quiet", "--no-pager"]
        done = subprocess.run([*tool, *words], capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        return done.stdout

    def entries(self, *words: str) -> list[dict[str, Any]]:
        """The entries of srcroutd that match, with all their fields, the oldest first."""
        said = self.text("--output=json", "--all", "SYSLOG_IDENTIFIER=srcroutd", *words)
        return [json.loads(line) for line in said.splitlines()]

    def wait_entries(self, number: int, *words: str, within_s: float = 5.0) -> list[dict[str, Any]]:
        """Wait for so many entries that match."""
        end = time.monotonic() + within_s
        while len(found := self.entries(*words)) < number:
            assert time.monotonic() < end, f"{len(found)} of {number} entries: {found[-3:]}"
            time.sleep(0.05)
        return found
