"""The codec of rules, and the views made of it, against the kernel and against pyroute2.

What we encode comes back from the kernel byte for byte; what the kernel shows, pyroute2 reads as we
do.
"""

import asyncio
import struct
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg

from srcroutd.core.net import (
    Action,
    Family,
    Network,
    Rule,
)
from srcroutd.kernel.codec_rule import decode_rule, encode_rule
from srcroutd.kernel.memo import RuleMemo
from srcroutd.kernel.messages import (
    add_rule,
    delete_rule,
)
from srcroutd.kernel.requests import Requests
from tests.kernel.common import TABLE, V4, V6, Ip, dump_after


def networks(family: Family) -> st.SearchStrategy[Network | None]:
    """None, or a prefix of any length but 0, which is None to the kernel."""
    bits = family.everything.max_prefixlen
    kind = IPv4Network if family is V4 else IPv6Network

    def prefix(number: int, length: int) -> Network:
        return kind((number >> (bits - length) << (bits - length), length))

    return st.none() | st.builds(prefix, st.integers(0, 2**bits - 1), st.integers(1, bits))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Rules of every kind that our type can say."""
    family = draw(st.sampled_from(Family))
    action = draw(st.sampled_from(Action))
    priority = draw(st.integers(1, 32765))
    lookup = action is Action.LOOKUP
    name = st.sampled_from(("", "eth1", "eth2", "gone0", "fifteen-letters"))
    mark = draw(st.sampled_from((0, 1, 0x530000, 2**32 - 1)))
    return Rule(
        family=family,
        priority=priority,
        action=action,
        table=draw(st.sampled_from((TABLE, 77, 254, 255, 256, 2**32 - 1))) if lookup else 0,
        src=draw(networks(family)),
        dst=draw(networks(family)),
        iif=draw(name),
        oif=draw(name),
        mark=mark,
        mask=draw(st.sampled_from((0, 0xFF, 0xFF0000, 2**32 - 1))),
        invert=draw(st.booleans()),
        goto=draw(st.integers(priority + 1, 32767)) if action is Action.GOTO else 0,
        suppress_prefixlength=draw(st.integers(-1, 32)) if lookup else -1,
        protocol=draw(st.integers(0, 255)),
        tos=draw(st.sampled_from((0, 0x4, 0x1C) if family is V4 else (0, 0x4, 0xFC))),
        ip_proto=draw(st.sampled_from((0, 1, 6, 255))),
        sport=draw(ranges(1, 65534)),
        dport=draw(ranges(1, 65534)),
        uids=draw(ranges(0, 2**32 - 2)),
    )


def ranges(first: int, last: int) -> st.SearchStrategy[tuple[int, int] | None]:
    """None, or two ends in order, both often the same."""
    ends = st.tuples(st.integers(first, last), st.integers(first, last))
    ordered = ends.map(lambda pair: (min(pair), max(pair)))
    single = st.sampled_from((first, last)).map(lambda end: (end, end))
    return st.one_of(st.none(), ordered, single)


@given(rules())
def test_a_rule_survives_the_way_to_bytes_and_back(rule: Rule) -> None:
    assert decode_rule(encode_rule(rule)) == rule


@given(rules(), rules())
def test_two_rules_are_equal_exactly_when_their_bytes_are(one: Rule, other: Rule) -> None:
    assert (one == other) == (encode_rule(one) == encode_rule(other))
    assert encode_rule(replace(one)) == encode_rule(one)


@given(rules())
def test_pyroute2_reads_a_rule_as_we_mean_it(rule: Rule) -> None:
    heard = pyroute2_reads(encode_rule(rule))
    assert heard == {
        "family": rule.family,
        "action": rule.action,
        "flags": 2 if rule.invert else 0,
        "src_len": rule.src.prefixlen if rule.src else 0,
        "dst_len": rule.dst.prefixlen if rule.dst else 0,
        "FRA_TABLE": rule.table,
        "FRA_SUPPRESS_PREFIXLEN": rule.suppress_prefixlength % 2**32,
        "FRA_PROTOCOL": rule.protocol,
        "FRA_PRIORITY": rule.priority,
        **({"FRA_SRC": str(rule.src.network_address)} if rule.src else {}),
        **({"FRA_DST": str(rule.dst.network_address)} if rule.dst else {}),
        **({"FRA_IIFNAME": rule.iif} if rule.iif else {}),
        **({"FRA_OIFNAME": rule.oif} if rule.oif else {}),
        **({"FRA_FWMARK": rule.mark} if rule.mark else {}),
        **({"FRA_FWMASK": rule.mask} if rule.mark or rule.mask else {}),
        **({"FRA_GOTO": rule.goto} if rule.goto else {}),
        **({"tos": rule.tos} if rule.tos else {}),
        **({"FRA_IP_PROTO": rule.ip_proto} if rule.ip_proto else {}),
        **({"FRA_SPORT_RANGE": colon(rule.sport)} if rule.sport else {}),
        **({"FRA_DPORT_RANGE": colon(rule.dport)} if rule.dport else {}),
        **({"FRA_UID_RANGE": colon(rule.uids)} if rule.uids else {}),
    }


def colon(ends: tuple[int, int]) -> str:
    """A range as pyroute2 has it."""
    return f"{ends[0]}:{ends[1]}"


@pytest.mark.usefixtures("nics")
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=rules())
def test_the_kernel_shows_a_rule_byte_for_byte_as_we_encode_it(rule: Rule) -> None:
    key = encode_rule(rule)
    added, gone = asyncio.run(seen_and_gone(rule))
    assert added.keys() == {key}
    assert added[key] == rule
    assert not gone


async def seen_and_gone(rule: Rule) -> tuple[dict[bytes, Rule], set[bytes]]:
    """What the kernel shows more with the rule than without, and what it still has after it."""
    memo, requests = RuleMemo(), Requests()
    try:
        before = memo.view(await requests.rules(rule.family)).keys()
        assert not await requests.execute([add_rule(rule, exclusive=True)])
        with_it = memo.view(await requests.rules(rule.family))
        assert not await requests.execute([delete_rule(rule)])
        after = memo.view(await requests.rules(rule.family)).keys()
        return {key: with_it[key] for key in with_it.keys() - before}, after - before
    finally:
        requests.close()


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            "ip_proto": 17,
            "sport": (1, 2),
            "dport": (3, 4),
            "uids": (0, 99),
            "tos": 0x10,
            "mark": 1,
            "mask": 3,
        },
    ],
    ids=["plain", "asking"],
)
def test_a_rule_of_ours_needs_no_decoding(more: dict[str, Any]) -> None:
    """The body in the dump is the key, on this kernel; elsewhere only speed would be lost."""
    plain = Rule(V4, 18601, table=TABLE, src=IPv4Network("192.0.2.5"), protocol=83)
    rule = replace(plain, **more)
    assert encode_rule(rule) in asyncio.run(dump_after([add_rule(rule, exclusive=True)], V4))


def test_a_detached_rule_keeps_its_key(ip: Ip, nics: dict[str, int]) -> None:
    rule = Rule(V4, 7, table=TABLE, oif="eth1", protocol=83)
    attached = asyncio.run(dump_after([add_rule(rule, exclusive=True)], V4))
    assert nics["eth1"]
    ip("link delete eth1")
    detached = asyncio.run(dump_after([], V4))
    memo = RuleMemo()
    assert set(attached) != set(detached)
    assert memo.view(attached).keys() == memo.view(detached).keys()
    assert encode_rule(rule) in memo.view(detached)


def test_the_first_rule_of_all_can_be_added_and_deleted(ip: Ip) -> None:
    rule = Rule(V4, 0, table=TABLE, src=IPv4Network("192.0.2.5"), protocol=83)
    assert encode_rule(rule) in asyncio.run(dump_after([add_rule(rule, exclusive=True)], V4))
    assert "0:\tfrom 192.0.2.5 lookup 18001" in ip("rule")
    assert encode_rule(rule) not in asyncio.run(dump_after([delete_rule(rule)], V4))


@pytest.mark.usefixtures("netns")
def test_a_rule_held_twice_is_a_duplicate() -> None:
    rule = Rule(V4, 7, table=TABLE, protocol=83)
    twice = asyncio.run(dump_after([add_rule(rule, exclusive=False)] * 3, V4))
    view = RuleMemo().view(twice)
    assert view.duplicates == (encode_rule(rule), encode_rule(rule))
    assert len(view) == len(twice) - 2


def test_a_body_in_another_order_is_known_by_its_canonical_key() -> None:
    rule = Rule(V4, 7, table=TABLE, src=IPv4Network("192.0.2.5"), protocol=83)
    canonical = encode_rule(rule)
    reordered = canonical[:12] + canonical[36:] + canonical[12:36]
    memo = RuleMemo()
    for _ in range(2):
        view = memo.view([reordered])
        assert view.keys() == {canonical}
        assert view[canonical] == rule


def test_what_is_expected_is_its_own_key_and_a_missing_one_is_a_key_error() -> None:
    rule = Rule(V6, 7, table=TABLE, protocol=83)
    key = encode_rule(rule)
    view = RuleMemo().view([key], expected={key})
    assert dict(view) == {key: rule}
    assert key in view
    with pytest.raises(KeyError):
        view[b"another"]


def test_bodies_of_another_family_are_no_part_of_a_view() -> None:
    body = bytes([128]) + encode_rule(Rule(V4, 7, table=TABLE))[1:]
    view = RuleMemo().view([body, body])
    assert (dict(view), view.duplicates) == ({}, ())


def test_a_memo_forgets_what_is_gone() -> None:
    memo = RuleMemo()
    for priority in range(1, 20000):
        memo.view([encode_rule(Rule(V4, priority, table=TABLE))])
    assert len(memo._keys) < 5000


def pyroute2_reads(body: bytes) -> dict[str, Any]:
    """Header fields and attributes as pyroute2 decodes them."""
    message = fibmsg(struct.pack("=IHHII", 16 + len(body), 0, 0, 0, 0) + body)
    message.decode()
    attributes = message["attrs"]
    unused = {"attrs", "header", "table", "res1", "res2"}
    heard = {name: value for name, value in message.items() if name not in unused}
    if not heard["tos"]:
        del heard["tos"]
    assert heard.keys().isdisjoint(dict(attributes))
    # libc spells some addresses otherwise than ipaddress does (::192.0.2.1).
    spelled = {
        name: str(ip_address(value)) if name in {"FRA_SRC", "FRA_DST"} else value
        for name, value in attributes
    }
    return heard | spelled
