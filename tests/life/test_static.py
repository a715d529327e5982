"""Provider ``static``: the file is the last word on what this host has."""

import re
import signal

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, until


def without_eth2(full: str) -> str:
    """What stands when eth2 is nobody's: neither its own things nor the ways to its subnet."""
    its = re.compile(r"rule 1802|table 18002|172\.16\.2\.0/24|fd00:2::/64")
    return "\n".join(line for line in full.splitlines() if not its.search(line))


def test_an_entry_that_is_taken_out_of_the_file_takes_its_routing_along(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    host.configure(ETH0, ETH1)
    daemon.send(signal.SIGHUP)
    host.healed(without_eth2(full))
    until(lambda: "2 left alone" in daemon.status, 1.0, daemon.status)
    host.configure(ETH0, ETH1, ETH2)
    daemon.send(signal.SIGHUP)
    host.healed(full)


def test_an_entry_that_was_taken_out_while_the_daemon_was_stopped_is_gone_at_the_start(
    host: Host,
) -> None:
    daemon = host.start()
    full = host.settled()
    daemon.stop()
    host.configure(ETH0, ETH1)
    host.start()
    host.healed(without_eth2(full))


def test_a_strangers_route_put_before_ours_is_reported_and_left_alone(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    host.ip("route prepend default via 172.16.1.66 dev eth1 table 18001 proto static")
    daemon.wait_said("WARNING", "conflict", "172.16.1.66")
    until(lambda: "1 conflicts" in daemon.status, 1.0, daemon.status)
    assert "172.16.1.66" in host.theirs()
    host.ip("route del default via 172.16.1.66 dev eth1 table 18001")
    daemon.wait_said("no longer in conflict")
    host.healed(full)
