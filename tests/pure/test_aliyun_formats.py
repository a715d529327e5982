"""What ECS answers about one ENI, in every spelling seen, into a record; and garbage into none."""

import json
from contextlib import suppress
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.refusals import refusals
from srcroutd.providers import aliyun, parse
from srcroutd.providers.aliyun_record import KEYS, record
from srcroutd.providers.parse import Malformed

MAC = "00:16:3e:00:00:01"
V4: dict[str, object] = {
    "network-interface-id": "eni-bp1b7",
    "primary-ip-address": "192.0.2.5",
    "private-ipv4s": '["192.0.2.5","192.0.2.6"]',
    "netmask": "255.255.255.0",
    "vswitch-cidr-block": "192.0.2.0/24",
    "gateway": "192.0.2.253",
}
V6: dict[str, object] = {
    "ipv6s": "[2001:db8::5,2001:db8::6]",
    "vswitch-ipv6-cidr-block": "2001:db8::/64",
    "ipv6-gateway": "2001:db8::ffff",
}
ONLY_V6: dict[str, object] = {"network-interface-id": "eni-bp1b7"} | V6


def without(*names: str) -> dict[str, object]:
    return {key: value for key, value in (V4 | V6).items() if key not in names}


def eni_of(keys: dict[str, object]) -> Eni:
    found = record(MAC, keys)
    assert found.eni is not None, found.why
    return found.eni


def v4_of(keys: dict[str, object]) -> Addressing:
    half = eni_of(keys).v4
    assert half is not None
    return half


def test_a_whole_record_becomes_an_eni_with_both_families() -> None:
    assert record(MAC, V4 | V6).reasons == ()
    assert eni_of(V4 | V6) == Eni(
        id="eni-bp1b7",
        mac=MAC,
        v4=Addressing(
            addresses=(ip_address("192.0.2.5"), ip_address("192.0.2.6")),
            subnet=ip_network("192.0.2.0/24"),
            gateway=ip_address("192.0.2.253"),
        ),
        v6=Addressing(
            addresses=(ip_address("2001:db8::5"), ip_address("2001:db8::6")),
            subnet=ip_network("2001:db8::/64"),
            gateway=ip_address("2001:db8::ffff"),
        ),
    )


@pytest.mark.parametrize(
    "spelling",
    [
        '["192.0.2.5","192.0.2.6"]',
        '[ "192.0.2.5" , "192.0.2.6" ]\n',
        "[192.0.2.5,192.0.2.6]",
        "[192.0.2.5, 192.0.2.6]",
        "['192.0.2.5', '192.0.2.6']",
        "192.0.2.5,192.0.2.6",
        "192.0.2.5\n192.0.2.6",
        "192.0.2.5\r\n192.0.2.6\r\n",
        '"192.0.2.5" "192.0.2.6"',
        ["192.0.2.5", "192.0.2.6"],
        ["192.0.2.5\r\n", "192.0.2.6"],
    ],
)
def test_a_list_is_understood_in_every_spelling(spelling: object) -> None:
    half = v4_of(V4 | {"private-ipv4s": spelling})
    assert list(map(str, half.addresses)) == ["192.0.2.5", "192.0.2.6"]


def test_a_bare_address_is_a_list_of_one() -> None:
    assert v4_of(V4 | {"private-ipv4s": "192.0.2.5"}).addresses == (ip_address("192.0.2.5"),)


def test_the_primary_address_comes_first_wherever_it_is_listed() -> None:
    for listed in ('["192.0.2.6","192.0.2.5"]', '["192.0.2.6"]'):
        half = v4_of(V4 | {"private-ipv4s": listed})
        assert list(map(str, half.addresses)) == ["192.0.2.5", "192.0.2.6"]


def test_without_a_list_the_primary_is_the_only_address() -> None:
    assert v4_of(without("private-ipv4s")).addresses == (ip_address("192.0.2.5"),)


@pytest.mark.parametrize("missing", ["netmask", "vswitch-cidr-block"])
def test_the_netmask_or_the_cidr_is_enough(missing: str) -> None:
    assert v4_of(without(missing)).subnet == ip_network("192.0.2.0/24")


