"""Reading table main: what is asked about is found among very many other routes, and soon."""

import asyncio
import subprocess
import time
from ipaddress import ip_network

import pytest

from srcroutd.core.main_table import MIRROR_LIMIT, MainInterest, MainRoutes
from srcroutd.core.net import Family
from srcroutd.kernel.main_dump import MainReader
from srcroutd.kernel.requests import Requests
from tests.kernel.common import Ip

MANY = 100_000
DEFAULTS = MainInterest(defaults=True)


def read(interest: MainInterest) -> MainRoutes:
    """What is asked about, as this namespace has it."""

    async def once() -> MainRoutes:
        requests = Requests()
        try:
            return (await MainReader(requests).read(interest))[1]
        finally:
            requests.close()

    return asyncio.run(once())


def crowd(count: int) -> None:
    """Very many routes, from 11.0.0.0 on."""
    lines = "".join(
        f"route add {11 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24 dev eth1\n"
        for n in range(count)
    )
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)


def crowd6(count: int) -> None:
    """Many routes of IPv6, which has its default behind all of them."""
    lines = "".join(f"route add 2001:db8:1:{n:x}::/64 dev eth1\n" for n in range(count))
    subprocess.run(["ip", "-6", "-batch", "-"], input=lines, text=True, check=True)


def mirrored(*words: str) -> MainInterest:
    return MainInterest(prefixes=tuple(map(ip_network, words)))


def said(main: MainRoutes) -> list[str]:
    return sorted(str(route) for route in main.routes)


@pytest.mark.usefixtures("nics")
def test_every_default_is_found_before_very_many_other_routes(ip: Ip) -> None:
    crowd(MANY)
    crowd6(2000)
    for line in (
        "route add default via 192.0.2.2 dev eth1 metric 7",
        "route add 0.0.0.0/1 via 192.0.2.2 dev eth1",
        "route add unreachable default metric 9",
        "route add default metric 8 nexthop via 192.0.2.2 dev eth1 nexthop dev eth2",
        "-6 route add default via 2001:db8::2 dev eth1",
        "-6 route add default from 2001:db8:1::/64 via 2001:db8::2 dev eth1 metric 3",
    ):
        ip(line)
    began = time.monotonic()
    main = read(DEFAULTS)
    assert time.monotonic() - began < 0.1
    assert [(one.route.family, one.metric, len(one.oifs)) for one in main.defaults] == [
        (Family.V4, 7, 1),
        (Family.V4, 8, 2),
        (Family.V4, 9, 0),
        (Family.V6, 1024, 1),
    ]
    assert not main.routes


@pytest.mark.usefixtures("nics")
def test_a_prefix_and_a_protocol_are_found_among_very_many_other_routes(ip: Ip) -> None:
    crowd(5000)
    ip("route add 10.8.1.0/24 via 192.0.2.2 dev eth1")
    ip("route add 10.0.0.0/8 via 192.0.2.2 dev eth1")
    ip("route add 10.8.2.0/24 encap ip id 7 dst 192.0.2.3 dev eth1")
    ip("route add blackhole 10.8.3.0/24")
    ip("route add 203.0.113.0/24 dev eth1 proto bgp mtu 1400")
    ip("-6 route add 2001:db8:8::/48 via 2001:db8::2 dev eth1 proto bgp")
    assert said(read(mirrored("10.8.0.0/16"))) == [
        "10.8.1.0/24 via 192.0.2.2 dev " + dev(read(mirrored("10.8.0.0/16"))) + " table main"
    ]
    both = read(MainInterest(protocols=(186,)))
    assert [str(route.dst) for route in both.routes] == ["203.0.113.0/24", "2001:db8:8::/48"]
    assert not both.defaults
    assert not any(route.beyond for route in both.routes)


def dev(main: MainRoutes) -> str:
    return f"if{main.routes[0].oif}"


@pytest.mark.usefixtures("nics")
def test_more_than_a_sane_number_of_copies_is_told_and_not_read_to_the_end(ip: Ip) -> None:
    crowd(2 * MIRROR_LIMIT)
    ip("-6 route add 2001:db8:8::/48 dev eth1")
    main = read(mirrored("0.0.0.0/0", "2001:db8:8::/48"))
    assert main.overfull == {Family.V4}
    assert len(main.routes) < MIRROR_LIMIT + 2000
    assert "2001:db8:8::/48" in {str(route.dst) for route in main.routes}


def test_a_main_that_does_not_exist_is_empty(netns: None) -> None:  # noqa: ARG001
    assert read(MainInterest(defaults=True, protocols=(4,))) == MainRoutes()
