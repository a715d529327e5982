"""What a healthy, a half-ready and an older metadata service makes the provider say."""

import asyncio
import subprocess
import sys
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.inventory import Inventory
from tests.metadata.scene import Host, Scene, eni, facts, fault, mac, play, read_once, tree

V6 = {
    "ipv6s": ("2001:db8::5", "2001:db8::6"),
    "ipv6_cidr": "2001:db8::/64",
    "ipv6_gateway": "2001:db8::ffff",
    "ipv6_prefixes": ("2001:db8:0:1::/80",),
}


@pytest.mark.parametrize("host", [facts, tree], ids=["all", "tree"])
def test_everything_that_the_cloud_knows_is_read(host: Host) -> None:
    full = eni(2, private_ipv4s=("192.0.2.9", "192.0.2.2"), ipv4_prefixes=("192.0.2.32/28",), **V6)
    told = read_once(host(eni(1), full))
    assert told.listed == {mac(1), mac(2)}
    assert told.summary.primary == mac(1)
    assert told.pending == {}
    assert told.enis[mac(1)].v6 is None
    v4, v6 = told.enis[mac(2)].v4, told.enis[mac(2)].v6
    assert v4 is not None
    assert v6 is not None
    assert v4.addresses == (ip_address("192.0.2.2"), ip_address("192.0.2.9"))
    assert v4.subnet == ip_network("192.0.2.0/24")
    assert v4.gateway == ip_address("192.0.2.253")
    assert v4.prefixes == (ip_network("192.0.2.32/28"),)
    assert v6.addresses == (ip_address("2001:db8::5"), ip_address("2001:db8::6"))
    assert v6.prefixes == (ip_network("2001:db8:0:1::/80"),)


@pytest.mark.parametrize("host", [facts, tree], ids=["all", "tree"])
def test_an_eni_with_ipv6_only_is_read(host: Host) -> None:
    only = eni(2, primary_ip=None, gateway=None, **V6)
    told = read_once(host(eni(1), only))
    assert told.enis[mac(2)].v4 is None
    assert told.enis[mac(2)].v6 is not None
    assert told.pending == {}


def test_a_newer_host_is_asked_once_and_a_token_makes_two() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        assert here.asked() == ["PUT /latest/api/token", "GET /latest/meta-data/all"]
        await here.read()
        assert here.asked()[2:] == ["GET /latest/meta-data/all"]
        assert here.provider.requests == {("PUT", "ok"): 1, ("GET", "ok"): 2}

    play(facts(), story)


def test_an_older_host_is_walked_and_not_asked_for_all_again_for_a_while() -> None:
    async def story(here: Scene) -> None:
        await here.read()
        assert len(here.asked("/meta-data/all")) == 1
        assert len(here.asked()) <= 4 + 2 * 14
        await here.read()
        assert len(here.asked("/meta-data/all")) == 1
        here.clock[0] += 601
        here.service.facts = facts()
        await here.read()
        assert here.asked()[-1] == "GET /latest/meta-data/all"

    play(tree(), story)


@pytest.mark.parametrize("body", ["[]", "{", "x", '{"network": {"interfaces": {"macs": {}}}}'])
def test_an_answer_for_all_that_is_no_use_leads_to_the_tree(body: str) -> None:
    told = read_once(facts(fault=fault("body", path="meta-data/all", body=body)))
    assert list(told.enis) == [mac(1), mac(2)]
    assert told.listed == {mac(1), mac(2)}


def test_the_dated_version_is_walked_where_latest_is_absent_and_remembered() -> None:
    async def story(here: Scene) -> None:
        assert list((await here.read()).enis) == [mac(1), mac(2)]
        before = len(here.asked())
        assert list((await here.read()).enis) == [mac(1), mac(2)]
        assert all("/2016-01-01/meta-data/" in line for line in here.asked()[before:])

    play(tree(versions=("2016-01-01",)), story)


