"""Mode ``source`` in the words that an operator would type."""

from ipaddress import ip_network

import pytest

from srcroutd.core.desired import NicDesired, Settings
from srcroutd.core.modes.source import MANY_SOURCES, derive_source
from srcroutd.core.net import Scope
from tests.pure.worlds import address, addressing, eni, nic

V4 = addressing("192.0.2.5", "192.0.2.6", subnet="192.0.2.0/24", gateway="192.0.2.253")
V6 = addressing("2001:db8:1::5", subnet="2001:db8:1::/64", gateway="2001:db8:1::1")


def rules(wanted: NicDesired) -> list[str]:
    return [str(want.thing) for want in wanted.rules]


def routes(wanted: NicDesired) -> list[str]:
    return [str(want.thing) for want in wanted.routes]


def test_an_address_gets_three_tiers_and_the_device_gets_them_too() -> None:
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")]))
    assert rules(wanted) == [
        "18010: from all oif eth1 lookup 18001 suppress_prefixlength 0",
        "18011: from all oif eth1 lookup main suppress_prefixlength 0",
        "18012: from all oif eth1 lookup 18001",
        "18014: from 192.0.2.5 lookup 18001 suppress_prefixlength 0",
        "18015: from 192.0.2.5 lookup main suppress_prefixlength 0",
        "18016: from 192.0.2.5 lookup 18001",
    ]


def test_the_table_holds_the_guard_then_the_subnet_then_the_gateway() -> None:
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")]))
    assert routes(wanted) == [
        "unreachable default table 18001 metric 4278198272",
        "192.0.2.0/24 dev eth1 table 18001 scope link src 192.0.2.5",
        "default via 192.0.2.253 dev eth1 table 18001 src 192.0.2.5",
    ]


def test_everything_bears_our_protocol() -> None:
    wanted = derive_source(
        nic(1, eni(1, V4, V6), [address(1, "192.0.2.5/24"), address(1, "2001:db8:1::5/64")])
    )
    assert {want.thing.protocol for want in (*wanted.rules, *wanted.routes)} == {83}


def test_a_client_in_the_subnet_of_another_eni_is_answered_through_the_gateway() -> None:
    other = (("198.51.100.0/24", "eni-0"),)
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")], elsewhere=other))
    assert "198.51.100.0/24 via 192.0.2.253 dev eth1 table 18001 src 192.0.2.5" in routes(wanted)


def test_a_subnet_that_two_other_enis_share_is_routed_once() -> None:
    other = (("198.51.100.0/24", "eni-0"), ("198.51.100.0/24", "eni-2"))
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")], elsewhere=other))
    assert len([line for line in routes(wanted) if line.startswith("198.51.100.0/24")]) == 1


def test_two_enis_in_one_subnet_reach_it_directly() -> None:
    other = (("192.0.2.0/24", "eni-2"),)
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")], elsewhere=other))
    assert not [route for route in routes(wanted) if route.startswith("192.0.2.0/24 via")]


@pytest.mark.parametrize(
    ("half", "on_nic", "default"),
    [
        (
            addressing("192.0.2.5", subnet="192.0.2.5/32", gateway="198.51.100.1"),
            "192.0.2.5/32",
            "default via 198.51.100.1 dev eth1 table 18001 src 192.0.2.5 onlink",
        ),
        (
            addressing("2001:db8:1::5", subnet="2001:db8:1::/64", gateway="2001:db8:9::1"),
            "2001:db8:1::5/64",
            "default via 2001:db8:9::1 dev eth1 table 18001 src 2001:db8:1::5 onlink",
        ),
    ],
)
def test_a_gateway_outside_the_subnet_is_onlink(half: object, on_nic: str, default: str) -> None:
    known = eni(1, half if "." in on_nic else None, half if ":" in on_nic else None)  # type: ignore[arg-type]
    assert default in routes(derive_source(nic(1, known, [address(1, on_nic)])))


