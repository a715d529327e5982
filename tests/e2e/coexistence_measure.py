"""Measures what one event does to srcroutd's routing and leaves of the neighbour's, with srcroutd
and without.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from srcroutd.lab.topology import ETH1
from tests.e2e.cloud import Cloud
from tests.e2e.coexistence_losses import Losses, losses
from tests.e2e.coexistence_theirs import Complaints, standing, tools
from tests.e2e.coexistence_watch import Watch
from tests.e2e.neighbours import Neighbour

Happening = Callable[[Cloud, Neighbour], float]
"""Lets something happen; when, by time.monotonic(), the neighbour had done its work after it."""

_QUIET_S = 0.7
"""So long after the last look everything has to stay as it is."""
_PLAN_S = 10.0
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Left:
    """What an event has left of the neighbour's: what stands, what its tools say, what it complains
    of.
    """

    standing: list[str]
    tools: list[str]
    complaints: list[str]


@dataclass(frozen=True, slots=True)
class Healed:
    """How our routing stood after an event, from the moment when the neighbour had done its work.

    ``plan_ms``: until ``srcroutctl plan`` had nothing to do, ``answered_ms``: until eth1's
    addresses answered the client, None if that never was. ``astray``: answers that left by another
    NIC then. ``missing`` and ``surplus``: what differs from before, in the words of ip.
    """

    plan_ms: float | None
    answered_ms: float | None
    astray: int
    missing: list[str]
    surplus: list[str]


@dataclass(frozen=True, slots=True)
class Together:
    """All that was measured of an event on a machine with srcroutd."""

    left: Left
    healed: Healed
    losses: Losses
    said: list[str]
    """What srcroutd itself had to say at warning or worse."""


def alone(cloud: Cloud, neighbour: Neighbour, happening: Happening) -> Left:
    """An event on a machine without srcroutd."""
    complaints = Complaints(cloud.machine, neighbour.units)
    happening(cloud, neighbour)
    time.sleep(_QUIET_S)
    return Left(standing(cloud.machine), tools(cloud, neighbour), complaints.heard())


def together(cloud: Cloud, neighbour: Neighbour, happening: Happening) -> Together:
    """An event on a machine with srcroutd, which has to be in sync before."""
    complaints = Complaints(cloud.machine, neighbour.units)
    own_words = Complaints(cloud.machine, ("srcroutd",))
    ports = ports_of_daemon(cloud)
    with Watch(cloud.instance.pid, ETH1) as watch:
        before = watch.now.ours
        with _asked(cloud) as asked:
            done_at = happening(cloud, neighbour)
        cloud.wire.reset()
        answered_at = _answered(cloud)
        planned_at = in_sync(cloud)
        time.sleep(_QUIET_S)
        answers = [cloud.wire.answered_by(address) for address in ETH1.addresses]
        now = watch.now.ours
    ports |= ports_of_daemon(cloud)
    healed = Healed(
        plan_ms=_since(done_at, planned_at),
        answered_ms=_since(done_at, answered_at),
        astray=sum(n for one in answers for wire, n in one.items() if wire != ETH1.name),
        missing=sorted(before - now),
        surplus=sorted(now - before),
    )
    left = Left(standing(cloud.machine), tools(cloud, neighbour), complaints.heard())
    return Together(left, healed, losses(watch, before, ports, asked), own_words.heard())


def first_start(cloud: Cloud, neighbour: Neighbour, start: Happening) -> float | None:
    """The neighbour starts on NICs without addresses, and srcroutd runs already: from the moment
    when eth1 had its addresses until all its routing stood, in milliseconds; None if that never
    was.
    """
    with Watch(cloud.instance.pid, ETH1) as watch:
        start(cloud, neighbour)
        until = time.monotonic() + _PLAN_S
        wanted = [f"from {address} " for address in ETH1.addresses]
        while time.monotonic() < until:
            if all(any(word in what for what in watch.now.ours) for word in wanted):
                break
            time.sleep(0.02)
        else:
            return None
        if in_sync(cloud) is None:
            return None
        time.sleep(_QUIET_S)
    full = watch.now.ours
    addresses = {str(address) for address in ETH1.addresses}
    had_all = min(one.at for one in watch.moments if addresses <= one.addresses)
    whole = min(one.at for one in watch.moments if full <= one.ours)
    return _since(had_all, whole)


def in_sync(cloud: Cloud) -> float | None:
    """Ask ``srcroutctl plan`` until it has nothing to do; when the asking began that said so."""
    until = time.monotonic() + _PLAN_S
    while (at := time.monotonic()) < until:
        if cloud.machine.attempt("srcroutctl plan").code == 0:
            return at
    return None


def ports_of_daemon(cloud: Cloud) -> set[int]:
    """The netlink ports of srcroutd: by them the kernel says who changed a rule or route."""
    said = cloud.machine.run("""
        process=$(systemctl show --property MainPID --value srcroutd)
        ls -l /proc/$process/fd; echo; cat /proc/$process/net/netlink
    """)
    files, _, table = said.partition("\n\n")
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[2]) for row in rows if row[1] == "0" and f"socket:[{row[9]}]" in files}


def _since(began: float, at: float | None) -> float | None:
    return None if at is None else max(0.0, round((at - began) * 1000, 1))


def _answered(cloud: Cloud) -> float | None:
    """When each of eth1's addresses has answered the client."""
    asked = [cloud.client.until_answered(one, limit_s=_ANSWER_S) for one in ETH1.addresses]
    firsts = [one.first_at for one in asked if one.first_at is not None]
    return max(firsts) if len(firsts) == len(asked) else None


@contextmanager
def _asked(cloud: Cloud) -> Iterator[Callable[[], dict[str, int]]]:
    """The client asks eth1's first address 50 times a second; afterwards, by which wires answers
    left.
    """
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            cloud.client.stream(ETH1.v4[0], times=5, every_ms=20, limit_s=0.1)

    cloud.wire.reset()
    thread = threading.Thread(target=ask)
    thread.start()
    told: dict[str, int] = {}
    try:
        yield lambda: told
    finally:
        end.set()
        thread.join()
        told |= cloud.wire.answered_by(ETH1.v4[0])