def test_a_mac_is_asked_for_as_the_list_spells_it() -> None:
    upper = "00:16:3E:00:00:AB"
    told = read_once(tree(eni(1, mac=upper), primary=upper))
    assert list(told.enis) == [upper.lower()]
    assert told.summary.primary == upper.lower()


def test_the_primary_is_unknown_where_the_key_is_absent() -> None:
    for host in (facts, tree):
        assert read_once(host(primary=None)).summary.primary is None


def test_a_slow_key_of_one_eni_holds_back_only_that_eni() -> None:
    enis = [eni(n, slow_s={"gateway": 1.0} if n == 2 else {}) for n in range(1, 7)]
    told = read_once(tree(*enis))
    order = [mac for part in told.readings for each in part.enis for mac in [each.mac]]
    assert sorted(order[:-1]) == [mac(n) for n in (1, 3, 4, 5, 6)]
    assert order[-1] == mac(2)
    assert told.listed == {mac(n) for n in range(1, 7)}
    assert told.at_s[4] < 1.0 <= told.at_s[5]


def test_a_key_that_never_answers_makes_its_eni_wait_and_no_other() -> None:
    told = read_once(tree(fault=fault("hang", path=f"{mac(2)}/gateway")))
    assert list(told.enis) == [mac(1)]
    assert "no whole answer in time" in told.pending[mac(2)]
    assert told.listed == {mac(1), mac(2)}


@pytest.mark.parametrize("host", [facts, tree], ids=["all", "tree"])
def test_half_a_record_waits_and_is_used_once_it_is_whole(host: Host) -> None:
    async def story(here: Scene) -> None:
        here.service.facts = host(eni(1), eni(2), eni(3, late_s={"gateway": 5, "netmask": 3}))
        told = await here.read()
        assert list(told.enis) == [mac(1), mac(2)]
        assert told.pending == {mac(3): "gateway is not there yet"}
        assert told.listed == {mac(1), mac(2), mac(3)}
        here.clock[0] += 6
        told = await here.read()
        assert list(told.enis) == [mac(1), mac(2), mac(3)]
        assert told.pending == {}

    play(host(), story)


def test_a_record_without_any_key_waits() -> None:
    for host in (facts, tree):
        told = read_once(host(eni(1), eni(2, late_s={"*": 9})))
        assert told.pending == {mac(2): "network-interface-id is not there yet"}
        assert list(told.enis) == [mac(1)]


def test_an_eni_that_vanishes_half_way_waits_and_is_not_unlisted() -> None:
    async def story(here: Scene) -> None:
        known = (await here.read()).learnt(Inventory())
        here.service.facts = tree(fault=fault("status", status=404, path=f"macs/{mac(2)}/"))
        after = (await here.read()).learnt(known)
        assert after.enis == known.enis
        assert after.pending == {mac(2): "network-interface-id is not there yet"}
        assert after.unlisted == frozenset()

    play(tree(), story)


@pytest.mark.parametrize("host", [facts, tree], ids=["all", "tree"])
def test_a_mac_that_is_no_longer_listed_keeps_its_facts_and_is_named(host: Host) -> None:
    async def story(here: Scene) -> None:
        known = (await here.read()).learnt(Inventory())
        here.service.facts = host(eni(1), eni(2, listed=False))
        after = (await here.read()).learnt(known)
        assert after.enis == known.enis
        assert after.unlisted == {mac(2)}

    play(host(), story)


