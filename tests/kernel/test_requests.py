"""Orders for the real kernel: each refusal is told, nothing is done to strangers."""

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest

from srcroutd.core.net import GUARD_METRIC, Family, Route, RouteType, Rule, Scope
from srcroutd.kernel.codec_route import encode_route
from srcroutd.kernel.codec_rule import encode_rule
from srcroutd.kernel.errors import NotPermitted, TornDump
from srcroutd.kernel.memo import RouteMemo, RuleMemo
from srcroutd.kernel.messages import (
    Message,
    add_rule,
    delete_route,
    delete_rule,
    put_route,
)
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.wire import RTM_NEWRULE
from tests.kernel.common import RULES, TABLE, V4, V6, Ip, Tell


@pytest.mark.usefixtures("nics")
def test_errors_among_500_messages_are_told_by_index_and_the_rest_is_done(
    ip: Ip, tell: Tell
) -> None:
    bad = {0, 127, 128, 300, 499}

    async def story(requests: Requests) -> None:
        messages = [
            put_route(route_number(n, good=n not in bad), replace=False) for n in range(500)
        ]
        failures = await requests.execute(messages)
        assert {failure.index for failure in failures} == bad
        assert failures == sorted(failures, key=lambda failure: failure.index)
        assert {(failure.errno, failure.words) for failure in failures} == {
            (errno.ENETUNREACH, "Nexthop has invalid gateway")
        }
        assert len(await requests.routes(V4, TABLE)) == 495

    tell(story)
    assert ip(f"route show table {TABLE}").count("\n") == 495


def route_number(number: int, *, good: bool = True) -> Route:
    """One of many routes by a neighbour of eth1, or by a gateway that nobody can reach."""
    return Route(
        V4,
        TABLE,
        IPv4Network((0x0A000000 + number, 32)),
        gateway=IPv4Address("192.0.2.2" if good else "203.0.113.9"),
        oif=socket.if_nametoindex("eth1"),
        protocol=83,
    )


