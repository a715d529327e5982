"""Which routes of main a NIC's table gets copies of, and what they look like there."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.derive import derive
from srcroutd.core.desired import Nic, NicDesired, Settings
from srcroutd.core.main_table import MainPart, Mirror
from srcroutd.core.net import MAIN_TABLE, Family, Route, Scope
from tests.pure.worlds import address, addressing, eni, nic

V4 = addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253")
V6 = addressing("2001:db8::5", subnet="2001:db8::/64", gateway="2001:db8::1")
ON_NIC = [address(1, "192.0.2.5/24"), address(1, "2001:db8::5/64")]


def route(to: str, via: str | None = None, **more: object) -> Route:
    """A route of main out of eth0 by protocol static, if nothing else is said."""
    dst = ip_network(to)
    words: dict[str, object] = {"oif": 2, "dev": "eth0", "protocol": 4} | more
    gateway = ip_address(via) if via else None
    return Route(Family.of(dst), MAIN_TABLE, dst, gateway=gateway, **words)  # type: ignore[arg-type]


def eth1(mirror: tuple[Mirror | str, ...], *routes: Route, up: bool = True) -> Nic:
    asked = tuple(ip_network(one) if isinstance(one, str) else one for one in mirror)
    one = nic(1, eni(1, V4, V6), ON_NIC, settings=Settings(mirror=asked), up=up)
    return replace(one, main=MainPart(routes=routes))


def said(wanted: NicDesired) -> set[str]:
    return {str(want.thing) for want in wanted.routes}


def copies(one: Nic) -> set[str]:
    return said(derive(one)) - said(derive(replace(one, settings=Settings())))


@pytest.mark.parametrize(
    ("asked", "found", "copy"),
    [
        (
            "10.0.0.0/8",
            route("10.8.0.0/16", "198.51.100.1", metric=7),
            "10.8.0.0/16 via 198.51.100.1 dev eth0 table 18001 metric 7",
        ),
        (
            "10.0.0.0/8",
            route("10.8.0.0/16", scope=Scope.LINK, prefsrc=ip_address("198.51.100.5")),
            "10.8.0.0/16 dev eth0 table 18001 scope link",
        ),
        (
            "10.0.0.0/8",
            route("10.8.0.0/16", "198.51.100.1", onlink=True, prefsrc=ip_address("192.0.2.5")),
            "10.8.0.0/16 via 198.51.100.1 dev eth0 table 18001 src 192.0.2.5 onlink",
        ),
        (
            4,
            route("2001:db8:8::/48", "2001:db8:1::1", metric=9),
            "2001:db8:8::/48 via 2001:db8:1::1 dev eth0 table 18001 metric 9",
        ),
        (
            "0.0.0.0/0",
            route("0.0.0.0/0", "198.51.100.1", metric=100),
            "default via 198.51.100.1 dev eth0 table 18001 metric 100",
        ),
    ],
)
def test_a_copy_is_the_same_route_in_the_nics_table(
    asked: Mirror | str, found: Route, copy: str
) -> None:
    one = eth1((asked,), found)
    assert copies(one) == {copy}
    (want,) = (want for want in derive(one).routes if str(want.thing) == copy)
    assert isinstance(want.thing, Route)
    assert want.thing.protocol == 83
    assert want.because == f"main has it (mirror {'static' if asked == 4 else asked})"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("10.8.0.0/16", route("10.0.0.0/8")),
        (16, route("10.8.0.0/16")),
        (4, route("0.0.0.0/0", "198.51.100.1", metric=100)),
        ("0.0.0.0/1", route("0.0.0.0/0", "198.51.100.1", metric=100)),
        ("0.0.0.0/0", route("0.0.0.0/0", "198.51.100.1")),
        ("::/0", route("::/0", "2001:db8:1::1", metric=100)),
        ("::/0", route("::/0", "2001:db8:1::1")),
        ("::/0", route("fe80::/64", metric=256)),
        ("0.0.0.0/0", route("192.0.2.0/24", metric=9)),
        ("::/0", route("2001:db8::/64", metric=256)),
    ],
)
def test_what_was_not_meant_or_would_win_over_the_nics_own_is_not_copied(
    asked: Mirror | str, found: Route
) -> None:
    assert not copies(eth1((asked,), found))


def test_a_nic_that_is_down_gets_none() -> None:
    assert not copies(eth1(("10.0.0.0/8",), route("10.8.0.0/16"), up=False))


def test_a_family_that_is_not_managed_gets_none() -> None:
    one = eth1(("10.0.0.0/8",), route("10.8.0.0/16"))
    assert not copies(replace(one, settings=replace(one.settings, ipv4=False)))


def test_of_two_with_one_identity_that_by_the_nic_itself_is_copied() -> None:
    both = route("2001:db8:8::/64"), route("2001:db8:8::/64", oif=3, dev="eth1")
    for order in (both, both[::-1]):
        assert copies(eth1(("::/0",), *order)) == {"2001:db8:8::/64 dev eth1 table 18001"}


def test_more_than_a_sane_number_is_not_copied_in_part() -> None:
    one = eth1(("10.0.0.0/8", "2001:db8:8::/48"), route("10.8.0.0/16"), route("2001:db8:8::/64"))
    full = replace(one, main=replace(one.main, overfull=frozenset({Family.V4})))
    assert copies(full) == {"2001:db8:8::/64 dev eth0 table 18001"}
    assert any("more than 16384 such IPv4 routes" in note for note in derive(full).notes)
