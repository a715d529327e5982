"""Other people's traffic on netlink: floods, overruns and dumps that are not what they seem."""

import signal
import subprocess
import threading
import time
from collections import Counter
from typing import IO

from tests.life.host import Host, same, until
from tests.life.witness import Witness

FLOOD = 10_000
CROWD = 1_000


def _crowd() -> list[str]:
    return [
        f"rule add from 198.18.{number // 250}.{number % 250} lookup 100 pref {20000 + number}"
        for number in range(CROWD)
    ]


def test_ours_is_healed_in_a_flood_of_other_peoples_changes(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    adds = [f"rule add from 198.18.0.{n % 250} lookup 100 pref 20000" for n in range(FLOOD)]
    rules = [line for add in adds for line in (add, add.replace("add", "del"))]
    routes = [
        f"route {verb} 198.18.{n // 250}.{n % 250}/32 dev eth1 table {table}"
        for n in range(FLOOD // 4)
        for table in (254, 18050)
        for verb in ("add", "del")
    ]
    stay = ["rule add from 198.19.9.9 lookup 100 pref 18500", "route add 198.19.9.9 dev eth1"]
    stay.append("route add 198.19.9.9 dev eth1 table 18050")
    host.batch(stay)
    theirs = host.theirs()
    floods = [_batch(rules), _batch(routes)]
    while any(flood.poll() is None for flood in floods):
        host.ip("rule flush protocol 83", "route flush table 18001", "-6 rule flush protocol 83")
        time.sleep(0.3)
    assert [flood.returncode for flood in floods] == [0, 0]
    host.healed(full)
    same(theirs, host.theirs())
    assert daemon.status.startswith("in sync")


def _batch(lines: list[str]) -> subprocess.Popen[str]:
    flood = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE, text=True)
    assert flood.stdin
    # More than a pipe holds, and the test has other things to do meanwhile.
    threading.Thread(target=_feed, args=(flood.stdin, lines)).start()
    return flood


def _feed(pipe: IO[str], lines: list[str]) -> None:
    pipe.write("\n".join(lines))
    pipe.close()


def test_a_torn_dump_of_many_rules_makes_us_do_nothing(host: Host) -> None:
    host.batch(_crowd())
    daemon = host.start()
    full, theirs = host.settled(), host.theirs()
    flap = "ip rule add pref 19500 lookup 100; ip rule del pref 19500 lookup 100"
    with Witness() as witness:
        flapping = subprocess.Popen(["sh", "-c", f"while :; do {flap}; done"])
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            assert not witness.ours()
            time.sleep(0.02)
        flapping.terminate()
        flapping.wait()
    assert daemon.generation == 1
    same(full, host.ours())
    host.ip("rule flush pref 19500")
    same(theirs, host.theirs())


def test_a_deleted_rule_comes_back_once_while_others_flap_in_a_crowd(host: Host) -> None:
    host.batch(_crowd())
    daemon = host.start()
    full = host.settled()
    flap = "ip rule add pref 19500 lookup 100; ip rule del pref 19500 lookup 100"
    flapping = subprocess.Popen(["sh", "-c", f"while :; do {flap}; done"])
    try:
        for priority in (18010, 18014, 18015, 18016):
            host.ip(
                f"rule del pref {priority} protocol 83", f"-6 rule del pref {priority} protocol 83"
            )
            host.healed(full)
    finally:
        flapping.terminate()
        flapping.wait()
    time.sleep(0.3)
    same(full, host.ours())
    assert not daemon.said("File exists")
    assert max(Counter(daemon.operations()).values()) == 2


def test_an_overrun_of_the_event_socket_costs_time_and_nothing_else(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    # A daemon that does not run cannot read: its buffer overflows.
    daemon.send(signal.SIGSTOP)
    lines = [
        f"rule {verb} from 198.18.0.{n % 250} lookup 100 pref 20000"
        for n in range(FLOOD)
        for verb in ("add", "del")
    ]
    host.batch(lines)
    host.ip("rule flush protocol 83", "route flush table 18001", "link set eth2 down")
    host.ip("link set eth2 up", "-6 address add fd00:2::5/64 dev eth2 nodad")
    daemon.send(signal.SIGCONT)
    host.healed(full)
    until(lambda: daemon.status.startswith("in sync"), 1.0, daemon.status)
