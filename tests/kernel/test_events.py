"""The event socket against the real kernel: what concerns us rings, what does not is never
delivered.
"""

import asyncio
import select
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from srcroutd.core.main_table import MainInterest
from srcroutd.core.net import Family, Route, RouteType, Rule
from srcroutd.kernel.bpf import attach, event_filter
from srcroutd.kernel.events import Bells, Events
from srcroutd.kernel.messages import Message, add_rule, delete_rule, put_route
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.wire import RTM_DELROUTE, RTM_NEWLINK, RTM_NEWROUTE

V4, V6 = Family.V4, Family.V6
TABLES = range(18000, 19000)
Ip = Callable[[str], str]

RULE = Rule(V4, 18601, table=18001, protocol=83)
GUARD = Route(V4, 18001, V4.everything, RouteType.UNREACHABLE, protocol=83)


@pytest.fixture
def requests(netns: None) -> Iterator[Requests]:  # noqa: ARG001 - the namespace is where it runs
    """Our own line to the kernel. With lo alone nothing rings by itself."""
    opened = Requests()
    yield opened
    opened.close()


@pytest.fixture
def events(requests: Requests) -> Iterator[Events]:
    """The socket under test, quiet at the start."""
    opened = Events(TABLES, requests.portid)
    opened.drain()
    yield opened
    opened.close()


def order(requests: Requests, *messages: Message) -> None:
    """Carry out messages that must all succeed."""
    assert not asyncio.run(requests.execute(messages))


@pytest.mark.parametrize("option", ["", "-6"])
def test_a_deleted_rule_rings(ip: Ip, events: Events, option: str) -> None:
    ip(f"{option} rule add from all lookup 18001 pref 18601 protocol 83")
    assert events.drain() == Bells(rules=True)
    ip(f"{option} rule delete from all lookup 18001 pref 18601 protocol 83")
    assert events.drain() == Bells(rules=True)
    assert events.drain() == Bells()


def test_our_own_changes_do_not_ring_and_the_same_by_others_do(
    requests: Requests, events: Events
) -> None:
    rule = replace(RULE, family=V6)
    guard = replace(GUARD, family=V6, dst=V6.everything)
    changes = (
        *(add_rule(RULE, exclusive=True), add_rule(rule, exclusive=True)),
        *(put_route(GUARD, replace=False), put_route(guard, replace=False)),
        *(delete_rule(RULE), delete_rule(rule)),
    )
    order(requests, *changes)
    assert events.drain() == Bells()
    other = Requests()
    order(other, changes[0], put_route(replace(GUARD, protocol=200), replace=True))
    assert events.drain() == Bells(rules=True, routes=True)
    other.close()


@pytest.mark.parametrize("option", ["", "-6"])
@pytest.mark.parametrize(
    ("table", "rings"),
    [
        *((table, True) for table in (18000, 18001, 18255, 18256, 18999)),
        *(
            (table, False)
            for table in (1, 80, 254, 17999, 19000, 18001 << 8, 18001 << 16, 2**32 - 1)
        ),
    ],
)
def test_routes_ring_in_our_tables_only(
    ip: Ip, events: Events, option: str, table: int, *, rings: bool
) -> None:
    ip(f"{option} route add unreachable default metric 9 table {table}")
    assert events.drain() == Bells(routes=rings)
    ip(f"{option} route delete unreachable default metric 9 table {table}")
    assert events.drain() == Bells(routes=rings)


def test_a_flood_of_foreign_routes_is_not_delivered(events: Events) -> None:
    flood = "".join(
        f"route add 10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32 dev lo\n" for n in range(20_000)
    )
    subprocess.run(["ip", "-batch", "-"], input=flood, text=True, check=True)
    assert not select.select([events], [], [], 0)[0]
    assert events.drain() == Bells()


def test_links_and_addresses_ring_for_their_nic(
    ip: Ip, nics: dict[str, int], events: Events
) -> None:
    eth1 = nics["eth1"]
    ip("address add 192.0.2.7/24 dev eth1")
    assert heard(events, eth1)
    ip("-6 address add 2001:db8::7/64 dev eth1 nodad")
    assert heard(events, eth1)
    ip("link set eth1 mtu 1400")
    assert heard(events, eth1)
    ip("link set eth1 down")
    assert heard(events, eth1)
    ip("link delete eth1")
    assert heard(events, eth1)


def heard(events: Events, index: int) -> bool:
    """Whether a NIC rang. Others may as well: a new one has more to say for a second or two."""
    bells = events.drain()
    return bells.links and index in bells.nics and not bells.rules


def test_a_link_that_goes_down_rings_though_its_ipv4_routes_vanish_unannounced(
    ip: Ip, nics: dict[str, int], events: Events
) -> None:
    ip("route add default via 192.0.2.2 dev eth1 table 18001")
    assert events.drain().routes
    ip("link set eth1 down")
    bells = events.drain()
    assert not ip("route show table 18001")
    assert not bells.routes
    assert bells.links
    assert nics["eth1"] in bells.nics


