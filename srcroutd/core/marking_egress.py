"""Rewritten sources as chains and rules of nftables.

    egress     the first packet of a connection that an entry means puts the entry's mark on the
               connection; what of such a connection is about to leave by another NIC gets the mark
               itself, which leads it to the right one
    forwarded  the same for what comes in from containers
    answers    what comes back gets the mark, for a strict rp_filter: once the rewriting is undone
               it bears the address that the program had bound
    source     the first packet of a marked connection gets its source as it leaves by the right NIC

Promise: a connection that began before its entry did is never touched, nor is an answer to somebody
else's connection, nor what bears a mark of somebody else within our mask.
"""

from collections.abc import Iterator

from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.core.marking import MARK_BITS, Marking, Mask
from srcroutd.core.marking_parts import (
    ACCEPT,
    Chain,
    Part,
    TableRule,
    device,
    direction,
    mark_is,
    match,
    set_mark,
)
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import Family, Network, span

_OF_ONE_FAMILY = frozenset((1, 58))
"""ICMP and ICMPv6."""
BEHIND_CONNMARK = -148
BEFORE_ROUTING = 50
"""nft's ``security``: behind dstnat (-100), so that the destination is the one that counts."""
BEFORE_MASQUERADE = 99
"""Before everybody's srcnat (100): the first to rewrite a connection is the only one."""


def snat_chains(marking: Marking) -> tuple[Chain, ...]:
    """The chains for all rewritten sources; none where there are none."""
    snats, mask = marking.snats, marking.mask
    if not snats:
        return ()
    found = [
        # Only a chain of type route makes the kernel look for a route again once the mark is set.
        Chain(
            "egress", "route", "output", BEHIND_CONNMARK, "mangle + 2", tuple(_egress(snats, mask))
        )
    ]
    if any(snat.outer for snat in snats):
        rules = tuple(_forwarded([snat for snat in snats if snat.outer], mask))
        found.append(Chain("forwarded", "filter", "prerouting", BEFORE_ROUTING, "security", rules))
    if answers := tuple(_answer(snat, mask) for snat in snats if snat.family is Family.V4):
        found.append(
            Chain("answers", "filter", "prerouting", BEHIND_CONNMARK, "mangle + 2", answers)
        )
    sources = tuple(_source(snat, mask) for snat in snats)
    found.append(Chain("source", "nat", "postrouting", BEFORE_MASQUERADE, "srcnat - 1", sources))
    return tuple(found)


def _egress(snats: tuple[Snat, ...], mask: Mask) -> Iterator[TableRule]:
    yield _in_the_midst()
    for snat in snats:
        here = device("oifname", "!=", "lo")
        for selectors in _selectors(snat):
            yield _begins(snat, mask, (here, *selectors, *_users(snat)))
    for snat in snats:
        # What is about to leave by the right NIC needs no second look-up.
        elsewhere = device("oifname", "!=", snat.device)
        parts = (elsewhere, direction("original"), *_take(snat, mask))
        yield TableRule(parts, f"leaves by {snat.device}")


def _forwarded(snats: list[Snat], mask: Mask) -> Iterator[TableRule]:
    yield _in_the_midst()
    for snat in snats:
        inside = tuple(device("iifname", "!=", name) for name in snat.outer)
        for selectors in _selectors(snat):
            yield _begins(snat, mask, (*inside, *selectors))
    for snat in snats:
        inside = tuple(device("iifname", "!=", name) for name in snat.outer)
        parts = (*inside, direction("original"), *_take(snat, mask))
        yield TableRule(parts, f"from containers, leaves by {snat.device}")


_FIRST = match(
    "==", {"&": [{"ct": {"key": "status"}}, "confirmed"]}, 0, "ct status & confirmed == 0"
)
"""The first packet that is seen of a connection: nothing has confirmed it yet. Its direction is the
original one, whoever began.
"""


def _in_the_midst() -> TableRule:
    """Where nobody tracked connections before, the first packet that is seen of one may be any, and
    the administrator's own session an answer of ours: TCP says what begins.
    """
    flags = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["syn", "ack"]}]}
    no_beginning = match("!=", flags, "syn", "tcp flags & (syn | ack) != syn")
    return TableRule((_FIRST, no_beginning, ACCEPT), "in the midst of a connection")


