"""Copies of main's routes in a NIC's table: they follow main within a second, the NIC's own win,
and what nobody asked about costs nothing.
"""

import signal
import time

import pytest

from tests.life.enis import ETH1, Eni
from tests.life.host import Host, same, until
from tests.life.running import Running

SIX0 = Eni(0, (10,), (10,))
FLOOD = 40_000


def begin(host: Host, mirror: str) -> Running:
    """The daemon with an entry for eth1."""
    host.configure(SIX0, ETH1, extra=f'[[nic]]\nname = "eth1"\nmirror = [{mirror}]\n')
    return host.start()


@pytest.fixture
def host(host: Host) -> Host:
    """The host, its eth0 with an address of each family."""
    host.ip("-6 address add fd00:0::10/64 dev eth0 nodad")
    return host


def copies(host: Host, option: str = "") -> list[str]:
    """The unicast routes of eth1's table, without those of mode source."""
    lines = host.ip(f"-N {option}route show table 18001 type unicast").splitlines()
    words = [line.replace(" pref medium", "").replace(" proto 83", "").strip() for line in lines]
    own = ("172.16.1.0/24 dev", "172.16.0.0/24 via", "fd00::/64 via", "fd00:1::/64 dev")
    return sorted(
        line
        for line in words
        if not line.startswith(own)
        and "default via 172.16.1.253" not in line
        and "default via fd00:1::253" not in line
    )


def become(host: Host, *lines: str, option: str = "") -> None:
    """Wait until the copies are exactly these."""
    until(
        lambda: copies(host, option) == sorted(lines),
        1.0,
        f"{sorted(lines)}, but {copies(host, option)}",
    )


def test_a_prefix_follows_main_in_whatever_happens_there(host: Host) -> None:
    host.ip("route add 10.8.1.0/24 via 172.16.0.77 dev eth0 metric 7")
    begin(host, '"10.8.0.0/16"')
    one = "10.8.1.0/24 via 172.16.0.77 dev eth0 metric 7"
    become(host, one)
    host.ip(
        "route add 10.8.2.0/24 via 172.16.1.77 dev eth1 src 172.16.1.6",
        "route add 10.8.3.0/24 dev eth2 src 172.16.2.5",
        "route add 10.8.4.0/24 via 203.0.113.1 dev eth2 onlink",
        "route add 10.9.0.0/16 via 172.16.0.77 dev eth0",
        "route add 10.0.0.0/8 via 172.16.0.77 dev eth0",
        "route add blackhole 10.8.5.0/24",
        "route add 10.8.6.0/24 nexthop via 172.16.0.77 dev eth0 nexthop via 172.16.1.77 dev eth1",
    )
    more = (
        "10.8.2.0/24 via 172.16.1.77 dev eth1 src 172.16.1.6",
        "10.8.3.0/24 dev eth2 scope 253",
        "10.8.4.0/24 via 203.0.113.1 dev eth2 onlink",
    )
    become(host, one, *more)
    host.ip("route change 10.8.1.0/24 via 172.16.0.78 dev eth0 metric 7")
    become(host, one.replace("77", "78"), *more)
    host.ip("route del 10.8.2.0/24", "route del 10.8.1.0/24 metric 7")
    become(host, *more[1:])
    host.ip("link set eth2 down")
    become(host)


def test_the_same_in_ipv6(host: Host) -> None:
    begin(host, '"2001:db8:8::/48"')
    host.ip(
        "-6 route add 2001:db8:8:1::/64 via fd00:0::77 dev eth0 metric 7",
        "-6 route add 2001:db8:8:2::/64 via fd00:1::77 dev eth1 src fd00:1::5",
        "-6 route add 2001:db8:8:3::/64 dev eth2 mtu 1400",
        "-6 route add 2001:db8:9::/48 via fd00:0::77 dev eth0",
    )
    both = (
        "2001:db8:8:2::/64 via fd00:1::77 dev eth1 src fd00:1::5 metric 1024",
        "2001:db8:8:3::/64 dev eth2 metric 1024",
    )
    one = "2001:db8:8:1::/64 via fd00::77 dev eth0 metric 7"
    become(host, one, *both, option="-6 ")
    host.ip("-6 route del 2001:db8:8:1::/64 metric 7")
    become(host, *both, option="-6 ")


