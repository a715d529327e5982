"""Records that must not be used, ENIs that contradict each other: the sentence each one gets."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.refusals import MAX_ADDRESSES, clashes, refusals

V4 = Addressing(
    addresses=(ip_address("192.0.2.5"), ip_address("192.0.2.6")),
    subnet=ip_network("192.0.2.0/24"),
    gateway=ip_address("192.0.2.253"),
)
V6 = Addressing(
    addresses=(ip_address("2001:db8::5"),),
    subnet=ip_network("2001:db8::/64"),
    gateway=ip_address("2001:db8::ffff"),
)
ENI = Eni(id="eni-bp1b7", mac="00:16:3e:00:00:01", v4=V4, v6=V6)
OTHER = Eni(
    id="eni-bp1c9",
    mac="00:16:3e:00:00:02",
    v4=replace(V4, addresses=(ip_address("192.0.2.7"),)),
)


def v4(*addresses: str, **changes: object) -> Addressing:
    """The sound IPv4 half with other addresses or fields."""
    half = replace(V4, **changes)  # type: ignore[arg-type]
    return replace(half, addresses=tuple(map(ip_address, addresses))) if addresses else half


def prefixes(*words: str) -> tuple[object, ...]:
    return tuple(map(ip_network, words))


def test_a_sound_record_is_not_refused() -> None:
    assert refusals(ENI) == ()


@pytest.mark.parametrize(
    ("half", "sentence"),
    [
        (v4("192.0.3.5"), "192.0.3.5 is outside the subnet 192.0.2.0/24"),
        (v4("192.0.2.5", "192.0.3.5"), "192.0.3.5 is outside the subnet"),
        (v4("0.0.0.0"), "0.0.0.0 is unspecified"),
        (v4("0.1.2.3"), "0.1.2.3 is in 0.0.0.0/8"),
        (v4("127.0.0.1"), "127.0.0.1 is loopback"),
        (v4("224.0.0.5"), "224.0.0.5 is multicast"),
        (v4("240.0.0.5"), "240.0.0.5 is reserved"),
        (v4("255.255.255.255"), "255.255.255.255 is reserved"),
        (v4("169.254.7.7"), "169.254.7.7 is link-local"),
        (v4("100.100.100.200"), "100.100.100.200 is the metadata service"),
        (v4("169.254.169.254"), "169.254.169.254 is the metadata service"),
        (v4("192.0.2.0"), "192.0.2.0 is the network address of 192.0.2.0/24"),
        (v4("192.0.2.255"), "192.0.2.255 is the broadcast address of 192.0.2.0/24"),
        (v4("192.0.2.5", "192.0.2.5"), "192.0.2.5 is listed twice"),
        (v4("2001:db8::5"), "2001:db8::5 stands among the V4 facts"),
        (v4(gateway=ip_address("192.0.2.5")), "the gateway 192.0.2.5 is the ENI's own address"),
        (v4(gateway=ip_address("192.0.2.0")), "the gateway 192.0.2.0 is the network address"),
        (v4(gateway=ip_address("192.0.2.255")), "the gateway 192.0.2.255 is the broadcast"),
        (v4(gateway=ip_address("0.0.0.0")), "the gateway 0.0.0.0 is unspecified"),
        (v4(gateway=ip_address("127.0.0.1")), "the gateway 127.0.0.1 is loopback"),
        (v4(gateway=ip_address("224.0.0.1")), "the gateway 224.0.0.1 is multicast"),
        (v4(gateway=ip_address("2001:db8::1")), "2001:db8::1 stands among the V4 facts"),
        (v4(subnet=ip_network("0.0.0.0/0")), "the subnet 0.0.0.0/0 is too wide"),
        (v4(subnet=ip_network("192.0.0.0/7")), "the subnet 192.0.0.0/7 is too wide"),
        (v4(subnet=ip_network("100.64.0.0/10")), "holds the metadata service 100.100.100.200"),
        (v4(subnet=ip_network("127.0.0.0/8")), "the subnet 127.0.0.0/8 is loopback"),
        (v4(prefixes=prefixes("0.0.0.0/0")), "the delegated prefix 0.0.0.0/0 is too wide"),
        (v4(prefixes=prefixes("192.0.2.240/28")), "holds the gateway 192.0.2.253"),
        (v4(prefixes=prefixes("192.0.0.0/16")), "holds the whole subnet 192.0.2.0/24"),
        (v4(prefixes=prefixes("198.51.100.0/28", "198.51.100.0/30")), "overlap"),
        (v4(prefixes=prefixes("198.51.100.0/28", "198.51.100.0/28")), "overlap"),
        (v4(prefixes=prefixes("224.0.0.0/28")), "the delegated prefix 224.0.0.0/28 is multicast"),
    ],
)
def test_a_wrong_ipv4_half_is_refused_and_says_why(half: Addressing, sentence: str) -> None:
    assert any(sentence in each for each in refusals(replace(ENI, v4=half)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"addresses": (ip_address("::"),)}, ":: is unspecified"),
        ({"addresses": (ip_address("::1"),)}, "::1 is loopback"),
        ({"addresses": (ip_address("ff02::1"),)}, "ff02::1 is multicast"),
        ({"addresses": (ip_address("fe80::5"),)}, "fe80::5 is link-local"),
        ({"addresses": (ip_address("2001:db8::5%eth0"),)}, "is bound to a zone"),
        ({"addresses": (ip_address("::ffff:192.0.2.5"),)}, "an IPv4 address in disguise"),
        ({"addresses": (ip_address("2001:db8:1::5"),)}, "is outside the subnet 2001:db8::/64"),
        ({"addresses": (ip_address("fd00:100::100:200"),)}, "is the metadata service"),
        ({"gateway": ip_address("2001:db8::5")}, "is the ENI's own address"),
        ({"gateway": ip_address("ff02::2")}, "the gateway ff02::2 is multicast"),
        ({"subnet": ip_network("::/0")}, "the subnet ::/0 is too wide"),
        ({"subnet": ip_network("2000::/15")}, "the subnet 2000::/15 is too wide"),
        ({"prefixes": prefixes("::/0")}, "the delegated prefix ::/0 is too wide"),
    ],
)
def test_a_wrong_ipv6_half_is_refused_and_says_why(
    changes: dict[str, object], sentence: str
) -> None:
    half = replace(V6, **changes)  # type: ignore[arg-type]
    assert any(sentence in each for each in refusals(replace(ENI, v6=half)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"id": ""}, "'' is not an ENI id"),
        ({"id": "<html>"}, "'<html>' is not an ENI id"),
        ({"id": "eni\n"}, "is not an ENI id"),
        ({"id": "e" * 200}, "is not an ENI id"),
        ({"mac": "00:16:3E:00:00:01"}, "is not a MAC"),
        ({"mac": ""}, "'' is not a MAC"),
        ({"mac": "00:00:00:00:00:00"}, "is not the MAC of one NIC"),
        ({"mac": "01:00:5e:00:00:01"}, "is not the MAC of one NIC"),
        ({"v4": None, "v6": None}, "has neither IPv4 nor IPv6"),
    ],
)
def test_a_wrong_identity_is_refused_and_says_why(
    changes: dict[str, object], sentence: str
) -> None:
    assert any(sentence in each for each in refusals(replace(ENI, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "half",
    [
        v4(gateway=ip_address("198.51.100.1")),
        v4(gateway=ip_address("169.254.1.1")),
        v4(gateway=None, subnet=None),
        v4("192.0.2.4", subnet=ip_network("192.0.2.4/31"), gateway=ip_address("192.0.2.5")),
        v4("192.0.2.4", "198.51.100.9", subnet=ip_network("192.0.2.4/32")),
        v4("10.1.2.3", subnet=ip_network("10.0.0.0/8"), gateway=ip_address("10.0.0.1")),
        v4(prefixes=prefixes("192.0.2.16/28", "192.0.2.32/28", "198.51.100.0/24")),
    ],
    ids=["gateway elsewhere", "link-local gateway", "no gateway", "/31", "/32", "/8", "prefixes"],
)
def test_what_is_unusual_but_in_real_use_is_not_refused(half: Addressing) -> None:
    assert refusals(replace(ENI, v4=half)) == ()


def test_more_addresses_than_any_eni_has_are_refused_in_one_sentence() -> None:
    many = tuple(IPv4Address("10.0.0.1") + n for n in range(MAX_ADDRESSES + 1))
    half = v4(addresses=many, subnet=ip_network("10.0.0.0/16"))
    assert refusals(replace(ENI, v4=half)) == (
        f"more than {MAX_ADDRESSES} V4 addresses or prefixes; that is no ENI",
    )


def test_a_thousand_wrong_addresses_do_not_make_a_thousand_sentences() -> None:
    many = tuple(IPv4Address("224.0.0.1") + n for n in range(1000))
    assert len(refusals(replace(ENI, v4=v4(addresses=many)))) < 10


def test_enis_that_agree_do_not_clash() -> None:
    assert clashes([ENI, OTHER]) == {}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"id": ENI.id}, "eni-bp1b7 is used"),
        ({"v4": v4("192.0.2.6")}, "192.0.2.6 is claimed"),
        ({"v4": v4("192.0.2.9", prefixes=prefixes("192.0.2.0/29"))}, "192.0.2.5 is claimed"),
        ({"v6": V6}, "2001:db8::5 is claimed"),
    ],
)
def test_two_enis_that_claim_the_same_are_both_named(changes: dict[str, object], word: str) -> None:
    found = clashes([replace(OTHER, **changes), ENI])  # type: ignore[arg-type]
    assert list(found) == [ENI.mac, OTHER.mac]
    assert all(f"{word} by both {ENI.mac} and {OTHER.mac}" in why for why in found.values())


def test_an_eni_may_have_an_address_inside_its_own_prefix() -> None:
    assert clashes([replace(ENI, v4=v4(prefixes=prefixes("192.0.2.0/29")))]) == {}


def test_one_mac_with_two_records_clashes_with_itself() -> None:
    assert list(clashes([ENI, replace(OTHER, mac=ENI.mac)])) == [ENI.mac]


CLAIMS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 31), st.integers(28, 32)), max_size=12
)


@given(CLAIMS)
def test_clashes_finds_exactly_the_pairs_that_overlap(
    claims: list[tuple[int, int, int]],
) -> None:
    """Against the plain definition: two ENIs clash where any of their prefixes overlap."""
    owned: dict[str, set[IPv4Network]] = {}
    for owner, start, length in claims:
        at = (int(IPv4Address("198.51.100.0")) + start) & (0xFFFFFFFF << (32 - length))
        owned.setdefault(f"00:16:3e:00:00:0{owner}", set()).add(IPv4Network((at, length)))
    enis = [
        Eni(id=mac, mac=mac, v4=Addressing(prefixes=tuple(networks)))
        for mac, networks in owned.items()
    ]
    expected = {
        mac
        for mac, networks in owned.items()
        for other, others in owned.items()
        if mac != other and any(a.overlaps(b) for a in networks for b in others)
    }
    assert set(clashes(enis)) == expected