def test_an_address_that_a_cni_took_off_the_nic_gets_no_rule() -> None:
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")]))
    assert not [rule for rule in rules(wanted) if "192.0.2.6" in rule]


def test_an_address_in_the_subnet_that_metadata_does_not_list_gets_rules() -> None:
    wanted = derive_source(
        nic(1, eni(1, V4), [address(1, "192.0.2.5/24"), address(1, "192.0.2.77/32")])
    )
    found = [want for want in wanted.rules if "from 192.0.2.77 " in str(want.thing)]
    assert len(found) == 3
    assert "not listed by aliyun" in found[0].because


def test_an_address_outside_the_subnet_that_nobody_listed_is_left_alone() -> None:
    wanted = derive_source(
        nic(1, eni(1, V4), [address(1, "192.0.2.5/24"), address(1, "203.0.113.7/24")])
    )
    assert not [rule for rule in rules(wanted) if "203.0.113.7" in rule]


def test_link_local_and_tentative_addresses_get_nothing() -> None:
    on_nic = [
        address(1, "fe80::1/64", scope=Scope.LINK),
        address(1, "2001:db8:1::5/64", tentative=True),
    ]
    wanted = derive_source(nic(1, eni(1, None, V6), on_nic))
    assert wanted.rules == wanted.routes == ()
    assert wanted.notes


def test_a_delegated_prefix_gets_one_set_of_rules() -> None:
    half = addressing(
        "192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253", prefixes=("192.0.2.64/28",)
    )
    wanted = derive_source(nic(1, eni(1, half), [address(1, "192.0.2.5/24")]))
    assert "18016: from 192.0.2.64/28 lookup 18001" in rules(wanted)
    assert "18013: from all to 192.0.2.64/28 lookup main suppress_prefixlength 27" in rules(wanted)


def test_a_nic_that_is_down_keeps_its_rules_and_the_guard_only() -> None:
    wanted = derive_source(nic(1, eni(1, V4), [address(1, "192.0.2.5/24")], up=False))
    assert routes(wanted) == ["unreachable default table 18001 metric 4278198272"]
    assert "18016: from 192.0.2.5 lookup 18001" in rules(wanted)


def test_with_many_addresses_strangers_packets_skip_the_nic() -> None:
    many = [address(1, f"192.0.2.{host}/24") for host in range(5, 6 + MANY_SOURCES)]
    wanted = rules(derive_source(nic(1, eni(1, V4), many)))
    assert "18013: not from 192.0.2.0/24 goto 18019" in wanted
    assert "18019: from all nop" in wanted


def test_with_a_source_outside_the_subnet_nothing_is_skipped() -> None:
    half = addressing(
        "192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253", prefixes=("198.51.100.0/28",)
    )
    many = [address(1, f"192.0.2.{host}/24") for host in range(5, 6 + MANY_SOURCES)]
    assert not [rule for rule in rules(derive_source(nic(1, eni(1, half), many))) if "goto" in rule]


def test_families_and_addresses_can_be_switched_off() -> None:
    settings = Settings(ipv6=False, oif_rule=False, ignore=frozenset({ip_network("192.0.2.6/32")}))
    on_nic = [
        address(1, "192.0.2.5/24"),
        address(1, "192.0.2.6/24"),
        address(1, "2001:db8:1::5/64"),
    ]
    wanted = derive_source(nic(1, eni(1, V4, V6), on_nic, settings=settings))
    assert {want.thing.family for want in wanted.rules} == {2}
    assert not [rule for rule in rules(wanted) if "oif" in rule or "192.0.2.6" in rule]


def test_the_preferred_source_is_the_first_listed_address_that_is_there() -> None:
    wanted = derive_source(
        nic(1, eni(1, V4), [address(1, "192.0.2.4/24"), address(1, "192.0.2.6/24")])
    )
    assert "default via 192.0.2.253 dev eth1 table 18001 src 192.0.2.6" in routes(wanted)
