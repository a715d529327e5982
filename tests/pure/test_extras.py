"""The administrator's own routes and exceptions for one NIC, laid over its mode's."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.derive import derive
from srcroutd.core.desired import ExtraRoute, Nic, NicDesired, Settings
from srcroutd.core.net import RouteType
from tests.pure.worlds import address, addressing, eni, nic

V4 = addressing("192.0.2.5", "192.0.2.6", subnet="192.0.2.0/24", gateway="192.0.2.253")
V6 = addressing("2001:db8::5", subnet="2001:db8::/64", gateway="2001:db8::1")
ON_NIC = [address(1, "192.0.2.5/24"), address(1, "192.0.2.6/24"), address(1, "2001:db8::5/64")]


def route(
    to: str, via: str | None = None, kind: RouteType = RouteType.UNICAST, metric: int = 0
) -> ExtraRoute:
    return ExtraRoute(ip_network(to), ip_address(via) if via else None, kind, metric)


def eth1(*routes: ExtraRoute, keep_main: tuple[str, ...] = (), up: bool = True) -> Nic:
    settings = Settings(routes=routes, keep_main=tuple(map(ip_network, keep_main)))
    return nic(1, eni(1, V4, V6), ON_NIC, settings=settings, up=up)


def said(wanted: NicDesired) -> set[str]:
    return {str(want.thing) for want in (*wanted.routes, *wanted.rules)}


def added(one: Nic) -> set[str]:
    """What the extras add, as one would type it."""
    return said(derive(one)) - said(derive(replace(one, settings=Settings())))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            route("10.8.0.0/16", "192.0.2.9"),
            "10.8.0.0/16 via 192.0.2.9 dev eth1 table 18001 src 192.0.2.5",
        ),
        (
            route("10.8.0.0/16", "198.51.100.9", metric=7),
            "10.8.0.0/16 via 198.51.100.9 dev eth1 table 18001 src 192.0.2.5 metric 7 onlink",
        ),
        (route("10.8.0.0/16"), "10.8.0.0/16 dev eth1 table 18001 scope link src 192.0.2.5"),
        (
            route("2001:db8:8::/48", "2001:db8::9"),
            "2001:db8:8::/48 via 2001:db8::9 dev eth1 table 18001 src 2001:db8::5",
        ),
        (
            route("10.9.0.0/16", kind=RouteType.UNREACHABLE),
            "unreachable 10.9.0.0/16 table 18001",
        ),
    ],
)
def test_a_route_of_the_administrator_goes_into_the_nics_table(
    extra: ExtraRoute, words: str
) -> None:
    assert added(eth1(extra)) == {words}


def test_his_default_takes_the_place_of_the_clouds() -> None:
    things = said(derive(eth1(route("0.0.0.0/0", "192.0.2.1"))))
    defaults = {words for words in things if words.startswith("default")}
    assert defaults == {
        "default via 192.0.2.1 dev eth1 table 18001 src 192.0.2.5",
        "default via 2001:db8::1 dev eth1 table 18001 src 2001:db8::5",
    }


def test_a_nic_that_is_down_keeps_only_what_closes() -> None:
    extras = route("10.8.0.0/16", "192.0.2.9"), route("10.9.0.0/16", kind=RouteType.BLACKHOLE)
    assert added(eth1(*extras, up=False)) == {"blackhole 10.9.0.0/16 table 18001"}


def test_a_kept_destination_is_left_to_main_for_each_address_of_its_family() -> None:
    assert added(eth1(keep_main=("198.51.100.0/24",))) == {
        "18013: from 192.0.2.5 to 198.51.100.0/24 lookup main",
        "18013: from 192.0.2.6 to 198.51.100.0/24 lookup main",
    }
    assert added(eth1(keep_main=("2001:db8:9::/48",))) == {
        "18013: from 2001:db8::5 to 2001:db8:9::/48 lookup main"
    }


def test_a_family_that_is_not_managed_gets_nothing() -> None:
    one = eth1(route("10.8.0.0/16", "192.0.2.9"), keep_main=("198.51.100.0/24",))
    assert not said(derive(replace(one, settings=replace(one.settings, ipv4=False)))) & added(one)