def test_a_thousand_refusals_all_arrive(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        messages = [add_rule(rule, exclusive=True) for rule in RULES]
        assert await requests.execute(messages) == []
        failures = await requests.execute(messages)
        assert [(failure.index, failure.errno) for failure in failures] == [
            (index, errno.EEXIST) for index in range(1000)
        ]

    tell(story)


def test_no_messages_are_no_work(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        assert await requests.execute([]) == []

    tell(story)


def test_a_lost_answer_is_torn_and_the_next_order_is_answered_under_the_same_port_id(
    tell: Tell,
) -> None:
    async def story(first: Requests) -> None:
        # The first socket of a process gets its pid for a port id, and would get it again.
        requests = Requests()
        messages = [add_rule(rule, exclusive=True) for rule in RULES]
        await requests.execute(messages)
        portid = requests.portid
        assert portid != first.portid
        requests._orders._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        with pytest.raises(TornDump, match="lost"):
            await requests.execute(messages)
        assert requests.portid == portid
        assert len(await requests.execute(messages)) == 1000
        requests.close()

    tell(story)


def test_without_the_capability_it_says_what_is_missing(tell: Tell) -> None:
    async def story(requests: Requests) -> None:
        with (
            without_net_admin(),
            pytest.raises(NotPermitted, match="CAP_NET_ADMIN"),
        ):
            await requests.execute([add_rule(RULES[0], exclusive=True)])
        assert await requests.execute([add_rule(RULES[0], exclusive=True)]) == []

    tell(story)


@contextmanager
def without_net_admin() -> Iterator[None]:
    """Lay CAP_NET_ADMIN aside for a while: it leaves the effective set, not the permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", 0x20080522, 0)
    before = ctypes.create_string_buffer(24)
    assert not libc.capget(header, before)
    effective, *others = struct.unpack("=6I", before.raw)
    assert not libc.capset(header, struct.pack("=6I", effective & ~(1 << 12), *others))
    try:
        yield
    finally:
        assert not libc.capset(header, before.raw)


@pytest.mark.parametrize("family", Family)
def test_deleting_our_rule_leaves_a_strangers_twin(family: Family, tell: Tell) -> None:
    ours = Rule(family, 18601, table=TABLE, protocol=83)
    theirs, nobodys = replace(ours, protocol=200), replace(ours, protocol=0)

    async def story(requests: Requests) -> None:
        for rule in (theirs, nobodys, ours):
            assert not await requests.execute([add_rule(rule, exclusive=True)])
        assert not await requests.execute([delete_rule(ours)])
        keys = RuleMemo().view(await requests.rules(family)).keys()
        assert keys >= {encode_rule(theirs), encode_rule(nobodys)}
        assert encode_rule(ours) not in keys
        (failure,) = await requests.execute([delete_rule(ours)])
        assert failure.errno == errno.ENOENT
        assert keys == RuleMemo().view(await requests.rules(family)).keys()

    tell(story)


@pytest.mark.parametrize(
    "more", [{"suppress_prefixlength": 0}, {"iif": "eth1"}, {"mark": 5, "mask": 255}]
)
def test_a_delete_takes_a_rule_with_a_selector_more_if_it_has_the_same_priority(
    more: dict[str, Any], tell: Tell
) -> None:
    """A trap of the kernel, kept here so that whoever derives rules gives them priorities apart."""
    meant = Rule(V4, 18601, table=TABLE, protocol=83)
    first, apart = replace(meant, **more), replace(meant, priority=18602, **more)

    async def story(requests: Requests) -> None:
        orders = [add_rule(rule, exclusive=True) for rule in (first, meant, apart)]
        assert not await requests.execute([*orders, delete_rule(meant)])
        left = RuleMemo().view(await requests.rules(V4)).keys()
        assert encode_rule(meant) in left
        assert encode_rule(first) not in left
        assert not await requests.execute([delete_rule(meant)])
        assert encode_rule(apart) in RuleMemo().view(await requests.rules(V4))

    tell(story)


def test_deleting_our_route_leaves_a_strangers_that_took_its_place(
    nics: dict[str, int], tell: Tell
) -> None:
    ours = [
        Route(V4, TABLE, V4.everything, oif=nics["eth1"], scope=Scope.LINK, protocol=83),
        Route(V6, TABLE, V6.everything, oif=nics["eth1"], protocol=83),
        Route(V4, TABLE, V4.everything, RouteType.UNREACHABLE, metric=GUARD_METRIC, protocol=83),
        Route(V6, TABLE, V6.everything, RouteType.UNREACHABLE, metric=GUARD_METRIC, protocol=83),
    ]

    async def story(requests: Requests) -> None:
        for route in ours:
            theirs = replace(route, protocol=200)
            assert not await requests.execute([put_route(theirs, replace=False)])
            (failure,) = await requests.execute([delete_route(route)])
            assert failure.errno == errno.ESRCH
            assert encode_route(theirs) in await keys(requests, route.family)

    tell(story)


async def keys(requests: Requests, family: Family) -> set[bytes]:
    """The canonical keys of our table."""
    return set(RouteMemo().view(await requests.routes(family, TABLE)))


@pytest.mark.parametrize(
    ("family", "first", "second"),
    [
        (V4, IPv4Address("192.0.2.2"), IPv4Address("192.0.2.3")),
        (V6, IPv6Address("2001:db8::2"), IPv6Address("2001:db8::3")),
    ],
)
def test_a_held_place_is_refused_unless_it_is_to_be_replaced(
    nics: dict[str, int], family: Family, first: IPv4Address, second: IPv4Address, tell: Tell
) -> None:
    held = Route(family, TABLE, family.everything, gateway=first, oif=nics["eth1"], protocol=200)
    ours = replace(held, gateway=second, protocol=83)

    async def story(requests: Requests) -> None:
        assert not await requests.execute([put_route(held, replace=True)])
        (failure,) = await requests.execute([put_route(ours, replace=False)])
        assert failure.errno == errno.EEXIST
        assert await keys(requests, family) == {encode_route(held)}
        assert not await requests.execute([put_route(ours, replace=True)])
        assert await keys(requests, family) == {encode_route(ours)}

    tell(story)


def test_a_message_is_what_the_kernel_gets() -> None:
    """The bodies of orders are the keys of views: nothing to convert between them."""
    rule = RULES[0]
    assert add_rule(rule, exclusive=False) == Message(RTM_NEWRULE, 0x400, encode_rule(rule))
