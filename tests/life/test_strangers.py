"""What is not ours is never changed, whatever the daemon lives through (promise 3).

Ours is what bears our protocol number *and* lies in our bands. The strangers here have one of the
two, or neither, or stand in the very middle of ours.
"""

import time

import pytest

from tests.life.enis import ETH0, ETH1, ETH2, ETH3
from tests.life.host import Host, same
from tests.life.witness import Witness

RULES = (
    # No protocol, as people type them; and before, among and behind our priorities.
    "from 198.51.100.1 lookup 100 pref 100",
    "from 198.51.100.2 lookup 100 pref 18005",
    "from 198.51.100.3 lookup 100 pref 18988",
    "from 198.51.100.4 lookup 100 pref 30000",
    # What ours say, without our protocol or with another.
    "from 172.16.1.5 lookup 100 pref 17000 protocol static",
    "from 172.16.1.5 lookup 100 pref 19500 protocol 200",
    # Our protocol outside our band.
    "from 198.51.100.5 lookup 100 pref 16999 protocol 83",
    "from 198.51.100.6 lookup 100 pref 19000 protocol 83",
    # Neighbours: docker's and kube-proxy's marks, terway, VPC-CNI, tailscale, wg-quick, babel.
    "fwmark 0x4000/0x4000 lookup 100 pref 5210",
    "fwmark 0x80000/0xff0000 unreachable pref 5250",
    "from all iif eth1 lookup 1003 pref 512",
    "from all to 10.244.0.0/16 lookup main pref 1536",
    "not fwmark 0xca6c lookup 51820 pref 32764",
    "from all lookup main suppress_prefixlength 0 pref 32763",
    "from all ipproto tcp dport 8080 lookup 100 pref 400",
    "from all uidrange 0-0 lookup 100 pref 401",
    "from all lookup 100 pref 402 protocol 42",
    "not from 198.51.100.0/24 goto 30000 pref 403",
    "from all tos 0x10 lookup 100 pref 404",
)
RULES6 = (
    "from 2001:db8::1 lookup 100 pref 100",
    "from 2001:db8::2 lookup 100 pref 18005 protocol static",
    "from 2001:db8::3 lookup 100 pref 19000 protocol 83",
    "from fd00:1::5 lookup 100 pref 19500",
)
ROUTES = (
    "default via 172.16.1.253 dev eth1 table 100",
    "blackhole 198.51.100.0/24 table 100 metric 7",
    "198.51.100.0/24 via 172.16.1.253 dev eth1",
    "10.244.0.0/16 nexthop via 172.16.1.1 dev eth1 nexthop via 172.16.2.1 dev eth2",
    # Our protocol outside our band, and another protocol inside it, in a table nobody has yet.
    "default via 172.16.1.253 dev eth1 table 17999 proto 83",
    "203.0.113.0/24 via 172.16.1.253 dev eth1 table 19000 proto 83",
    "203.0.113.0/24 via 172.16.1.253 dev eth1 table 18090",
    "unreachable default table 18091 proto static metric 4278198272",
)
ROUTES6 = (
    "default via fd00:1::253 dev eth1 table 100",
    "blackhole 2001:db8:7::/48 table 17999 proto 83",
    "2001:db8:8::/48 via fd00:1::253 dev eth1 table 18090 proto static",
)
INSIDE = (
    "198.51.100.128/25 via 172.16.1.66 dev eth1 table 18001",
    "unreachable 192.0.2.0/24 table 18001 proto static",
    "198.51.100.128/25 via 172.16.1.66 dev eth1 table 18001 metric 5 proto 200",
)
"""Put into a table of ours while the daemon runs."""
AMONG = (
    "from 172.16.1.5 lookup 18001 pref 18016",
    "from 172.16.1.6 lookup 100 pref 18015 protocol 200",
    "from 172.16.1.5 lookup 254 suppress_prefixlength 0 pref 18015 protocol static",
    "from 198.51.100.77 nop pref 18017 protocol static",
)
"""Put among our priorities while the daemon runs; some say just what ours say."""