def test_a_protocol_is_followed_and_one_that_takes_its_place_is_not(host: Host) -> None:
    host.ip("route add 10.8.2.0/24 via 172.16.0.77 dev eth0 proto bird")
    begin(host, '"static", 186')
    host.ip("route add 10.8.1.0/24 via 172.16.0.77 dev eth0 proto static")
    host.ip("route add 10.8.3.0/24 via 172.16.0.77 dev eth0 proto bgp")
    two = [f"10.8.{n}.0/24 via 172.16.0.77 dev eth0" for n in (1, 3)]
    become(host, *two)
    # The kernel announces the new one only.
    host.ip("route replace 10.8.1.0/24 via 172.16.0.77 dev eth0 proto bird")
    become(host, two[1])


def test_the_nics_own_routes_win_and_a_default_comes_only_by_its_own_name(host: Host) -> None:
    host.ip("route add default via 172.16.0.253 dev eth0 metric 100 proto static")
    host.ip("-6 route add default via fd00:0::253 dev eth0 metric 100 proto static")
    daemon = begin(host, '"172.16.0.0/12", "fd00::/8", "static", "0.0.0.0/1"')
    full = host.settled()
    assert copies(host) == ["172.16.2.0/24 dev eth2 scope 253"]
    assert copies(host, "-6 ") == ["fd00:2::/64 dev eth2 metric 256"]
    host.configure(SIX0, ETH1, extra='[[nic]]\nname = "eth1"\nmirror = ["0.0.0.0/0", "::/0"]\n')
    daemon.send(signal.SIGHUP)
    behind = "default via 172.16.0.253 dev eth0 metric 100"
    become(host, behind, "172.16.2.0/24 dev eth2 scope 253")
    # In IPv6 it would come before the NIC's own, whose metric is 1024.
    become(host, "fd00:2::/64 dev eth2 metric 256", option="-6 ")
    host.configure(
        SIX0, ETH1, extra='[[nic]]\nname = "eth1"\nmirror = ["172.16.0.0/12", "fd00::/8"]\n'
    )
    daemon.send(signal.SIGHUP)
    host.healed(full)


def test_a_nic_that_is_down_has_no_copies_and_gets_them_back(host: Host) -> None:
    host.ip("route add 10.8.1.0/24 via 172.16.0.77 dev eth0")
    begin(host, '"10.8.0.0/16"')
    one = "10.8.1.0/24 via 172.16.0.77 dev eth0"
    become(host, one)
    host.ip("link set eth1 down")
    become(host)
    host.ip("link set eth1 up")
    become(host, one)


def test_copies_stay_over_a_restart_and_a_stop(host: Host) -> None:
    host.ip("route add 10.8.1.0/24 via 172.16.0.77 dev eth0")
    daemon = begin(host, '"10.8.0.0/16"')
    full = host.settled()
    assert "10.8.1.0/24" in full
    daemon.close()
    same(full, host.ours())
    again = host.start()
    host.healed(full)
    assert again.generation == 0


@pytest.mark.parametrize("mirror", ["", '"static", "10.8.0.0/16"'])
def test_a_flood_of_other_routes_in_main_wakes_nobody(host: Host, mirror: str) -> None:
    daemon = begin(host, mirror)
    full = host.settled()
    before = daemon.cpu_s()
    host.batch(
        f"route {verb} {20 + n % 100}.{n % 128 * 2}.0.0/15 dev eth0 proto bird"
        for n in range(FLOOD)
        for verb in ("add", "del")
    )
    time.sleep(0.3)
    # Woken by each of them it would be twice that.
    assert daemon.cpu_s() - before < 0.12
    same(full, host.ours())
