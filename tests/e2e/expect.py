"""What the tests of real systems expect: answers by the right NIC, live connections, entries in the
journal.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import Eni
from tests.e2e.cloud import Cloud
from tests.e2e.machine import Machine

T = TypeVar("T")

TIMES = 5
EVERY_MS = 5
PATIENCE_S = 20.0


def until(look: Callable[[], T], what: str, limit_s: float = PATIENCE_S) -> T:
    """Look again and again until what is seen is true; that. Fails after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)


def assert_answers(cloud: Cloud, nic: Eni) -> None:
    """Every address of the NIC answers the client, and every answer leaves by the NIC itself."""
    for address in nic.addresses:
        assert cloud.client.until_answered(address, limit_s=PATIENCE_S).answered, (
            f"{address} does not answer"
        )
        cloud.wire.reset()
        stream = cloud.client.ping(address, times=TIMES)
        assert (stream.answered, cloud.wire.answered_by(address)) == (TIMES, {nic.name: TIMES})


def assert_silent(cloud: Cloud, nic: Eni) -> None:
    """No address of the NIC answers the client: what a host without source routing is like."""
    for address in nic.addresses:
        assert not cloud.client.probe(address, timeout_s=0.5).answered


@contextmanager
def live(cloud: Cloud, nic: Eni, lasting_s: float) -> Iterator[None]:
    """TCP connections and UDP exchanges with the NIC, a packet every few ms all the while; none is
    lost.

    ``lasting_s`` has to be longer than what is done meanwhile, or the test proves nothing and
    fails.
    """
    times = int(lasting_s * 1000 / EVERY_MS)
    how = {"times": times, "every_ms": EVERY_MS, "limit_s": lasting_s + 5}
    began = time.monotonic()
    streams = [
        (address, kind, cloud.client.begin(address, kind=kind, **how))
        for address in nic.addresses
        for kind in ("tcp", "udp")
    ]
    time.sleep(0.2)
    yield
    assert time.monotonic() - began < lasting_s, "the streams ended before what was done meanwhile"
    for address, kind, stream in streams:
        seen = stream.result()
        assert (seen.sent, seen.lost, seen.reason) == (times, 0, ""), f"{kind} with {address}"


def routing(machine: Machine) -> str:
    """All rules and routes of the machine."""
    return machine.run(
        "for family in -4 -6; do ip $family rule; ip $family route show table all; done"
    )


def entries(machine: Machine, kind: Kind) -> list[dict[str, Any]]:
    """What srcroutd told of this kind since the machine booted."""
    return machine.journal("SYSLOG_IDENTIFIER=srcroutd", f"MESSAGE_ID={kind.message_id}")


def entry(machine: Machine, kind: Kind, limit_s: float = PATIENCE_S) -> dict[str, Any]:
    """The last entry of this kind, as soon as there is one."""
    return until(lambda: entries(machine, kind), f"an entry {kind.slug}", limit_s)[-1]


def in_sync(machine: Machine) -> None:
    """Wait until srcroutd says that all is well."""
    until(lambda: machine.attempt("srcroutctl status").code == 0, "srcroutctl status says in sync")


def drop_in(machine: Machine, lines: str, unit: str = "srcroutd.service") -> None:
    """Add lines to the section [Service] of a unit, as an administrator does."""
    machine.write(f"/etc/systemd/system/{unit}.d/e2e.conf", f"[Service]\n{lines}\n")
    machine.run("systemctl daemon-reload")


def assert_gave_up(machine: Machine, code: int, sentence: str) -> None:
    """The unit has failed with this exit status, says why, and is not started again."""
    until(lambda: machine.unit("srcroutd", "ActiveState")["ActiveState"] == "failed", "it fails")
    time.sleep(4)
    state = machine.unit("srcroutd", "ActiveState", "ExecMainStatus", "NRestarts")
    assert state == {"ActiveState": "failed", "ExecMainStatus": str(code), "NRestarts": "0"}
    told = entries(machine, Kind.CANNOT_RUN)
    assert [(one["SRCROUTD_EXIT"], one["PRIORITY"]) for one in told] == [(str(code), "3")]
    assert sentence in told[0]["MESSAGE"]
    assert sentence in machine.attempt("systemctl status --no-pager srcroutd").out
    assert "Subject: srcroutd cannot run" in machine.run("journalctl -b -x --no-pager -u srcroutd")
    assert "Traceback" not in machine.run("journalctl -b --no-pager -u srcroutd")
