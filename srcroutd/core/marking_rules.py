"""A marking as chains and rules of nftables, each part in both of its languages: the JSON of
libnftables-json(5) for the kernel, and the words of nft(8) for people.

    prerouting  what comes in by a marked NIC and began there puts the NIC's mark on its connection;
                every other packet of a marked connection gets the mark, which leads it back
    rewritten   where rp_filter is strict: what came in for a container gets the mark too, for the
                kernel asks whether the container's address would leave by this NIC
    output      answers of the host itself get the mark if they are about to leave by another NIC

Promise: only the bits of the mask are written, and the packet's own only where they are all zero. A
packet without a connection (notrack) matches nothing here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from srcroutd.core.marking import MARK_BITS, MarkedNic, Marking

Json = dict[str, Any]

AFTER_MANGLE = -149
"""Behind everybody's mangle (-150): whoever sets whole marks there would wipe ours."""
BEFORE_ROUTING = 50
"""nft's ``security``: behind dstnat (-100), wherever exactly destinations are rewritten."""


@dataclass(frozen=True, slots=True)
class Part:
    """One condition or action, in JSON and in words that say the same."""

    json: Json
    words: str


@dataclass(frozen=True, slots=True)
class TableRule:
    """Conditions and actions in order, and what they are for."""

    parts: tuple[Part, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain: where packets meet it (``priority_words`` is ``priority`` as nft says it)."""

    name: str
    type: str
    hook: str
    priority: int
    priority_words: str
    rules: tuple[TableRule, ...]


def chains(marking: Marking) -> tuple[Chain, ...]:
    """All chains, in an order that reads as a packet goes."""
    found = [
        Chain(
            "prerouting", "filter", "prerouting", AFTER_MANGLE, "mangle + 1",
            tuple(_prerouting(marking)),
        )
    ]  # fmt: skip
    if rewritten := tuple(_rewritten(marking, nic) for nic in marking.nics if nic.strict):
        found.append(
            Chain("rewritten", "filter", "prerouting", BEFORE_ROUTING, "security", rewritten)
        )
    # Only a chain of type route makes the kernel look for a route again once the mark is set.
    output = (_unmarked(marking), *(_output(marking, nic) for nic in marking.nics))
    found.append(Chain("output", "route", "output", AFTER_MANGLE, "mangle + 1", output))
    return tuple(found)


def _prerouting(marking: Marking) -> Iterator[TableRule]:
    for nic in marking.nics:
        began = (_device("iifname", "==", nic.device), _direction("original"))
        # Without this test each packet would write the connection's mark, and might take back
        # what another processor writes to its other bits at the same moment.
        marked = _mark_is("ct", "==", marking, marking.mask.value(nic.seat))
        yield TableRule((*began, marked, _ACCEPT), f"began at {nic.device}, marked")
        yield TableRule((*began, _set_mark("ct", marking, nic), _ACCEPT), f"began at {nic.device}")
    yield _unmarked(marking)
    for nic in marking.nics:
        # Also what a helper expects, as FTP's second connection: it begins at the other end and
        # inherits the mark.
        yield TableRule(_give_back(marking, nic), f"goes back by {nic.device}")


def _unmarked(marking: Marking) -> TableRule:
    """Lets most packets off with one comparison, however many NICs there are."""
    return TableRule((_mark_is("ct", "==", marking, 0), _ACCEPT), "began elsewhere")


def _rewritten(marking: Marking, nic: MarkedNic) -> TableRule:
    parts = (
        _match("==", {"meta": {"key": "nfproto"}}, "ipv4", "meta nfproto ipv4"),
        _device("iifname", "==", nic.device),
        _direction("original"),
        _match("in", {"ct": {"key": "status"}}, "dnat", "ct status dnat"),
        _mark_is("meta", "==", marking, 0),
        _set_mark("meta", marking, nic),
    )
    return TableRule(parts, f"for containers, strict rp_filter of {nic.device}")


def _output(marking: Marking, nic: MarkedNic) -> TableRule:
    # What a source rule has sent the right way needs no second look-up: each answer would pay for
    # another walk through the rules.
    parts = (_device("oifname", "!=", nic.device), _direction("reply"), *_give_back(marking, nic))
    return TableRule(parts, f"answers, back by {nic.device}")


def _give_back(marking: Marking, nic: MarkedNic) -> tuple[Part, ...]:
    return (
        _mark_is("ct", "==", marking, marking.mask.value(nic.seat)),
        # Whoever has marked the packet already knows more about it than we do.
        _mark_is("meta", "==", marking, 0),
        _set_mark("meta", marking, nic),
    )


_ACCEPT = Part({"accept": None}, "accept")
"""Leaves this chain only: other tables' chains see the packet all the same."""


def _device(key: str, op: str, name: str) -> Part:
    # By name, not by index: the table may be put before the NIC is there.
    sign = "" if op == "==" else f"{op} "
    return _match(op, {"meta": {"key": key}}, name, f'{key} {sign}"{name}"')


def _direction(direction: str) -> Part:
    return _match("==", {"ct": {"key": "direction"}}, direction, f"ct direction {direction}")


def _mark_is(of: str, op: str, marking: Marking, value: int) -> Part:
    """``of`` is "ct" for the connection's mark, "meta" for the packet's."""
    mark = {of: {"key": "mark"}}
    words = f"{of} mark & {marking.mask} {op} {value:#010x}"
    return _match(op, {"&": [mark, marking.mask.bits]}, value, words)


def _set_mark(of: str, marking: Marking, nic: MarkedNic) -> Part:
    mark = {of: {"key": "mark"}}
    value = marking.mask.value(nic.seat)
    kept = marking.mask.others | value
    old: Json = mark if kept == MARK_BITS else {"&": [mark, kept]}
    words = f"{of} mark set {of} mark & {marking.mask.others:#010x} | {value:#010x}"
    return Part({"mangle": {"key": mark, "value": {"|": [old, value]}}}, words)


def _match(op: str, left: Json, right: str | int, words: str) -> Part:
    return Part({"match": {"op": op, "left": left, "right": right}}, words)
