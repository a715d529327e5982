"""News that comes while the daemon is busy is news all the same.

In each of these stories two things happen with less and less, or more and more, time between them,
so that the second one meets every step of the round that the first one has caused.
"""

import pytest

from tests.life.host import Host

GAPS = range(0, 120, 2)
"""How many times the kernel is asked for something else in between; each takes about 20 µs."""
LITTER = "rule add from 198.51.100.1 lookup 100 pref 18500 protocol 83"

SECONDS = {
    "an IPv4 address": ("address add 172.16.1.9/24 dev eth1", "address del 172.16.1.9/24 dev eth1"),
    "an IPv6 address": (
        "-6 address add fd00:1::9/64 dev eth1 nodad",
        "-6 address del fd00:1::9/64 dev eth1",
    ),
}


@pytest.mark.parametrize(("comes", "goes"), SECONDS.values(), ids=SECONDS.keys())
def test_nothing_is_missed_that_happens_during_a_round(comes: str, goes: str, host: Host) -> None:
    host.start()
    without = host.settled()
    host.ip(comes)
    within = host.settled()
    assert within != without
    host.ip(goes)
    host.healed(without)
    for gap in GAPS:
        pause = ["route get 127.0.0.1"] * gap
        host.batch([LITTER, *pause, comes.removeprefix("-6 ")])
        host.healed(within)
        host.batch([LITTER, *pause, goes.removeprefix("-6 ")])
        host.healed(without)