TWO_WAYS = "nexthop via 172.16.1.1 dev eth1 nexthop via 172.16.2.1 dev eth2"
TWO_WAYS6 = "nexthop via fd00:1::1 dev eth1 nexthop via fd00:2::1 dev eth2"
LITTER = (
    "rule add from 198.51.100.1 lookup 100 pref 18500 protocol 83",
    "rule add from 172.16.1.5 iif lo lookup 18001 pref 18016 protocol 83",
    "rule add from 172.16.1.5 ipproto tcp dport 80 lookup 18001 pref 18016 protocol 83",
    "rule add from 172.16.1.5 uidrange 0-0 lookup 18001 pref 18016 protocol 83",
    "rule add from 172.16.1.5 tos 0x10 lookup 18001 pref 18016 protocol 83",
    "rule add from 172.16.1.5 lookup 18001 suppress_ifgroup 7 pref 18016 protocol 83",
    "rule add fwmark 0x1 lookup 18001 pref 18016 protocol 83",
    "rule add from 172.16.1.0/24 lookup 18001 pref 18016 protocol 83",
    "-6 rule add from fd00:1::5 ipproto udp lookup 18001 pref 18016 protocol 83",
    "route add 203.0.113.0/24 via 172.16.1.1 dev eth1 table 18001 proto 83",
    "route add default via 172.16.1.1 dev eth1 metric 7 table 18001 proto 83",
    f"route add 203.0.113.0/24 table 18001 proto 83 {TWO_WAYS}",
    "route replace default via 172.16.1.253 dev eth1 src 172.16.1.5 mtu 1400 table 18001 proto 83",
    "route append default via 172.16.1.66 dev eth1 table 18001 proto 83",
    "route prepend default via 172.16.1.66 dev eth1 table 18001 proto 83",
    "route add default via 172.16.1.253 dev eth1 tos 0x10 table 18001 proto 83",
    "-6 route add 2001:db8::/32 via fd00:1::1 dev eth1 table 18001 proto 83",
    "-6 route replace default via fd00:1::253 dev eth1 src fd00:1::5 mtu 1400 table 18001 proto 83",
    f"-6 route add 2001:db8::/32 table 18001 proto 83 {TWO_WAYS6}",
)
"""Things that an earlier version, or somebody who copies from us, might have left."""
VAGUE_LITTER = (
    "rule add from 172.16.1.5 lookup 18001 pref 18014 protocol 83",
    "rule add from all lookup 18001 pref 18014 protocol 83",
)
"""The same with so few words that the kernel cannot tell it from ours when it is deleted."""


@pytest.fixture
def crowded(host: Host) -> Host:
    """A host on which others have been at work before."""
    host.batch([f"rule add {rule}" for rule in reversed(RULES)])
    host.batch([f"rule add {rule}" for rule in reversed(RULES6)], "-6")
    host.batch([f"route add {route}" for route in ROUTES])
    host.batch([f"route add {route}" for route in ROUTES6], "-6")
    host.configure(ETH0, ETH1, ETH2, ETH3)
    return host


def test_strangers_are_the_same_byte_for_byte_after_a_whole_life(crowded: Host) -> None:
    before = crowded.theirs()
    same("", crowded.ours())
    daemon = crowded.start()
    full = crowded.ours()
    assert "lookup 18002" in full
    same(before, crowded.theirs())
    # Drift.
    crowded.ip("rule flush protocol 83", "-6 rule flush protocol 83")
    crowded.batch([f"rule add {rule}" for rule in RULES if "protocol 83" in rule])
    crowded.batch([f"rule add {rule}" for rule in RULES6 if "protocol 83" in rule], "-6")
    crowded.ip("route flush table 18001", "-6 route flush table 18002")
    crowded.healed(full)
    same(before, crowded.theirs())
    # Killed while a NIC comes, started again, and the NIC goes.
    crowded.plug(ETH3)
    daemon.kill()
    daemon = crowded.start()
    assert "from 172.16.3.5 lookup" in crowded.ours()
    crowded.ip("link del eth3")
    crowded.healed(full)
    same(before, crowded.theirs())
    # Restarted, stopped, removed.
    assert daemon.stop() == 0
    daemon = crowded.start()
    assert daemon.operations() == []
    assert daemon.stop() == 0
    same(full, crowded.ours())
    same(before, crowded.theirs())
    assert crowded.cleanup()[0] == 0
    same("", crowded.ours())
    same(before, crowded.theirs())