def test_delegated_prefixes_are_read_bare_and_as_lists() -> None:
    one, two = ip_network("198.51.100.0/28"), ip_network("198.51.100.16/28")
    for spelling, expected in (
        ("198.51.100.0/28", (one,)),
        ("[198.51.100.0/28,198.51.100.16/28]", (one, two)),
        ('["198.51.100.0/28","198.51.100.16/28"]', (one, two)),
        ("198.51.100.0/28\n198.51.100.16/28", (one, two)),
    ):
        assert v4_of(V4 | {"ipv4-prefixes": spelling}).prefixes == expected


def test_an_eni_with_ipv6_only_is_complete_without_any_ipv4_key() -> None:
    found = record(MAC, ONLY_V6)
    assert found.reasons == ()
    assert found.eni is not None
    assert found.eni.v4 is None


def test_an_eni_may_have_ipv6_prefixes_and_no_ipv6_address() -> None:
    keys = without("ipv6s") | {"ipv6-prefixes": "2001:db8:1::/80"}
    half = eni_of(keys).v6
    assert half is not None
    assert half.addresses == ()
    assert half.prefixes == (ip_network("2001:db8:1::/80"),)


def test_no_ipv6s_key_means_no_ipv6_even_where_the_vswitch_has_it() -> None:
    found = record(MAC, without("ipv6s"))
    assert found.reasons == ()
    assert found.eni is not None
    assert found.eni.v6 is None


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({}, "network-interface-id is not there yet"),
        ({"network-interface-id": "eni-1"}, "it has no address yet"),
        (without("network-interface-id"), "network-interface-id is not there yet"),
        (V4 | {"network-interface-id": ""}, "network-interface-id is not there yet"),
        (V4 | {"network-interface-id": "eni 1"}, "expected one value, got 2"),
        (V4 | {"network-interface-id": "<html>"}, "'<html>' is not an ENI id"),
        (without("primary-ip-address", *V6), "primary-ip-address is not there yet"),
        (without("gateway", *V6), "gateway is not there yet"),
        (without("netmask", "vswitch-cidr-block", *V6), "vswitch-cidr-block is not there yet"),
        (V4 | {"private-ipv4s": "[]"}, "private-ipv4s is empty although"),
        (V4 | {"private-ipv4s": []}, "private-ipv4s is empty although"),
        (V4 | {"private-ipv4s": ""}, "private-ipv4s is empty although"),
        (V4 | {"private-ipv4s": '["192.0.2.5"'}, "is not a list"),
        (V4 | {"private-ipv4s": "192.0.2.5,192.0.2"}, "'192.0.2' is not an address"),
        (V4 | {"private-ipv4s": [["192.0.2.5"]]}, "neither a text nor a list of texts"),
        (V4 | {"private-ipv4s": {"a": 1}}, "neither a text nor a list of texts"),
        (V4 | {"private-ipv4s": '["192.0.2.6","192.0.2.6"]'}, "192.0.2.6 is listed twice"),
        (V4 | {"primary-ip-address": 3221225989}, "neither a text nor a list of texts"),
        (V4 | {"primary-ip-address": "fe80::1%eth0"}, "is not an address"),
        (V4 | {"primary-ip-address": "2001:db8::5"}, "primary-ip-address 2001:db8::5 is not IPv4"),
        (V4 | {"netmask": "255.0.255.0"}, "'255.0.255.0' is a netmask with holes"),
        (V4 | {"netmask": "0.0.0.255"}, "'0.0.0.255' is a netmask with holes"),
        (V4 | {"netmask": "255.255.0.0"}, "contradict each other"),
        (V4 | {"vswitch-cidr-block": "192.0.2.5/24"}, "'192.0.2.5/24' is not a prefix"),
        (V4 | {"vswitch-cidr-block": "192.0.2.0"}, "'192.0.2.0' is not a prefix"),
        (V4 | {"vswitch-cidr-block": "198.51.100.0/24"}, "outside the subnet 198.51.100.0/24"),
        (V4 | {"gateway": "192.0.2.5"}, "the gateway 192.0.2.5 is the ENI's own address"),
        (V4 | {"ipv4-prefixes": "0.0.0.0/0"}, "0.0.0.0/0 is too wide"),
    ],
)
def test_a_half_or_wrong_record_is_no_eni_and_says_why(
    keys: dict[str, object], reason: str
) -> None:
    found = record(MAC, keys)
    assert found.eni is None
    assert reason in found.why


