"""Questions to the real kernel: a whole answer or none, believed from the kernel alone."""

import asyncio
import errno
import socket
import struct
from asyncio.subprocess import PIPE
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise

import pytest

from srcroutd.core.net import Family, Route, RouteType
from srcroutd.kernel.answers import read_dump
from srcroutd.kernel.codec_route import encode_route
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.memo import RouteMemo, RuleMemo
from srcroutd.kernel.messages import (
    Failure,
    add_rule,
    put_route,
)
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.wire import NLM_F_DUMP_INTR, NLMSG_DONE, RTM_NEWRULE
from tests.kernel.common import RULES, TABLE, V4, V6, Ip, Tell


@pytest.mark.parametrize("family", Family)
def test_a_table_that_does_not_exist_is_empty(family: Family, tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        assert await requests.routes(family, 18999) == []
        assert await requests.rules(family)

    tell(story)


def test_only_the_table_asked_for_is_shown(ip: Ip, nics: dict[str, int], tell: Tell) -> None:
    assert nics
    ip("route add default via 192.0.2.2")
    ip("-6 route add default via 2001:db8::2")
    ip("-6 route add default via 2001:db8::2 table 18002")

    async def story(requests: Requests) -> None:
        route = Route(V4, TABLE, V4.everything, RouteType.UNREACHABLE, protocol=83)
        assert not await requests.execute([put_route(route, replace=False)])
        assert await keys(requests, V4) == {encode_route(route)}
        assert await keys(requests, V6) == set()

    tell(story)


def test_rules_come_in_the_order_of_the_rpdb(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        await requests.execute([add_rule(rule, exclusive=False) for rule in reversed(RULES)])
        view = RuleMemo().view(await requests.rules(V4))
        assert len(view) == 1003
        assert all(one.priority <= other.priority for one, other in pairwise(view.values()))

    tell(story)


@pytest.mark.usefixtures("nics")
def test_the_loop_gets_its_turn_between_windows_and_datagrams(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        await requests.execute([add_rule(rule, exclusive=False) for rule in RULES])
        assert turns >= 7
        turns = 0
        await requests.rules(V4)
        assert turns >= 2
        counter.cancel()

    tell(story)


def test_questions_that_overlap_are_each_answered_in_full(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        await requests.execute([add_rule(rule, exclusive=False) for rule in RULES])
        several = asyncio.gather(*(requests.rules(V4) for _ in range(5)))
        links, answers = await asyncio.gather(requests.links(), several)
        assert all(len(answer) == 1003 for answer in answers)
        assert [link.name for link in links] == ["lo"]

    tell(story)


def test_a_question_given_up_half_way_leaves_nothing_behind(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        await requests.execute([add_rule(rule, exclusive=False) for rule in RULES])
        asked = asyncio.create_task(requests.rules(V4))
        await asyncio.sleep(0)
        assert not asked.done()
        asked.cancel()
        await asyncio.wait([asked])
        assert [link.name for link in await requests.links()] == ["lo"]
        assert len(await requests.rules(V4)) == 1003

    tell(story)


@pytest.mark.usefixtures("nics")
def test_another_processs_notifications_never_corrupt_a_dump(tell: Tell) -> None:
    flapping = "route add 203.0.113.0/24 dev eth1\nroute delete 203.0.113.0/24 dev eth1\n" * 50_000

    async def story(requests: Requests) -> None:
        await requests.execute([add_rule(rule, exclusive=False) for rule in RULES])
        stranger = await asyncio.create_subprocess_exec("ip", "-batch", "-", stdin=PIPE)
        feeding = asyncio.create_task(stranger.communicate(flapping.encode()))
        try:
            await asyncio.sleep(0.1)
            dumps = {len(await requests.rules(V4)) for _ in range(200)}
            assert stranger.returncode is None
            assert dumps == {1003}
        finally:
            stranger.kill()
            await feeding

    tell(story)


def test_a_process_that_plays_the_kernel_is_not_believed(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        await requests.links()
        (idle,) = requests._idle
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as liar:
            # The very number that the next question will bear.
            done = struct.pack("=IHHIIi", 20, NLMSG_DONE, 2, 2, idle.portid, 0)
            liar.sendto(done, (idle.portid, 0))
        assert len(await requests.rules(V4)) == 3

    tell(story)


def test_a_dump_that_was_overtaken_is_no_observation() -> None:
    with pytest.raises(TornDump, match="changed"):
        read_dump(datagram(flags=NLM_F_DUMP_INTR), 7, 99, [])


def test_a_message_cut_short_is_no_observation() -> None:
    with pytest.raises(TornDump, match="short"):
        read_dump(datagram()[:-4], 7, 99, [])


@pytest.mark.parametrize(("number", "portid"), [(8, 99), (7, 98)])
def test_an_answer_to_somebody_else_is_passed_over(number: int, portid: int) -> None:
    bodies: list[bytes] = []
    assert read_dump(datagram(), number, portid, bodies) is None
    assert bodies == []
    read_dump(datagram(), 7, 99, bodies)
    assert bodies == [bytes(12)]


def datagram(flags: int = 2) -> bytes:
    """One message of a dump: number 7, for port id 99."""
    return struct.pack("=IHHII", 28, RTM_NEWRULE, flags, 7, 99) + bytes(12)


def test_the_way_of_one_packet_is_the_kernels(ip: Ip, nics: dict[str, int], tell: Tell) -> None:
    ip("route add default via 192.0.2.2")
    ip(f"route add default via 192.0.2.3 dev eth1 table {TABLE}")
    ip(f"rule add from 192.0.2.1 lookup {TABLE} pref 7")
    ip(f"rule add fwmark 5 lookup {TABLE} pref 8")

    async def story(requests: Requests) -> None:
        out, ours = IPv4Address("203.0.113.9"), IPv4Address("192.0.2.1")
        assert await requests.route_to(out) == Route(
            V4,
            254,
            IPv4Network(out),
            gateway=IPv4Address("192.0.2.2"),
            oif=nics["eth1"],
            prefsrc=ours,
        )
        for route in (
            await requests.route_to(out, ours),
            await requests.route_to(out, mark=5),
        ):
            assert isinstance(route, Route)
            assert (route.table, route.gateway) == (TABLE, IPv4Address("192.0.2.3"))

    tell(story)


def test_the_way_of_one_ipv6_packet_is_the_kernels(
    ip: Ip, nics: dict[str, int], tell: Tell
) -> None:
    ip(f"-6 route add default via 2001:db8::3 dev eth1 table {TABLE}")
    ip(f"-6 rule add from 2001:db8::1 lookup {TABLE} pref 7")

    async def story(requests: Requests) -> None:
        out, ours = IPv6Address("2001:db8:9::9"), IPv6Address("2001:db8::1")
        route = await requests.route_to(out, ours)
        assert isinstance(route, Route)
        assert (route.table, route.oif, route.gateway) == (
            TABLE,
            nics["eth1"],
            IPv6Address("2001:db8::3"),
        )
        assert route.dst == IPv6Network(out)

    tell(story)


@pytest.mark.parametrize("address", [IPv4Address("203.0.113.9"), IPv6Address("2001:db8:9::9")])
def test_no_way_is_a_failure(address: IPv4Address | IPv6Address, tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        answer = await requests.route_to(address)
        assert isinstance(answer, Failure)
        assert answer.errno == errno.ENETUNREACH
        assert answer.words

    tell(story)


async def keys(requests: Requests, family: Family) -> set[bytes]:
    """The canonical keys of our table."""
    return set(RouteMemo().view(await requests.routes(family, TABLE)))
