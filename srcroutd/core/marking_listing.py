"""What nft lists of a table, made comparable: an untouched table equals what was put, after a
restart too.

Left out is what the kernel gives out (handles) and what says nothing about the table (metainfo);
chains may come in any order, the rules of a chain may not. Two spellings of one mask are made one.
Other versions of nft may spell more things differently: ``Listing.shape`` tells a table that was
just put from another one all the same.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.core.marking import MARK_BITS, Marking
from srcroutd.core.marking_egress import BEFORE_MASQUERADE, BEHIND_CONNMARK
from srcroutd.core.marking_nft import FAMILY, TABLE, things
from srcroutd.core.marking_parts import Json
from srcroutd.core.marking_rules import AFTER_MANGLE

_OURS = frozenset(
    {
        ("prerouting", "filter", "prerouting", AFTER_MANGLE),
        ("output", "route", "output", AFTER_MANGLE),
        ("egress", "route", "output", BEHIND_CONNMARK),
        ("source", "nat", "postrouting", BEFORE_MASQUERADE),
    }
)
"""The chains by which a table is known to be ours: their names alone could be anybody's.

nft 1.0.6 does not tell a table's comment in JSON, and rules may be flushed away; a later version of
srcroutd keeps at least one of these.
"""
_MARKS = ({"ct": {"key": "mark"}}, {"meta": {"key": "mark"}})
_ACCIDENTAL = frozenset({"handle", "index"})


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as canonical texts: what is no rule, sorted; and each chain's rules, in order."""

    objects: tuple[str, ...]
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    foreign: bool = False
    """It bears our name, and none of its chains is ours."""

    @property
    def shape(self) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
        """What no version of nft spells differently: the names of what there is, and how many rules
        each chain has.
        """
        names = tuple(sorted(_words(json.loads(thing)) for thing in self.objects))
        return names, tuple((chain, len(rules)) for chain, rules in self.rules)


def expected(marking: Marking) -> Listing:
    """What the table of a marking is listed as."""
    return _listing(things(marking))


def read_listing(answer: bytes) -> Listing:
    """What ``nft -j list table`` answered. Raises ValueError for anything else."""
    try:
        told = json.loads(answer)["nftables"]
        found = [thing for thing in told if "metainfo" not in thing]
        listing = _listing(found)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no listing of nftables ({type(error).__name__}: {error})") from error
    return listing


def difference(wanted: Listing, found: Listing) -> tuple[str, ...]:
    """What is missing from the table (``-``) or too much in it (``+``), a line each; empty if
    nothing is.
    """
    if wanted.objects == found.objects and wanted.rules == found.rules:
        return ()
    want, have = _things(wanted), _things(found)
    lines = [f"- {_line(*thing)}" for thing in (want - have).elements()]
    lines += [f"+ {_line(*thing)}" for thing in (have - want).elements()]
    return tuple(sorted(lines)) or ("the rules stand in another order",)


def _listing(found: list[Json]) -> Listing:
    objects: list[str] = []
    rules: dict[str, list[str]] = {}
    chains: list[tuple[object, ...]] = []
    for thing in found:
        ((kind, body),) = thing.items()
        body = {key: value for key, value in body.items() if key not in _ACCIDENTAL}
        if kind == "rule":
            body["expr"] = [_canonical(part) for part in body["expr"]]
            rules.setdefault(body.pop("chain"), []).append(_text(body))
            continue
        if kind == "chain":
            chains.append((body["name"], body.get("type"), body.get("hook"), body.get("prio")))
            rules.setdefault(body["name"], [])
        objects.append(_text({kind: body}))
    return Listing(
        tuple(sorted(objects)),
        tuple((chain, tuple(lines)) for chain, lines in sorted(rules.items())),
        foreign=bool(objects[1:]) and _OURS.isdisjoint(chains),
    )


def _canonical(part: Any) -> Any:
    """One spelling for each way to write the bits of a mark."""
    match part:
        case {"mangle": {"key": key, "value": {"|": [{"&": [old, int(kept)]}, int(value)]}}}:
            return _written(key, old, kept & ~value, value)
        case {"mangle": {"key": key, "value": {"|": [old, int(value)]}}}:
            return _written(key, old, MARK_BITS & ~value, value)
        case {
            "match": {"op": op, "left": left, "right": {"prefix": {"addr": addr, "len": length}}}
        }:
            # So nft lists a mask that begins at the highest bit.
            if left in _MARKS and isinstance(addr, int) and isinstance(length, int):
                bits = MARK_BITS & ~(MARK_BITS >> length)
                return {"match": {"op": op, "left": {"&": [left, bits]}, "right": addr}}
        case {"match": {"op": op, "left": {"&": [left, {"|": [*flags]}]}, "right": right}}:
            return {"match": {"op": op, "left": {"&": [left, flags]}, "right": right}}
        case {"match": {"op": "!", "left": left, "right": str(flag)}}:
            # So 1.0.6 lists a flag that is not set.
            return {"match": {"op": "==", "left": {"&": [left, flag]}, "right": 0}}
        case {
            "match": {"op": op, "left": {"meta": {"key": "l4proto"}} as left, "right": str(name)}
        }:
            number = next((key for key, word in IP_PROTOCOLS.items() if word == name), name)
            return {"match": {"op": op, "left": left, "right": number}}
    return part


def _written(key: Any, old: Any, kept: int, value: int) -> Json:
    return {"mangle": {"key": key, "old": old, "kept": kept, "value": value}}


def _text(thing: Json) -> str:
    return json.dumps(thing, sort_keys=True, separators=(",", ":"))


def _things(listing: Listing) -> Counter[tuple[str, str]]:
    """Every object, and every rule with its chain; an object's chain is empty."""
    found = Counter(("", thing) for thing in listing.objects)
    found.update((chain, rule) for chain, rules in listing.rules for rule in rules)
    return found


def _line(chain: str, thing: str) -> str:
    """An object or a rule in a few words."""
    body = json.loads(thing)
    if not chain:
        return _words(body)
    return f"rule of {chain}: {body.get('comment') or _text({'expr': body['expr']})}"


def _words(thing: Json) -> str:
    ((kind, body),) = thing.items()
    if kind == "table":
        told = f"table {FAMILY} {TABLE}"
        return f"{told} with flags" if "flags" in body else told
    return f"{kind} {body.get('name', _text(body))}"