def test_half_an_ipv6_record_does_not_hold_back_ipv4() -> None:
    for keys, reason in (
        (without("ipv6-gateway"), "ipv6-gateway is not there yet"),
        (without("vswitch-ipv6-cidr-block"), "vswitch-ipv6-cidr-block is not there yet"),
        (V4 | V6 | {"ipv6s": "[]"}, "ipv6s is empty although ipv6-gateway is there"),
        (V4 | V6 | {"ipv6s": "[2001:db8::5"}, "ipv6s: '[2001:db8::5' is not a list"),
    ):
        found = record(MAC, keys)
        assert found.why == reason
        assert found.eni is not None
        assert found.eni.v4 is not None
        assert found.eni.v6 is None


def test_a_contradiction_in_ipv4_does_not_hold_back_ipv6() -> None:
    found = record(MAC, V4 | V6 | {"private-ipv4s": "[]"})
    assert "private-ipv4s is empty" in found.why
    assert found.eni is not None
    assert found.eni.v4 is None
    assert found.eni.v6 is not None


def test_macs_are_read_as_lists_spell_them() -> None:
    for word in (
        "00:16:3E:00:00:01/",
        "00-16-3e-00-00-01",
        "00163e000001",
        " 00:16:3e:00:00:01\r\n",
    ):
        assert parse.mac(word) == MAC
    for word in ("", "/", "00:16:3e:00:00", "00:16-3e:00:00:01", "../00:16:3e:00:00:01", "mac"):
        with pytest.raises(Malformed):
            parse.mac(word)


def test_a_complaint_never_repeats_more_than_a_little_of_the_answer() -> None:
    found = record(MAC, V4 | {"gateway": "x\x1b[31m\ud800" + "y" * 100_000})
    assert len(found.why) < 120
    assert found.why.isascii()
    assert found.why.isprintable()


def test_json_too_deep_or_too_long_to_parse_is_malformed_not_a_crash() -> None:
    for text in ("[" * 200_000, '{"a":' * 100_000, '{"a": ' + "9" * 10_000 + "}"):
        with pytest.raises(Malformed):
            parse.tree(text)
    with pytest.raises(Malformed):
        parse.several("[" * 200_000)
    with pytest.raises(Malformed):
        parse.several("a," * 100_000)


PLAUSIBLE = st.sampled_from(
    [
        *V4.values(),
        *V6.values(),
        *("", "[]", "[", "]", "null", "{}", "0", "/", "192.0.2.0/24", "0.0.0.0/0", "::/0"),
        *("192.0.2.5", "255.255.255.255", "224.0.0.1", "127.0.0.1", "::1", "fe80::1%1", "::"),
        *("100.100.100.200", "192.0.2.0", "192.0.2.255", "2001:db8::5", "::ffff:192.0.2.5"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | PLAUSIBLE,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from([*KEYS, MAC, "network", "interfaces", "macs"]), inner)
    ),
    max_leaves=20,
)
GARBAGE = st.dictionaries(st.sampled_from(KEYS), PLAUSIBLE | st.text(max_size=60) | JSON)


@given(GARBAGE)
def test_whatever_the_keys_say_nothing_is_raised_and_no_refused_eni_comes_out(
    garbage: dict[str, object],
) -> None:
    for keys in (garbage, V4 | V6 | garbage):
        found = record(MAC, keys)
        assert found.eni is not None or found.reasons
        assert found.eni is None or refusals(found.eni) == ()


@given(st.dictionaries(st.sampled_from([MAC, "00:16:3E:00:00:02", "x", ""]), GARBAGE | JSON), JSON)
def test_whatever_the_whole_answer_says_nothing_is_raised_and_no_refused_eni_comes_out(
    macs: dict[str, object], primary: object
) -> None:
    answer = {"network": {"interfaces": {"macs": macs}}, "mac": primary}
    for text in (json.dumps(answer), json.dumps(primary), json.dumps(answer)[:-3]):
        whole = aliyun._whole(text)
        for mac, keys in whole[0].items() if whole else ():
            found = aliyun._judged(mac, keys)
            assert found.eni is None or refusals(found.eni) == ()


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_at_all_is_a_value_or_malformed(text: str) -> None:
    for read in (parse.one, parse.several, parse.address, parse.network, parse.mac, parse.tree):
        with suppress(Malformed):
            read(text)
