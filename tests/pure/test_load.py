"""Load over several NICs: what the entries want of the kernel, and what they leave alone."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from srcroutd.core.config import Config
from srcroutd.core.desired import Host, HostNic, NicDesired, Settings
from srcroutd.core.load import LoadEntry, derive_load
from srcroutd.core.net import Address, Route, Rule
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from srcroutd.core.policies import derive_policies
from tests.pure.worlds import DOMAIN, address, addressing, eni, link


def host_nic(number: int, *, primary: bool = False) -> HostNic:
    v4 = addressing(
        f"198.51.{number}.5", subnet=f"198.51.{number}.0/24", gateway=f"198.51.{number}.253"
    )
    v6 = addressing(
        f"2001:db8:{number}::5", subnet=f"2001:db8:{number}::/64", gateway=f"2001:db8:{number}::fd"
    )
    return HostNic(
        link(number),
        (address(number, f"198.51.{number}.5/24"), address(number, f"2001:db8:{number}::5/64")),
        eni(number, v4, v6),
        0 if primary else DOMAIN.table(number),
        primary=primary,
    )


ETH0, ETH1, ETH2 = host_nic(0, primary=True), host_nic(1), host_nic(2)
BY_ETH0 = "nexthop via 198.51.0.253 dev eth0 weight 2"
BY_ETH1 = "nexthop via 198.51.1.253 dev eth1 weight 1"
TWO_TO_ONE = LoadEntry((("eth0", 2), ("eth1", 1)))


def told(*entries: LoadEntry, nics: tuple[HostNic, ...] = (ETH0, ETH1, ETH2)) -> NicDesired:
    return derive_load(entries, Host(DOMAIN, nics))


def words(wanted: NicDesired, version: int = 4) -> list[str]:
    family = 2 if version == 4 else 10
    things = [want.thing for want in (*wanted.routes, *wanted.rules)]
    return [str(thing) for thing in things if thing.family == family]


def to(*prefixes: str, **nics: int) -> LoadEntry:
    return LoadEntry(tuple(nics.items()), tuple(map(ip_network, prefixes)))


def test_new_connections_are_spread_by_one_table_behind_what_main_knows_more_narrowly() -> None:
    assert words(told(TWO_TO_ONE)) == [
        "throw 100.64.0.0/10 table 18100",
        "throw 169.254.0.0/16 table 18100",
        "throw 224.0.0.0/3 table 18100",
        f"default table 18100 {BY_ETH0} {BY_ETH1}",
        "17999: from all nop",
        "17750: from all oif eth0 goto 17999",
        "17750: from all oif eth1 goto 17999",
        "17751: from 0.0.0.0 iif lo lookup main suppress_prefixlength 0",
        "17752: from 0.0.0.0 iif lo lookup 18100",
    ]


def test_in_ipv6_whatever_has_a_source_jumps_over_the_rules() -> None:
    assert words(told(TWO_TO_ONE), 6)[-7:] == [
        "17500: from ::/1 goto 17999",
        "17500: from 8000::/1 goto 17999",
        "17999: from all nop",
        "17750: from all oif eth0 goto 17999",
        "17750: from all oif eth1 goto 17999",
        "17751: from all iif lo lookup main suppress_prefixlength 0",
        "17752: from all iif lo lookup 18100",
    ]


def test_jumps_stand_before_what_they_jump_over_and_go_after_it() -> None:
    wants = {str((want.thing.family, want.thing)): want for want in told(TWO_TO_ONE).rules}
    rules = {key: want.thing for key, want in wants.items() if isinstance(want.thing, Rule)}
    pruning = Pruning((DOMAIN,), lambda _domain, _thing: "no longer wanted")
    put = plan(Desired(wants, {}), Observed({}, {}), pruning)
    taken = plan(Desired({}, {}), Observed(rules, {}), pruning)
    for operations in (put, taken[::-1]):
        order = [str(one) for one in operations if "ip -6" in str(one)]
        order = [line.partition("rule ")[2] for line in order]
        spread = order.index("17752: from all iif lo lookup 18100")
        assert order.index("17999: from all nop") < order.index("17500: from ::/1 goto 17999")
        assert order.index("17500: from 8000::/1 goto 17999") < spread


def test_longer_prefixes_are_asked_first_and_none_hides_another() -> None:
    wanted = told(TWO_TO_ONE, to("203.0.113.0/24", "203.0.113.9/32", eth1=1, eth2=1))
    assert [one for one in words(wanted) if " iif " in one] == [
        "17751: from 0.0.0.0 to 203.0.113.0/24 iif lo lookup main suppress_prefixlength 24",
        "17752: from 0.0.0.0 to 203.0.113.0/24 iif lo lookup 18100",
        "17753: from 0.0.0.0 iif lo lookup main suppress_prefixlength 0",
        "17754: from 0.0.0.0 iif lo lookup 18100",
    ]
    assert [one for one in words(told(to("203.0.113.9/32", eth0=1, eth1=1))) if " iif " in one] == [
        "17752: from 0.0.0.0 to 203.0.113.9 iif lo lookup 18100"
    ]


def test_what_the_cloud_keeps_is_spread_only_where_it_is_named() -> None:
    named = told(to("100.64.0.0/10", eth0=1, eth1=1))
    assert [one for one in words(named) if one.startswith("throw")] == []
    wider = told(to("100.0.0.0/8", eth0=1, eth1=1))
    assert words(wider)[0] == "throw 100.64.0.0/10 table 18100"


UNFIT = {
    "down": (replace(ETH1, link=replace(ETH1.link, up=False)), "load: eth1 is down"),
    "no carrier": (
        replace(ETH1, link=replace(ETH1.link, carrier=False)),
        "load: eth1 has no carrier",
    ),
    "not explained": (
        replace(ETH1, eni=None),
        "load: eth1 is not explained yet",
    ),
    "left alone": (
        replace(ETH1, table=0),
        "load: eth1 is left alone: what bears its addresses leaves by main",
    ),
    "no address": (replace(ETH1, addresses=()), "load: eth1 has no IPv4 address yet"),
    "another's address": (
        replace(ETH1, addresses=(address(1, "192.0.2.9/24"),)),
        "load: eth1 has no IPv4 address yet",
    ),
    "ignored": (
        replace(ETH1, settings=Settings(ignore=frozenset({ip_network("198.51.1.5/32")}))),
        "load: eth1 has no IPv4 address yet",
    ),
    "unmanaged family": (
        replace(ETH1, settings=Settings(ipv4=False)),
        "load: eth1 is not managed in IPv4",
    ),
}


@pytest.mark.parametrize(("nic", "note"), UNFIT.values(), ids=UNFIT)
def test_a_nic_that_cannot_take_connections_leaves_the_set(nic: HostNic, note: str) -> None:
    wanted = told(LoadEntry((("eth0", 2), ("eth1", 1), ("eth2", 3))), nics=(ETH0, nic, ETH2))
    (default,) = [one for one in words(wanted) if one.startswith("default")]
    assert default == (
        "default table 18100"
        " nexthop via 198.51.0.253 dev eth0 weight 2 nexthop via 198.51.2.253 dev eth2 weight 3"
    )
    assert note in wanted.notes


def test_an_address_under_proof_is_no_address() -> None:
    probing: tuple[Address, ...] = (address(1, "2001:db8:1::5/64", tentative=True),)
    wanted = told(TWO_TO_ONE, nics=(ETH0, replace(ETH1, addresses=probing)))
    assert "load: eth1 has no IPv6 address yet" in wanted.notes


def test_the_last_nic_left_is_a_plain_route_as_the_kernel_shows_it() -> None:
    wanted = told(TWO_TO_ONE, nics=(ETH0,))
    assert "default via 198.51.0.253 dev eth0 table 18100" in words(wanted)
    assert wanted.notes == ("load: there is no eth1",)


def test_where_no_nic_is_left_nothing_is_wanted_and_main_decides() -> None:
    wanted = told(TWO_TO_ONE, nics=())
    assert (wanted.routes, wanted.rules) == ((), ())
    down = replace(ETH2, link=replace(ETH2.link, up=False))
    wanted = told(to("203.0.113.0/24", eth1=1, eth2=1), TWO_TO_ONE, nics=(ETH0, down))
    assert all("203.0.113.0" not in one for one in words(wanted))
    assert "load: no NIC is left for 203.0.113.0/24; it goes the way of what is wider" in (
        wanted.notes
    )


def test_a_nic_may_be_named_by_its_eni_but_not_twice() -> None:
    assert words(told(LoadEntry((("eni-0", 2), ("eth1", 1))))) == words(told(TWO_TO_ONE))
    wanted = told(LoadEntry((("eth0", 2), ("eth1", 1), ("eni-1", 9))))
    assert words(wanted) == words(told(TWO_TO_ONE))
    assert wanted.notes == ("load: eni-1 is named twice",)


def test_a_gateway_outside_its_subnet_is_on_the_link_all_the_same() -> None:
    assert ETH1.eni
    assert ETH1.eni.v4
    far = replace(ETH1.eni, v4=replace(ETH1.eni.v4, subnet=ip_network("198.51.1.0/28")))
    wanted = told(TWO_TO_ONE, nics=(ETH0, replace(ETH1, eni=far)))
    (default,) = [one for one in words(wanted) if one.startswith("default")]
    assert default.endswith("nexthop via 198.51.1.253 dev eth1 weight 1 onlink")


def test_all_of_it_is_ours_and_of_the_whole_host() -> None:
    config = Config(load=(TWO_TO_ONE, to("203.0.113.0/24", eth1=1, eth2=1)))
    wanted = derive_policies(config, Host(DOMAIN, (ETH0, ETH1, ETH2)))
    for want in (*wanted.rules, *wanted.routes):
        thing = want.thing
        ours = DOMAIN.owns_route(thing) if isinstance(thing, Route) else DOMAIN.owns_rule(thing)
        assert ours
        assert DOMAIN.seat_of(thing) == 0
        assert want.because
