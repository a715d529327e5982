"""What rules of nftables are made of, each part in both of its languages: the JSON of
libnftables-json(5) for the kernel, and the words of nft(8) for people.

Promise: only the bits of the mask are written.
"""

from dataclasses import dataclass
from typing import Any

from srcroutd.core.marking import MARK_BITS, Mask

Json = dict[str, Any]


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


ACCEPT = Part({"accept": None}, "accept")
"""Leaves this chain only: other tables' chains see the packet all the same."""


def match(op: str, left: Json, right: Json | str | int, words: str) -> Part:
    """A condition; ``words`` say all of it."""
    return Part({"match": {"op": op, "left": left, "right": right}}, words)


def device(key: str, op: str, name: str) -> Part:
    """The NIC that a packet came in by (``iifname``) or is about to leave by (``oifname``).

    By name, not by index: the table may be put before the NIC is there.
    """
    sign = "" if op == "==" else f"{op} "
    return match(op, {"meta": {"key": key}}, name, f'{key} {sign}"{name}"')


def direction(which: str) -> Part:
    """Whether a packet goes the way of its connection's first one (``original``) or back
    (``reply``).
    """
    return match("==", {"ct": {"key": "direction"}}, which, f"ct direction {which}")


def mark_is(of: str, op: str, mask: Mask, value: int) -> Part:
    """``of`` is "ct" for the connection's mark, "meta" for the packet's."""
    mark = {of: {"key": "mark"}}
    words = f"{of} mark & {mask} {op} {value:#010x}"
    return match(op, {"&": [mark, mask.bits]}, value, words)


def set_mark(of: str, mask: Mask, value: int) -> Part:
    """Write the bits of the mask, and no other."""
    mark = {of: {"key": "mark"}}
    kept = mask.others | value
    old: Json = mark if kept == MARK_BITS else {"&": [mark, kept]}
    words = f"{of} mark set {of} mark & {mask.others:#010x} | {value:#010x}"
    return Part({"mangle": {"key": mark, "value": {"|": [old, value]}}}, words)
