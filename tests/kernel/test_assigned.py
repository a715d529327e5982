"""Addresses put and taken away on the real kernel: the mark, main's routes, who else is there."""

import re
import time
from collections.abc import Callable
from ipaddress import ip_interface

import pytest

from srcroutd.core.assigned import PutAddress
from srcroutd.core.net import Address
from srcroutd.kernel.messages import Failure, Message, add_address, delete_address, set_up
from srcroutd.kernel.requests import Requests
from tests.kernel.common import Ip, Tell

EEXIST, EADDRNOTAVAIL = 17, 99
V4, V6, SPARE = "192.0.2.6/32", "2001:db8::6/128", "2001:db8::7/128"
ROUTES = ("route show table main", "-6 route show table main")


@pytest.fixture
def do(tell: Tell) -> Callable[..., list[Failure]]:
    """Carry out some messages."""

    def done(*messages: Message) -> list[Failure]:
        failures: list[Failure] = []

        async def story(requests: Requests) -> None:
            failures.extend(await requests.execute(messages))

        tell(story)
        return failures

    return done


@pytest.fixture
def seen(tell: Tell) -> Callable[[], dict[str, Address]]:
    """The addresses of eth1 as the daemon sees them, by how they are written."""

    def look() -> dict[str, Address]:
        found: dict[str, Address] = {}

        async def story(requests: Requests) -> None:
            index = next(link.index for link in await requests.links() if link.name == "eth1")
            for address in await requests.addresses():
                if address.index == index:
                    found[str(address.interface)] = address

        tell(story)
        return found

    return look


Do = Callable[..., list[Failure]]
Seen = Callable[[], dict[str, Address]]


def put(index: int, text: str, *, protocol: int = 83, spare: bool = False) -> PutAddress:
    return PutAddress(index, ip_interface(text), protocol, spare)


def all_three(index: int) -> list[Message]:
    return [
        add_address(put(index, V4), replace=False),
        add_address(put(index, V6), replace=False),
        add_address(put(index, SPARE, spare=True), replace=False),
    ]


def test_what_is_put_bears_the_mark_and_main_keeps_its_routes(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    before = [ip(words) for words in ROUTES]
    assert do(*all_three(nics["eth1"])) == []
    there = seen()
    assert {text: there[text].protocol for text in (V4, V6, SPARE)} == {V4: 83, V6: 83, SPARE: 83}
    assert all(there[text].permanent and not there[text].secondary for text in (V4, V6, SPARE))
    assert there["192.0.2.1/24"].protocol == 0
    assert [ip(words) for words in ROUTES] == before


def test_the_kernel_itself_chooses_no_spare_address(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    assert do(add_address(put(nics["eth1"], SPARE, spare=True), replace=False)) == []
    wait(lambda: not seen()[SPARE].tentative)
    assert "src 2001:db8::1 " in ip("-6 route get 2001:db8::99")
    assert do(add_address(put(nics["eth1"], V6), replace=False)) == []
    wait(lambda: not seen()[V6].tentative)
    assert "src 2001:db8::6 " in ip("-6 route get 2001:db8::99"), "any other new one it does choose"


def test_all_is_as_it_was_once_it_is_taken_away(ip: Ip, nics: dict[str, int], do: Do) -> None:
    wait(lambda: "tentative" not in ip("-6 address"))
    before = everything(ip)
    assert do(*all_three(nics["eth1"])) == []
    assert everything(ip) != before
    gone = [delete_address(nics["eth1"], ip_interface(text)) for text in (V4, V6, SPARE)]
    assert do(*gone) == []
    assert everything(ip) == before
    assert [failure.errno for failure in do(*gone)] == [EADDRNOTAVAIL] * 3


def test_what_is_taken_away_takes_nobody_along(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    ip("address flush dev eth1")
    assert do(add_address(put(nics["eth1"], "192.0.2.5/32"), replace=False)) == []
    ip("address add 192.0.2.8/24 dev eth1")
    ip("address add 192.0.2.5/24 dev eth1")
    assert do(delete_address(nics["eth1"], ip_interface("192.0.2.5/32"))) == []
    assert {"192.0.2.8/24", "192.0.2.5/24"} <= seen().keys()
    assert "192.0.2.5 dev eth1" in ip("route show table local")


def test_a_strangers_address_is_not_put_twice_nor_claimed(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    ip(f"address add {V4} dev eth1")
    ip(f"-6 address add {V6} dev eth1")
    failures = do(*(add_address(put(nics["eth1"], text), replace=False) for text in (V4, V6)))
    assert [failure.errno for failure in failures] == [EEXIST, EEXIST]
    assert {seen()[text].protocol for text in (V4, V6)} == {0}


def test_whoever_changes_an_address_wipes_the_mark(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    assert do(*all_three(nics["eth1"])) == []
    ip(f"address change {V4} dev eth1 valid_lft 900 preferred_lft 900")
    ip(f"-6 address replace {V6} dev eth1")
    there = seen()
    assert (there[V4].protocol, there[V4].permanent) == (0, False)
    assert (there[V6].protocol, there[V6].permanent) == (0, True)
    assert there[SPARE].protocol == 83


def test_the_mark_can_be_replaced(nics: dict[str, int], do: Do, seen: Seen) -> None:
    assert do(*all_three(nics["eth1"])) == []
    again = [
        add_address(put(nics["eth1"], text, protocol=90, spare=text == SPARE), replace=True)
        for text in (V4, V6, SPARE)
    ]
    assert do(*again) == []
    there = seen()
    assert {there[text].protocol for text in (V4, V6, SPARE)} == {90}
    assert all(there[text].permanent for text in (V4, V6, SPARE))


def test_a_link_is_set_up_and_all_else_of_it_stays(ip: Ip, nics: dict[str, int], do: Do) -> None:
    ip("link set eth1 down promisc on mtu 1400")
    assert do(set_up(nics["eth1"])) == []
    said = ip("link show dev eth1")
    assert re.search(r"<[^>]*PROMISC[^>]*\bUP\b", said)
    assert "mtu 1400" in said
    assert do(set_up(nics["eth1"])) == []


def test_an_address_that_another_host_has_is_seen_as_a_duplicate_and_stays_unused(
    ip: Ip, nics: dict[str, int], do: Do, seen: Seen
) -> None:
    ip(f"-6 address add {V6} dev eth2 nodad")
    # Both ends of the cable are here: what comes from our own address must be let in.
    assert do(add_address(put(nics["eth1"], V6), replace=False)) == []
    assert seen()[V6].tentative
    wait(lambda: seen()[V6].duplicate)
    there = seen()[V6]
    assert (there.tentative, there.permanent, there.protocol) == (True, True, 83)
    assert do(delete_address(nics["eth1"], ip_interface(V6))) == []


def everything(ip: Ip) -> list[str]:
    words = ("-4 address", "-6 address", "rule", "-6 rule", "route show table all")
    return [ip(one) for one in (*words, "-6 route show table all")]


def wait(true: Callable[[], bool], within_s: float = 6.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