@pytest.mark.parametrize("host", [facts, tree], ids=["all", "tree"])
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"private-ipv4s": "[]"}, "private-ipv4s is empty"),
        ({"private-ipv4s": "<html>"}, ""),
        ({"private-ipv4s": '{"a": [1, null]}'}, ""),
        ({"gateway": "0.0.0.0"}, "the gateway 0.0.0.0 is unspecified"),
        ({"vswitch-cidr-block": "0.0.0.0/0", "netmask": None}, "too wide"),
        ({"primary-ip-address": "100.100.100.200"}, "is the metadata service"),
        ({"primary-ip-address": "198.51.100.9"}, "outside the subnet"),
        ({"netmask": "255.0.255.0"}, "a netmask with holes"),
        ({"network-interface-id": ""}, "network-interface-id is not there yet"),
    ],
)
def test_a_wrong_value_makes_its_eni_wait_and_changes_nothing(
    host: Host, raw: dict[str, str | None], why: str
) -> None:
    async def story(here: Scene) -> None:
        known = (await here.read()).learnt(Inventory())
        here.service.facts = host(eni(1), eni(2, raw=raw))
        told = await here.read()
        assert list(told.enis) == [mac(1)]
        assert why in told.pending[mac(2)]
        assert told.learnt(known).enis == known.enis

    play(host(), story)


def test_half_an_ipv6_record_is_named_while_ipv4_is_used() -> None:
    for host in (facts, tree):
        told = read_once(host(eni(1, **(V6 | {"ipv6_gateway": None}))))
        assert told.enis[mac(1)].v4 is not None
        assert told.enis[mac(1)].v6 is None
        assert told.pending == {mac(1): "ipv6-gateway is not there yet"}


def test_two_enis_that_claim_one_address_both_wait() -> None:
    told = read_once(facts(eni(1), eni(2), eni(3, private_ipv4s=("192.0.2.3", "192.0.2.2"))))
    assert list(told.enis) == [mac(1)]
    assert list(told.pending) == [mac(2), mac(3)]
    assert f"192.0.2.2 is claimed by both {mac(2)} and {mac(3)}" in told.pending[mac(2)]


def test_in_the_tree_a_clash_is_named_on_both_and_does_not_change_sides() -> None:
    async def story(here: Scene) -> None:
        first = await here.read()
        assert list(first.summary.pending) == [mac(1), mac(2)]
        assert len(first.enis) == 1  # it was given before the other one was known
        again = await here.read()
        assert again.enis == {}
        assert list(again.pending) == [mac(1), mac(2)]

    play(tree(eni(1), eni(2, private_ipv4s=("192.0.2.2", "192.0.2.1"))), story)


@pytest.mark.parametrize("number", [1, 2, 3, 12])
def test_never_more_than_four_requests_are_under_way(number: int) -> None:
    async def story(here: Scene) -> None:
        told = await here.read()
        assert len(told.enis) == number
        assert 2 <= here.service.peak <= 4

    play(tree(*(eni(n, slow_s={"*": 0.005}) for n in range(1, number + 1))), story)


def test_more_enis_than_there_can_be_are_read_up_to_a_bound_and_the_rest_named() -> None:
    told = read_once(tree(*(eni(n) for n in range(1, 70))))
    assert len(told.enis) == 64
    assert len(told.listed) == 69
    assert list(told.pending.values()) == ["not read: more than 64 ENIs are listed"] * 5


def test_a_read_that_takes_too_long_ends_and_names_what_it_did_not_reach() -> None:
    slow = {"*": 0.5}  # each key is in time, eleven of them in a row are not
    told = read_once(tree(*(eni(n, slow_s=slow if n > 2 else {}) for n in range(1, 7))))
    assert sorted(told.enis) == [mac(1), mac(2)]
    assert sorted(told.pending) == [mac(n) for n in range(3, 7)]
    assert told.at_s[-1] < 6


def test_leaving_a_read_early_leaves_nothing_behind() -> None:
    async def story(here: Scene) -> None:
        parts = here.provider.read()
        await anext(parts)
        await parts.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()} | {
            task for task in asyncio.all_tasks() if "RequestHandler" in repr(task)
        }

    play(tree(eni(1), *(eni(n, slow_s={"*": 0.3}) for n in range(2, 9))), story)


def test_the_daemon_start_does_not_import_the_http_client() -> None:
    code = (
        "import sys, srcroutd.providers.registry as r; r.make('aliyun');"
        "assert 'aiohttp' not in sys.modules and 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
