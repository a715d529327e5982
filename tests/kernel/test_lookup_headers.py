"""Rules that ask for type of service, protocol, ports and users, in corners that luck seldom meets.

Each is a story with its end, checked with the kernel.
"""

import struct
from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from typing import Any

import pytest

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_compare import differences
from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import Action, Family, Rule
from srcroutd.kernel.codec_packet import is_askable
from srcroutd.kernel.codec_rule import FRA_DPORT_MASK, decode_rule, encode_rule
from srcroutd.kernel.messages import Failure, add_encoded_rule, add_rule
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from srcroutd.kernel.wire import attribute
from tests.kernel.common import Tell
from tests.kernel.lookup_worlds import NICS, ask, settle
from tests.kernel.test_lookup_stories import BOTH_WAYS, FAR4, FAR6, Story, check, packet

BY_ETH1 = "rule add pref 5 {} lookup 100"
STRICT = (
    "refused EINVAL EXDEV: rp_filter is strict: the way back to 8.8.8.8 leaves by eth2, not eth1"
)
IN = "local by lo table local"
OUT_1 = "unicast by eth1 via 192.0.2.253 table 100 src 192.0.2.1 (1)"
OUT_2 = "unicast by eth2 via 192.0.2.254 table main src 192.0.2.1 (1)"


def both_ways(selector: str) -> str:
    return f"{BOTH_WAYS}\n{BY_ETH1.format(selector)}"


def comes_in(**more: int) -> Packet:
    return packet("192.0.2.1", FAR4, iif="eth1", **more)


def leaves(**more: int) -> Packet:
    return packet(FAR4, "192.0.2.1", **more)


STORIES = [
    Story(
        "the way back is looked up with the ports exchanged",
        both_ways("ipproto tcp sport 443"),
        comes_in(proto=6, sport=40000, dport=443),
        IN,
    ),
    Story(
        "and not with the ports of the way in",
        both_ways("ipproto tcp sport 443"),
        comes_in(proto=6, sport=443, dport=40000),
        STRICT,
    ),
    Story(
        "a type of service takes part in the way back",
        both_ways("tos 0x10"),
        comes_in(tos=0x10),
        IN,
    ),
    Story(
        "nobody sent what comes in, so its way back is roots",
        both_ways("uidrange 0-0"),
        comes_in(uid=33),
        IN,
    ),
    Story(
        "the ports of what comes in are not looked at for rules about what this host sends",
        both_ways("iif lo sport 443"),
        comes_in(proto=6, sport=40000, dport=443),
        STRICT,
    ),
    Story(
        "unless another rule asks",
        f"{both_ways('iif lo sport 443')}\nrule add pref 6 iif gone0 ipproto tcp blackhole",
        comes_in(proto=6, sport=40000, dport=443),
        IN,
    ),
    Story("a protocol that is not said is udp in IPv4", both_ways("ipproto udp"), leaves(), OUT_1),
    Story("also where it comes in", both_ways("ipproto udp"), comes_in(), IN),
    Story(
        "and none in IPv6",
        "-6 route add default via 2001:db8:1::fd dev eth1\n-6 rule add pref 5 ipproto udp prohibit",
        packet(FAR6, "2001:db8:1::1"),
        "unicast by eth1 via 2001:db8:1::fd table main src 2001:db8:1::1 (1)",
    ),
    Story(
        "of a type of service IPv4 compares three bits",
        both_ways("tos 0x10"),
        leaves(tos=0xF0),
        OUT_1,
    ),
    Story(
        "and IPv6 six",
        "-6 rule add pref 5 tos 0x10 blackhole\n-6 route add default via 2001:db8:1::fd dev eth1",
        packet(FAR6, "2001:db8:1::1", tos=0xF0),
        "unicast by eth1 via 2001:db8:1::fd table main src 2001:db8:1::1 (1)",
    ),
    Story(
        "the last port matches no rule but one that has not",
        both_ways("not dport 1-65534"),
        leaves(proto=17, dport=65535),
        OUT_1,
    ),
    Story("a user outside a range", both_ways("uidrange 1-99"), leaves(uid=100), OUT_2),
    Story("a user at its end", both_ways("uidrange 1-99"), leaves(uid=99), OUT_1),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title.replace(" ", "-"))
def test_the_story_ends_as_told_and_as_in_the_kernel(story: Story, tell: Tell) -> None:
    check(story, tell)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("name", ["ip_proto", "sport", "dport", "uids", "tos"])
def test_each_of_a_packets_traits_reaches_the_kernel(name: str, family: Family, tell: Tell) -> None:
    """Only the packet that has it is refused, by the kernel and by the walk."""
    indexes = settle()
    values: dict[str, Any] = {
        "ip_proto": 6,
        "sport": (7, 9),
        "dport": (7, 9),
        "uids": (7, 9),
        "tos": 0x10,
    }
    rule = replace(Rule(family, 1, Action.PROHIBIT), **{name: values[name]})
    plain = packet(FAR4 if family is Family.V4 else FAR6, proto=17, sport=6, dport=10, uid=6)
    trait = {"ip_proto": "proto", "uids": "uid"}.get(name, name)
    chosen: dict[str, Any] = {trait: {"ip_proto": 6, "tos": 0x10}.get(name, 8)}
    meant = replace(plain, **chosen)

    async def story(requests: Requests) -> None:
        assert not await requests.execute([add_rule(rule, exclusive=True)])
        rpdb = await read_rpdb(requests, family, [plain.dst], NICS)
        for one in (plain, meant):
            answer = await ask(requests, one, indexes)
            assert differences(rpdb, walk(rpdb, one), answer) == ()
            assert (answer == 13) is (one is meant)

    tell(story)


@pytest.mark.parametrize("family", Family)
def test_the_kernel_answers_just_for_what_is_askable(family: Family, tell: Tell) -> None:
    far = ip_address("127.0.0.1" if family is Family.V4 else "::1")

    async def story(requests: Requests) -> None:
        for proto in (None, *range(256)):
            sent = Packet(far, proto=proto)
            answer = await requests.way_of(sent, {})
            refused = isinstance(answer, Failure) and answer.errno == 95
            assert is_askable(sent) or refused, proto
            assert not (is_askable(sent) and refused), proto

    tell(story)


def test_ports_with_a_mask_are_never_guessed(tell: Tell) -> None:
    """Kernels from 6.15 take a mask; older ones ignore it, and then there is nothing to guess."""
    indexes = settle()
    body = encode_rule(Rule(Family.V4, 1, Action.PROHIBIT, dport=(80, 80)))
    masked = body + attribute(FRA_DPORT_MASK, struct.pack("=H", 0xFFF0))

    async def story(requests: Requests) -> None:
        assert not await requests.execute([add_encoded_rule(masked, exclusive=True)])
        rpdb = await read_rpdb(requests, Family.V4, [ip_address(FAR4)], NICS)
        assert rpdb.rules[1].beyond in {(), (24, FRA_DPORT_MASK)}
        for dport, src in product((80, 81, 96), (None, "192.0.2.1")):
            sent = packet(FAR4, src or "", proto=6, dport=dport)
            assert differences(rpdb, walk(rpdb, sent), await ask(requests, sent, indexes)) == ()

    tell(story)
    assert decode_rule(masked) == Rule(Family.V4, 1, Action.PROHIBIT, beyond=(24, FRA_DPORT_MASK))
