"""Quarrels are lost politely (promise 8): growing pauses, one warning, and nobody else suffers."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.life.host import Host, same

RIVALS = {
    "deletes a rule": (
        "ip rule del pref 18016 from 172.16.1.5 protocol 83",
        "18016: from 172.16.1.5",
    ),
    "replaces a route": (
        "ip route replace default via 172.16.1.66 dev eth1 table 18001",
        "default via 172.16.1.253",
    ),
}
QUARREL_S = 3.0


@contextmanager
def rival(command: str) -> Iterator[None]:
    """Somebody who does this again and again."""
    loop = f"while :; do {command} 2>/dev/null; sleep 0.01; done"
    process = subprocess.Popen(["sh", "-c", loop])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("command", "bone"), RIVALS.values(), ids=RIVALS.keys())
def test_a_rival_who_never_tires_is_given_way_to(command: str, bone: str, host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    theirs = host.theirs()
    quiet = "\n".join(line for line in full.splitlines() if "lookup 18002" in line)
    with rival(command):
        end, spent = time.monotonic() + QUARREL_S, daemon.cpu_s()
        while time.monotonic() < end:
            # Another NIC is healed all the while.
            host.ip("rule del pref 18024 protocol 83")
            _heals(host, quiet)
            time.sleep(0.5)
        spent = daemon.cpu_s() - spent
        assert "contested" in daemon.status
    tries = len([operation for operation in daemon.operations() if bone in operation]) - 1
    # Ten at once, then after 0.5, 1 and 2 s.
    assert 8 <= tries <= 20, tries
    (warning,) = daemon.said("contested", "WARNING")
    assert bone in warning
    assert "eth1 eni-1" in warning
    assert spent < QUARREL_S / 4
    host.healed(full, 8.0)
    same(theirs, host.theirs())
    daemon.wait_for(lambda: daemon.status.startswith("in sync"), "in sync", 2.0)


def _heals(host: Host, expected: str) -> None:
    end = time.monotonic() + 1.0
    while expected != "\n".join(
        line for line in host.ours().splitlines() if "lookup 18002" in line
    ):
        assert time.monotonic() < end, "the NIC that nobody quarrels about is not healed"
        time.sleep(0.01)
