"""The administrator's own routes and exceptions, kept like everything else and taken away whole."""

import signal

import pytest

from tests.life.enis import ETH0, ETH1
from tests.life.host import Host

EXTRAS = """
[[nic]]
name = "eth1"
keep_main = ["192.0.2.0/24", "2001:db8:9::/48"]
routes = [
    { to = "10.8.0.0/16", via = "172.16.1.77" },
    { to = "10.9.0.0/16", type = "unreachable" },
    { to = "2001:db8:8::/48", via = "fd00:1::77" },
]
"""


def way(host: Host, words: str) -> str:
    """Which way the kernel sends a packet, by gateway and NIC."""
    found = host.ip(f"route get {words}").split("uid")[0].split()
    return " ".join(found[found.index("via") :][:4]) if "via" in found else "no gateway"


def test_packets_of_the_nic_take_them_and_others_do_not(host: Host) -> None:
    host.configure(ETH0, ETH1, extra=EXTRAS)
    host.start()
    assert way(host, "10.8.0.1 from 172.16.1.5") == "via 172.16.1.77 dev eth1"
    assert way(host, "10.7.0.1 from 172.16.1.5") == "via 172.16.1.253 dev eth1"
    assert way(host, "10.8.0.1 from 172.16.0.10") == "via 172.16.0.253 dev eth0"
    assert way(host, "192.0.2.1 from 172.16.1.5") == "via 172.16.0.253 dev eth0"
    assert way(host, "2001:db8:8::1 from fd00:1::5") == "via fd00:1::77 dev eth1"
    assert way(host, "2001:db8:7::1 from fd00:1::5") == "via fd00:1::253 dev eth1"
    with pytest.raises(AssertionError, match=r"No route to host|unreachable"):
        way(host, "10.9.0.1 from 172.16.1.5")


def test_they_come_back_and_go_with_the_file(host: Host) -> None:
    host.configure(ETH0, ETH1)
    daemon = host.start()
    plain = host.settled()
    host.configure(ETH0, ETH1, extra=EXTRAS)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("+ ip route 10.8.0.0/16 via 172.16.1.77", "configured for eth1")
    full = host.settled()
    assert "10.8.0.0/16" in full
    host.ip("route del 10.8.0.0/16 table 18001", "rule del priority 18013")
    host.healed(full)
    host.configure(ETH0, ETH1)
    daemon.send(signal.SIGHUP)
    host.healed(plain)
