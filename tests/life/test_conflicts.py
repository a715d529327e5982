"""A stranger who was there first keeps what he has, and ours go elsewhere (promise 3).

Who comes later, into a table that is allotted to us, keeps what does not stand in our way; what
takes the place of ours is taken back.
"""

import re

import pytest

from tests.life.host import Host, same

SQUATTERS = {
    "a route in the table": "route add 198.51.100.0/24 via 172.16.1.1 dev eth1 table 18001",
    "a default route in the table": "route add default via 172.16.1.1 dev eth1 table 18001",
    "an IPv6 route in the table": "-6 route add 2001:db8::/32 via fd00:1::1 dev eth1 table 18001",
    "a rule that points at the table": "rule add from 198.51.100.1 lookup 18001 pref 100",
    "an IPv6 rule that points at the table": "-6 rule add from 2001:db8::1 lookup 18001 pref 100",
    "a rule at a priority": "rule add from 198.51.100.1 lookup 100 pref 18014",
    "an IPv6 rule at a priority": "-6 rule add from 2001:db8::1 lookup 100 pref 18019",
}


@pytest.mark.parametrize("squatter", SQUATTERS.values(), ids=SQUATTERS.keys())
def test_numbers_that_a_stranger_uses_are_left_to_him(squatter: str, host: Host) -> None:
    daemon = host.start()
    usual = host.ours()
    daemon.stop()
    assert host.cleanup()[0] == 0
    host.forget()
    host.ip(squatter)
    theirs = host.theirs()
    daemon = host.start()
    same(_one_seat_on(usual), host.ours())
    same(theirs, host.theirs())
    (warning,) = daemon.said("conflict")
    assert "WARNING" in warning
    # And so it stays.
    daemon.kill()
    daemon = host.start()
    assert daemon.operations() == []
    same(_one_seat_on(usual), host.ours())


def _one_seat_on(usual: str) -> str:
    """The same rules and routes with each number one seat further."""
    table = re.compile(r"\b(1800)(\d)\b(?!:)")
    priority = re.compile(r"\b(180)(\d)(\d):")
    text = priority.sub(lambda found: f"{found[1]}{int(found[2]) + 1}{found[3]}:", usual)
    return table.sub(lambda found: f"{found[1]}{int(found[2]) + 1}", text)


def test_a_stranger_who_comes_later_does_not_move_us(host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    for squatter in SQUATTERS.values():
        if "default" not in squatter:
            host.ip(squatter)
    theirs = host.theirs()
    host.ip("link set eth1 mtu 1400", "rule del pref 18016 protocol 83")
    host.healed(full)
    daemon.kill()
    daemon = host.start()
    assert daemon.operations() == []
    same(full, host.ours())
    same(theirs, host.theirs())


def test_a_squatter_who_comes_while_the_daemon_is_away_does_not_move_us(host: Host) -> None:
    host.start().kill()
    full = host.ours()
    host.ip(*(line for line in SQUATTERS.values() if "default" not in line))
    theirs = host.theirs()
    # A link that goes down takes all IPv4 routes of ours but the guard along.
    host.ip("link set eth1 down", "link set eth1 up", "-6 address add fd00:1::5/64 dev eth1 nodad")
    host.ip("route add 198.51.100.0/24 via 172.16.1.1 dev eth1 table 18001")
    host.ip("-6 route add 2001:db8::/32 via fd00:1::1 dev eth1 table 18001")
    host.start()
    same(full, host.ours())
    same(theirs, host.theirs())


def test_a_stranger_who_takes_our_place_is_told_of_and_taken_back(host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    host.ip("route replace default via 172.16.1.66 dev eth1 table 18001 proto static")
    host.healed(full)
    (line,) = daemon.said("~ ip route default")
    assert "172.16.1.66" in line