def test_lost_events_are_told_and_later_ones_still_ring(requests: Requests) -> None:
    small = Events(TABLES, requests.portid, receive_buffer=4096)
    other = Requests()
    rules = [Rule(V4, priority, table=18001) for priority in range(1, 500)]
    order(other, *(add_rule(rule, exclusive=False) for rule in rules))
    bells = small.drain()
    assert bells.lost
    assert bells.rules
    assert small.drain() == Bells()
    order(other, delete_rule(rules[0]))
    assert small.drain() == Bells(rules=True)
    other.close()
    small.close()


def test_a_drain_is_bounded_and_the_rest_keeps_the_socket_readable(events: Events) -> None:
    other = Requests()
    rules = [Rule(V4, priority, table=18001) for priority in range(1, 31)]
    order(other, *(add_rule(rule, exclusive=False) for rule in rules))
    reads = 0
    while select.select([events], [], [], 0)[0]:
        assert events.drain(limit=10)
        reads += 1
    assert reads == 3
    other.close()


def test_bells_add_up() -> None:
    both = Bells(links=True, nics=frozenset({3})) | Bells(rules=True, nics=frozenset({4}))
    assert both == Bells(links=True, rules=True, nics=frozenset({3, 4}))
    assert not Bells()
    assert Bells(lost=True)
    assert Bells() | Bells(lost=True) == Bells(lost=True)


# --- the filter alone, before a socket that holds whatever we write into it ---------------------


def passes(message: bytes) -> bool:
    """Whether the filter lets a message through; port id 4242 is ours."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        attach(ours, event_filter(TABLES, 4242))
        theirs.send(message)
        ours.setblocking(False)  # noqa: FBT003 - the name of the call says it
        try:
            return ours.recv(4096) == message
        except BlockingIOError:
            return False


def message(kind: int, portid: int, attributes: bytes) -> bytes:
    """A notification with an empty rtmsg."""
    return struct.pack("=IHHII", 28 + len(attributes), kind, 0, 0, portid) + bytes(12) + attributes


def test_a_route_whose_table_is_not_said_first_is_let_through() -> None:
    table = struct.pack("=HHI", 8, 15, 254)
    metric = struct.pack("=HHI", 8, 6, 9)
    for kind in (RTM_NEWROUTE, RTM_DELROUTE):
        assert not passes(message(kind, 0, table + metric))
        assert passes(message(kind, 0, metric + table))
        assert passes(message(kind, 0, b""))
        assert passes(message(kind, 0, struct.pack("=HHI", 8, 15, 18001)))


def test_only_our_own_port_id_is_kept_out() -> None:
    assert not passes(message(RTM_NEWLINK, 4242, b""))
    for portid in (0, 4241, 4242 << 8, 2**32 - 1):
        assert passes(message(RTM_NEWLINK, portid, b""))


@pytest.mark.parametrize(
    ("tables", "portid"), [(range(0), 4242), (range(0, 10, 2), 4242), (TABLES, 0)]
)
def test_a_filter_that_would_hide_what_concerns_us_is_refused(tables: range, portid: int) -> None:
    with pytest.raises(ValueError, match="filter"):
        event_filter(tables, portid)


# --- table main rings only for what somebody asks about ------

NET8 = IPv4Network("10.8.0.0/16")


@pytest.mark.parametrize(
    ("main", "line", "rings"),
    [
        (MainInterest(defaults=True), "default dev lo metric 9", True),
        (MainInterest(defaults=True), "10.8.1.0/24 dev lo", False),
        (MainInterest(defaults=True), "unreachable default metric 9", True),
        (MainInterest(prefixes=(NET8,)), "10.8.1.0/24 dev lo", True),
        (MainInterest(prefixes=(NET8,)), "10.0.0.0/15 dev lo", False),
        (MainInterest(prefixes=(NET8,)), "default dev lo metric 9", False),
        (MainInterest(prefixes=(V4.everything,)), "default dev lo metric 9", True),
        (MainInterest(protocols=(4, 186)), "10.8.1.0/24 dev lo proto bgp", True),
        (MainInterest(protocols=(4, 186)), "10.8.1.0/24 dev lo proto bird", False),
        (MainInterest(protocols=(4,)), "10.8.1.0/24 dev lo proto static table 100", False),
        (MainInterest(defaults=True, protocols=(4,)), "default dev lo proto bird metric 9", True),
    ],
)
def test_main_rings_for_what_is_asked_about(
    ip: Ip, requests: Requests, main: MainInterest, line: str, *, rings: bool
) -> None:
    opened = Events(TABLES, requests.portid, main=main)
    opened.drain()
    ip(f"route add {line}")
    assert opened.drain() == Bells(main=rings)
    ip(f"route del {line}")
    assert opened.drain() == Bells(main=rings)
    if line.startswith("default"):
        ip(f"-6 route add {line}")
        assert opened.drain() == Bells(main=rings)
    opened.close()


def test_a_route_that_takes_the_place_of_one_asked_about_rings(ip: Ip, requests: Requests) -> None:
    opened = Events(TABLES, requests.portid, main=MainInterest(protocols=(4,)))
    ip("route add 10.8.1.0/24 dev lo proto static")
    ip("-6 route add 2001:db8::/64 dev lo proto static")
    opened.drain()
    ip("route replace 10.8.1.0/24 dev lo proto bird")
    assert opened.drain() == Bells(main=True)
    ip("-6 route replace 2001:db8::/64 dev lo proto bird")
    assert opened.drain() == Bells(main=True)
    opened.close()