def _begins(snat: Snat, mask: Mask, conditions: tuple[Part, ...]) -> TableRule:
    unmarked = mark_is("ct", "==", mask, 0)
    value = set_mark("ct", mask, mask.value(snat.number))
    parts = (_FIRST, *conditions, unmarked, value)
    return TableRule(parts, f"begins, {snat.source} is its source")


def _selectors(snat: Snat) -> Iterator[tuple[Part, ...]]:
    """What the entry asks for, once for each destination: a set of nftables has no one spelling.

    Not whether the source is another one: what has the right one is held against a masquerade that
    stands behind us.
    """
    for prefix in snat.to:
        yield (_to(prefix), *_transport(snat), *_marked(snat))
    if not snat.to:
        yield (*_family(snat), *_transport(snat), *_marked(snat))


def _family(snat: Snat) -> Iterator[Part]:
    # nft does not list what the protocol says already.
    if snat.ip_proto not in _OF_ONE_FAMILY:
        word = "ipv4" if snat.family is Family.V4 else "ipv6"
        yield match("==", {"meta": {"key": "nfproto"}}, word, f"meta nfproto {word}")


def _to(prefix: Network) -> Part:
    protocol, address = "ip" if prefix.version == 4 else "ip6", str(prefix.network_address)
    whole = prefix.prefixlen == prefix.max_prefixlen
    right = address if whole else {"prefix": {"addr": address, "len": prefix.prefixlen}}
    left = {"payload": {"protocol": protocol, "field": "daddr"}}
    return match("==", left, right, f"{protocol} daddr {address if whole else prefix}")


def _transport(snat: Snat) -> Iterator[Part]:
    if snat.port:
        name = IP_PROTOCOLS[snat.ip_proto]
        left = {"payload": {"protocol": name, "field": "dport"}}
        yield match("==", left, _range(snat.port), f"{name} dport {span(snat.port)}")
    elif snat.ip_proto:
        left = {"meta": {"key": "l4proto"}}
        yield match("==", left, snat.ip_proto, f"meta l4proto {snat.ip_proto}")


def _marked(snat: Snat) -> Iterator[Part]:
    if snat.mask == MARK_BITS:
        mark = {"meta": {"key": "mark"}}
        yield match("==", mark, snat.mark, f"meta mark {snat.mark:#010x}")
    elif snat.mask:
        left = {"&": [{"meta": {"key": "mark"}}, snat.mask]}
        words = f"meta mark & {snat.mask:#010x} == {snat.mark:#010x}"
        yield match("==", left, snat.mark, words)


def _users(snat: Snat) -> Iterator[Part]:
    if snat.uids:
        left = {"meta": {"key": "skuid"}}
        yield match("==", left, _range(snat.uids), f"meta skuid {span(snat.uids)}")


def _range(ends: tuple[int, int]) -> int | dict[str, list[int]]:
    first, last = ends
    return first if first == last else {"range": [first, last]}


def _take(snat: Snat, mask: Mask) -> tuple[Part, ...]:
    value = mask.value(snat.number)
    return (
        mark_is("ct", "==", mask, value),
        # Whoever has marked the packet already knows more about it than we do.
        mark_is("meta", "==", mask, 0),
        set_mark("meta", mask, value),
    )


def _answer(snat: Snat, mask: Mask) -> TableRule:
    parts = (device("iifname", "==", snat.device), direction("reply"), *_take(snat, mask))
    return TableRule(parts, f"answers by {snat.device}, strict rp_filter")


def _source(snat: Snat, mask: Mask) -> TableRule:
    family = "ip" if snat.family is Family.V4 else "ip6"
    action = {"snat": {"family": family, "addr": str(snat.source)}}
    parts = (
        device("oifname", "==", snat.device),
        mark_is("ct", "==", mask, mask.value(snat.number)),
        Part(action, f"snat {family} to {snat.source}"),
    )
    return TableRule(parts, f"{snat.source} by {snat.device}")
