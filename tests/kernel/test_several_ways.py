"""A route with several ways: the walk names them all, and the kernel's choice is one of them."""

import subprocess
from collections import Counter
from ipaddress import ip_address

import pytest

from srcroutd.cli.explaining import as_json, render
from srcroutd.core.lookup import walk
from srcroutd.core.lookup_compare import differences
from srcroutd.core.lookup_values import Beyond, Leaves, Packet, Spread
from srcroutd.core.net import Family, Path, Route, with_dev
from srcroutd.core.numbering import Domain
from srcroutd.daemon.explain import explain_packet
from srcroutd.export.iproute2 import route_words
from srcroutd.kernel.codec_route import encode_route
from srcroutd.kernel.memo import RouteMemo
from srcroutd.kernel.messages import put_route
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from tests.kernel.common import Tell
from tests.kernel.lookup_worlds import NICS, ask, settle

FLOWS = 64
GATEWAYS = {
    Family.V4: {"eth1": "192.0.2.254", "eth2": "203.0.113.254"},
    Family.V6: {"eth1": "fe80::fd", "eth2": "fe80::fe"},
}
FIRST = {Family.V4: "198.18.0.1", Family.V6: "2001:db8:ffff::1"}


def two_ways(family: Family, indexes: dict[str, int]) -> Route:
    paths = tuple(
        Path(indexes[nic], ip_address(gateway), onlink=family is Family.V4)
        for nic, gateway in GATEWAYS[family].items()
    )
    return Route(family, 254, family.everything, protocol=83, metric=1, paths=paths)


@pytest.mark.parametrize("family", Family)
def test_the_kernels_choice_is_one_of_the_ways_and_each_is_chosen(
    family: Family, tell: Tell
) -> None:
    indexes = settle()
    seen: Counter[int] = Counter()

    async def story(requests: Requests) -> None:
        assert not await requests.execute([put_route(two_ways(family, indexes), replace=True)])
        first = int(ip_address(FIRST[family]))
        sent = [Packet(ip_address(first + number)) for number in range(FLOWS)]
        rpdb = await read_rpdb(requests, family, [packet.dst for packet in sent], NICS)
        for packet in sent:
            end, answer = walk(rpdb, packet).end, await ask(requests, packet, indexes)
            assert isinstance(end, Spread)
            assert isinstance(answer, Route)
            assert differences(rpdb, walk(rpdb, packet), answer) == ()
            sources = {way.oif: way.source.ip for way in end.ways if way.source}
            assert sources[answer.oif] == answer.prefsrc
            seen[answer.oif] += 1

    tell(story)
    assert seen.keys() == {indexes["eth1"], indexes["eth2"]}


@pytest.mark.parametrize("family", Family)
def test_a_socket_bound_to_a_nic_gets_the_way_by_it(family: Family, tell: Tell) -> None:
    indexes = settle()

    async def story(requests: Requests) -> None:
        assert not await requests.execute([put_route(two_ways(family, indexes), replace=True)])
        for nic in ("eth1", "eth2"):
            packet = Packet(ip_address(FIRST[family]), oif=nic)
            rpdb = await read_rpdb(requests, family, [packet.dst], NICS)
            end = walk(rpdb, packet).end
            assert isinstance(end, Leaves)
            assert rpdb.name(end.oif) == nic
            answer = await ask(requests, packet, indexes)
            assert differences(rpdb, walk(rpdb, packet), answer) == ()

    tell(story)


@pytest.mark.parametrize("family", Family)
def test_a_route_with_a_dead_way_is_not_guessed_at(family: Family, tell: Tell) -> None:
    indexes = settle()

    async def put(requests: Requests) -> None:
        assert not await requests.execute([put_route(two_ways(family, indexes), replace=True)])

    async def look(requests: Requests) -> None:
        packet = Packet(ip_address(FIRST[family]))
        rpdb = await read_rpdb(requests, family, [packet.dst], NICS)
        end = walk(rpdb, packet).end
        assert isinstance(end, Beyond)
        assert "one of them dead" in end.why

    tell(put)
    subprocess.run(["ip", "link", "set", "eth2", "down"], check=True)
    tell(look)


@pytest.mark.parametrize("family", Family)
def test_the_exported_words_make_the_same_route(family: Family, tell: Tell) -> None:
    indexes = settle()
    route = two_ways(family, indexes)
    named = with_dev(route, {index: nic for nic, index in indexes.items()})

    option = f"-{family.everything.version}"
    subprocess.run(["ip", option, "route", "add", *route_words(named).split()], check=True)

    async def story(requests: Requests) -> None:
        shown = RouteMemo().view(await requests.routes(family, route.table))
        assert encode_route(route) in shown.keys()  # noqa: SIM118 - a view of bytes

    tell(story)


@pytest.mark.parametrize("family", Family)
def test_explain_names_the_ways_and_the_kernels_choice_among_them(
    family: Family, tell: Tell
) -> None:
    indexes = settle()

    async def story(requests: Requests) -> None:
        assert not await requests.execute([put_route(two_ways(family, indexes), replace=True)])
        packet = Packet(ip_address(FIRST[family]))
        answer = await ask(requests, packet, indexes)
        found = await explain_packet(packet, {}, Domain())
        assert isinstance(answer, Route)
        chosen = found.name(answer.oif)
        lines = render(found, None)
        wanted = f"leaves by eth1 or eth2: for this one by {chosen}, next hop {answer.gateway}"
        assert any(line.startswith(f"{wanted}; the kernel agrees") for line in lines), lines
        assert any(line.startswith(f"source {answer.prefsrc}") for line in lines), lines
        assert any("fib_multipath_hash_policy is 0" in line for line in lines), lines
        told = as_json(found)["question"]
        assert (told["verdict"], told["leaves_by"]) == ("spread", chosen)
        assert [way["nic"] for way in told["ways"]] == ["eth1", "eth2"]

    tell(story)
