"""The codec of rules against iproute2: what is typed is what we read, and prints as it is typed."""

import asyncio
import struct
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest

from srcroutd.core.net import Action, Family, Rule
from srcroutd.kernel.codec_rule import decode_rule, encode_rule
from srcroutd.kernel.memo import RuleMemo
from srcroutd.kernel.messages import add_rule, delete_dumped_rule
from srcroutd.kernel.stranger import describe
from srcroutd.kernel.wire import attribute
from tests.kernel.common import V4, V6, Ip, dump_after


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("from 192.0.2.0/24", Rule(V4, 7, table=200, src=IPv4Network("192.0.2.0/24"))),
        ("to 198.51.100.7", Rule(V4, 7, table=200, dst=IPv4Network("198.51.100.7"))),
        ("fwmark 0x10/0xff", Rule(V4, 7, table=200, mark=0x10, mask=0xFF)),
        ("fwmark 0/0xff", Rule(V4, 7, table=200, mask=0xFF)),
        ("fwmark 9", Rule(V4, 7, table=200, mark=9, mask=2**32 - 1)),
        ("iif gone0", Rule(V4, 7, table=200, iif="gone0")),
        ("oif gone0", Rule(V4, 7, table=200, oif="gone0")),
        ("suppress_prefixlength 0", Rule(V4, 7, table=200, suppress_prefixlength=0)),
        ("protocol 83", Rule(V4, 7, table=200, protocol=83)),
        ("tos 0x10", Rule(V4, 7, table=200, tos=0x10)),
        ("ipproto udp dport 80-90", Rule(V4, 7, table=200, ip_proto=17, dport=(80, 90))),
        ("sport 65534", Rule(V4, 7, table=200, sport=(65534, 65534))),
        ("uidrange 0-0", Rule(V4, 7, table=200, uids=(0, 0))),
    ],
)
def test_iproute2_and_we_mean_the_same_rule(ip: Ip, words: str, rule: Rule) -> None:
    protocol = "" if "protocol" in words else "protocol 0"
    ip(f"rule add {words} pref 7 lookup 200 {protocol}")
    assert only_rule(V4) == rule


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("goto 32766", Rule(V6, 7, Action.GOTO, goto=32766)),
        ("goto 9", Rule(V6, 7, Action.GOTO, goto=9)),
        ("nop", Rule(V6, 7, Action.NOP)),
        ("unreachable", Rule(V6, 7, Action.UNREACHABLE)),
        ("blackhole", Rule(V6, 7, Action.BLACKHOLE)),
        ("prohibit", Rule(V6, 7, Action.PROHIBIT)),
    ],
)
@pytest.mark.parametrize("no", ["", "not"])
def test_iproute2_and_we_mean_the_same_action(ip: Ip, words: str, rule: Rule, no: str) -> None:
    ip(f"-6 rule add {no} from 2001:db8::/32 pref 7 protocol 5 {words}")
    src = IPv6Network("2001:db8::/32")
    assert only_rule(V6) == replace(rule, src=src, invert=bool(no), protocol=5)


@pytest.mark.parametrize(
    ("words", "beyond"),
    [
        ("suppress_ifgroup 5", (13,)),
        ("tun_id 5", (12,)),
        ("from 192.0.2.5/24", (2,)),
    ],
)
def test_what_our_type_cannot_say_of_a_rule_is_beyond_and_deletable(
    ip: Ip, words: str, beyond: tuple[int, ...]
) -> None:
    ip(f"rule add {words} pref 7 lookup 200 protocol 9")
    bodies = asyncio.run(dump_after([], V4))
    (key,) = (key for key, rule in RuleMemo().view(bodies).items() if rule.priority == 7)
    rule = decode_rule(key)
    assert rule is not None
    assert rule.beyond == beyond
    assert key in bodies
    assert key not in asyncio.run(dump_after([delete_dumped_rule(key)], V4))
    assert " 200 " in describe("rule", key)
    assert "UNKNOWN" not in describe("rule", key)
    assert words.rsplit(maxsplit=1)[-1].replace("-", ":").partition("/")[0] in describe("rule", key)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(V4, 7, table=200, ip_proto=6, dport=(80, 90)),
        Rule(V4, 7, table=200, sport=(80, 80), suppress_prefixlength=0),
        Rule(V4, 7, Action.PROHIBIT, tos=0xC, uids=(5, 9), mark=1, mask=3, iif="a", oif="b"),
        Rule(V4, 7, Action.GOTO, goto=99, invert=True, ip_proto=253, dport=(1, 65534), tos=0xC),
        Rule(
            *(V6, 7, Action.LOOKUP, 200, IPv6Network("2001:db8::/32"), IPv6Network("fd00::1")),
            ip_proto=58,
            uids=(0, 2**32 - 2),
        ),
    ],
    ids=str,
)
def test_a_rule_prints_as_ip_prints_it(ip: Ip, rule: Rule) -> None:
    asyncio.run(dump_after([add_rule(rule, exclusive=True)], rule.family))
    (line,) = ip(f"-{rule.family.everything.version} rule show pref 7").splitlines()
    for state in (" [detached]", " [unresolved]", "ipproto-"):
        line = line.replace(state, "")
    assert str(rule) == line.replace("\t", " ").strip()


@pytest.mark.parametrize("mask", [0xFFF0, 0xFFFF])
@pytest.mark.parametrize(("ports", "number"), [("sport", 28), ("dport", 29)])
def test_a_port_with_a_mask_of_some_bits_is_none_that_our_type_can_say(
    ports: str, number: int, mask: int
) -> None:
    plain = Rule(V4, 7, table=200)
    asked = replace(plain, **{ports: (80, 80)})  # type: ignore[arg-type]
    body = encode_rule(asked) + attribute(number, struct.pack("=H", mask))
    expected = asked if mask == 0xFFFF else replace(plain, beyond=(number - 5, number))
    assert decode_rule(body) == expected


def only_rule(family: Family) -> Rule:
    """The one rule of priority 7."""
    bodies = asyncio.run(dump_after([], family))
    (rule,) = (rule for rule in RuleMemo().view(bodies).values() if rule.priority == 7)
    return rule
