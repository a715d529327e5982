"""kill -9 at any point heals at the next start, and no point leaves a rule without its route.

What a killed daemon leaves is a beginning of its plan. So each beginning is typed in by hand, in
the very words of the daemon's own log, and the daemon is started on it.
"""

import random
import re
import time
from collections.abc import Sequence

import pytest

from tests.life.enis import ETH0, ETH1, Eni
from tests.life.host import Host, same

SMALL = Eni(1, (5,), (5,))
STORM = tuple(range(20, 60))


def carry_out(host: Host, operations: Sequence[str]) -> None:
    """Do what the daemon's log says, by hand."""
    for operation in operations:
        found = re.match(r"([+~-]) ip (-6 )?(rule|route) (.*)", operation)
        assert found, operation
        sign, family, kind, words = found[1], found[2] or "", found[3], found[4]
        verb = {"+": "add", "~": "replace", "-": "del"}[sign]
        mark = "protocol 83" if kind == "rule" else "proto 83"
        words = re.sub(r"^(\d+):", r"pref \1", words)
        host.ip(f"{family}{kind} {verb} {words} {mark}")


def test_killed_at_any_point_of_the_first_attach(bare: Host) -> None:
    bare.plug(ETH0, SMALL)
    bare.configure(ETH0, SMALL)
    operations = bare.start().operations()
    full = bare.ours()
    for length in range(len(operations) + 1):
        bare.reboot()
        # It was killed before it could write anything down.
        bare.forget()
        bare.plug(ETH0, SMALL)
        carry_out(bare, operations[:length])
        assert not bare.dangling(), operations[:length]
        daemon = bare.start()
        same(full, bare.ours())
        assert daemon.operations() == operations[length:]


def test_killed_at_any_point_of_a_detach(bare: Host) -> None:
    bare.plug(ETH0, SMALL)
    bare.configure(ETH0, SMALL)
    daemon = bare.start()
    attach = daemon.operations()
    bare.ip("link del eth1")
    bare.healed("")
    detach = daemon.operations()[len(attach) :]
    for length in range(len(detach) + 1):
        bare.reboot()
        bare.plug(ETH0, SMALL)
        carry_out(bare, attach)
        bare.ip("link del eth1")
        carry_out(bare, detach[:length])
        assert not bare.dangling(), detach[:length]
        daemon = bare.start()
        same("", bare.ours())
        assert daemon.operations() == detach[length:]


def test_killed_at_any_point_of_a_change_of_addresses(bare: Host) -> None:
    bare.plug(ETH0, SMALL)
    bare.configure(ETH0, SMALL)
    daemon = bare.start()
    attach = daemon.operations()
    event = (
        "address add 172.16.1.7/24 dev eth1",
        "address del 172.16.1.5/24 dev eth1",
        "address add 172.16.1.9/24 dev eth1",
        "-6 address add fd00:1::7/64 dev eth1 nodad",
        "-6 address del fd00:1::5/64 dev eth1",
    )
    daemon.kill()
    bare.ip(*event)
    daemon = bare.start()
    change = daemon.operations()
    full = bare.ours()
    for length in range(len(change) + 1):
        bare.reboot()
        bare.plug(ETH0, SMALL)
        carry_out(bare, attach)
        bare.ip(*event)
        carry_out(bare, change[:length])
        assert not bare.dangling(), change[:length]
        daemon = bare.start()
        same(full, bare.ours())
        assert daemon.operations() == change[length:]


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_moment_of_a_storm(seed: int, bare: Host) -> None:
    luck = random.Random(seed)
    many = Eni(1, (5, *STORM), ())
    bare.plug(ETH0, Eni(1, (5,), ()))
    bare.configure(ETH0, many)
    daemon = bare.start()
    calm = bare.ours()
    for _ in range(3):
        bare.batch(f"address add 172.16.1.{host}/24 dev eth1" for host in STORM)
        time.sleep(luck.uniform(0.0, 0.03))
        daemon.kill()
        assert not bare.dangling()
        daemon = bare.start()
        stormy = bare.ours().splitlines()
        assert len(stormy) == len(calm.splitlines()) + 3 * len(STORM) + 2
        assert len(set(stormy)) == len(stormy)
        bare.batch(f"address del 172.16.1.{host}/24 dev eth1" for host in STORM)
        time.sleep(luck.uniform(0.0, 0.03))
        daemon.kill()
        daemon = bare.start()
        same(calm, bare.ours())


def test_killed_during_a_flap_with_the_state_lost(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    bare.configure(ETH0, ETH1)
    daemon = bare.start()
    full = bare.ours()
    bare.ip("link set eth1 down")
    daemon.kill()
    bare.forget()
    bare.ip("link set eth1 up", "-6 address add fd00:1::5/64 dev eth1 nodad")
    bare.start()
    same(full, bare.ours())