def test_strangers_that_come_among_ours_stay_too(host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    host.batch([f"rule add {rule}" for rule in AMONG])
    host.batch([f"route add {route}" for route in INSIDE])
    theirs = host.theirs()
    host.ip("route del default table 18001 via 172.16.1.253", "rule del pref 18014 protocol 83")
    host.healed(full)
    same(theirs, host.theirs())
    daemon.kill()
    host.ip("rule del pref 18012 protocol 83")
    daemon = host.start()
    same(full, host.ours())
    same(theirs, host.theirs())
    host.ip("address del 172.16.1.6/24 dev eth1", "address add 172.16.1.6/24 dev eth1")
    host.healed(full)
    assert daemon.stop() == 0
    assert host.cleanup()[0] == 0
    same("", host.ours())
    same(theirs, host.theirs())


def test_a_rule_that_says_what_ours_says_is_never_taken_in_place_of_ours(host: Host) -> None:
    host.start()
    full = host.ours()
    # Before and behind ours of the same priority, and narrower than ours.
    twins = [
        f"rule add from 172.16.1.6 {narrower}lookup 18001 pref 18016 protocol {protocol}"
        for narrower in ("iif lo ", "fwmark 0x1 ", "")
        for protocol in (0, 3, 200)
    ]
    host.batch(twins)
    theirs = _rules(host.theirs())
    host.ip("address del 172.16.1.6/24 dev eth1")
    host.healed("\n".join(line for line in full.splitlines() if "from 172.16.1.6 " not in line))
    same(theirs, _rules(host.theirs()))
    host.ip("address add 172.16.1.6/24 dev eth1")
    host.healed(full)
    same(theirs, _rules(host.theirs()))


def _rules(lines: str) -> str:
    return "\n".join(line for line in lines.splitlines() if "rule" in line)


@pytest.mark.parametrize("litter", LITTER)
def test_what_bears_our_mark_in_our_band_but_is_not_wanted_goes(litter: str, host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    with Witness() as witness:
        host.ip(litter)
        host.healed(full)
        # And that was the end of it; nothing else of ours had to go and come back.
        time.sleep(0.2)
        came = [line for line in witness.ours() if line.startswith("+")]
        assert len(came) == (2 if "replace" in litter else 1), came
    same(full, host.ours())
    assert daemon.generation == 2


@pytest.mark.parametrize("litter", VAGUE_LITTER)
def test_what_the_kernel_takes_for_ours_goes_in_the_end(litter: str, host: Host) -> None:
    host.start()
    full = host.ours()
    host.ip(litter)
    host.healed(full)
    time.sleep(0.2)
    same(full, host.ours())


def test_cleanup_tells_first_what_it_would_do_and_then_does_it(host: Host) -> None:
    before = host.theirs()
    daemon = host.start()
    full = host.ours()
    assert daemon.stop() == 0
    code, said = host.cleanup("--dry-run")
    assert code == 1
    assert f"{len(full.splitlines())} to remove" in said
    same(full, host.ours())
    with Witness() as witness:
        code, said = host.cleanup()
        kinds = ["rule" in line for line in witness.deletes()]
    assert code == 0
    assert f"{len(full.splitlines())} removed" in said
    assert kinds == sorted(kinds, reverse=True), "a route went before a rule"
    same("", host.ours())
    same(before, host.theirs())
    code, said = host.cleanup()
    assert code == 0
    assert said.startswith("0 removed")
