"""From a listing of our table back to the rewritten sources that it holds: what the kernel does,
not what it should do.

Promise: the inverse of ``marking_egress`` for whatever that makes; a rule that it cannot read is
left out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.core.marking import MARK_BITS, Mask
from srcroutd.core.marking_listing import Listing
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import Family, Network

_NUMBERS = {name: number for number, name in IP_PROTOCOLS.items()}
_FAMILIES = {"ip": Family.V4, "ipv4": Family.V4, "ip6": Family.V6, "ipv6": Family.V6}


@dataclass(frozen=True, slots=True)
class _Began:
    """A rule that marks a connection as it begins."""

    value: int = 0
    family: Family | None = None
    to: Network | None = None
    ip_proto: int = 0
    port: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    mark: int = 0
    mask: int = 0
    outer: tuple[str, ...] = ()


def read_snats(listing: Listing) -> tuple[Mask, tuple[Snat, ...]]:
    """The mask and the rewritten sources of a table, in its order; none if it holds none."""
    rules = {chain: [_read(text) for text in texts] for chain, texts in listing.rules}
    began = [one for one in map(_began, rules.get("egress", ())) if one]
    contained = [one for one in map(_began, rules.get("forwarded", ())) if one]
    mask, found = Mask(), []
    for parts in rules.get("source", ()):
        try:
            mask, snat = _source(parts)
        except (KeyError, TypeError, ValueError):
            continue
        found.append(_whole(snat, mask, began, contained))
    return mask, tuple(found)


def _read(text: str) -> list[Any]:
    parts: list[Any] = json.loads(text)["expr"]
    return parts


def _source(parts: list[Any]) -> tuple[Mask, Snat]:
    """A rule of the chain ``source``: NIC, mark and new source."""
    device, marked, action = parts
    mask = Mask(marked["match"]["left"]["&"][1])
    shift = mask.value(1)
    number = marked["match"]["right"] // shift
    address = ip_address(action["snat"]["addr"])
    return mask, Snat(number, device["match"]["right"], address)


def _whole(snat: Snat, mask: Mask, began: list[_Began], contained: list[_Began]) -> Snat:
    """With what its connections have to ask for."""

    def mine(one: _Began) -> bool:
        return one.value == mask.value(snat.number) and one.family in {None, snat.family}

    asked = [one for one in began if mine(one)]
    if not asked:
        return snat
    first = asked[0]
    return replace(
        snat,
        to=tuple(one.to for one in asked if one.to is not None),
        ip_proto=first.ip_proto,
        port=first.port,
        uids=first.uids,
        mark=first.mark,
        mask=first.mask,
        outer=next((one.outer for one in contained if mine(one)), ()),
    )


def _began(parts: list[Any]) -> _Began | None:
    written = [part["mangle"] for part in parts if "mangle" in part]
    if len(written) != 1 or written[0]["key"] != {"ct": {"key": "mark"}}:
        return None
    found = _Began(written[0]["value"])
    for part in parts:
        for changes in _changes(part.get("match", {}), found):
            found = replace(found, **changes)
    return found


def _changes(match: Mapping[str, Any], found: _Began) -> Iterator[dict[str, Any]]:
    """What one condition says of the connections."""
    match dict(match):
        case {"left": {"meta": {"key": "nfproto"}}, "right": str(word)}:
            yield {"family": _FAMILIES[word]}
        case {"left": {"payload": {"field": "daddr"}}, "right": right}:
            prefix = _network(right)
            yield {"to": prefix, "family": Family.of(prefix)}
        case {"left": {"payload": {"protocol": name, "field": "dport"}}, "right": right}:
            yield {"ip_proto": _NUMBERS[name], "port": _range(right)}
        case {"left": {"meta": {"key": "l4proto"}}, "right": int(number)}:
            yield {"ip_proto": number, **_of_protocol(number)}
        case {"left": {"meta": {"key": "skuid"}}, "right": right}:
            yield {"uids": _range(right)}
        case {"left": {"meta": {"key": "mark"}}, "right": int(mark)}:
            yield {"mark": mark, "mask": MARK_BITS}
        case {"left": {"&": [{"meta": {"key": "mark"}}, int(mask)]}, "right": int(mark)}:
            yield {"mark": mark, "mask": mask}
        case {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": str(name)}:
            yield {"outer": (*found.outer, name)}


def _of_protocol(number: int) -> dict[str, Family]:
    family = {1: Family.V4, 58: Family.V6}.get(number)
    return {"family": family} if family else {}


def _network(right: Any) -> Network:
    if isinstance(right, str):
        return ip_network(right)
    return ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}")


def _range(right: Any) -> tuple[int, int]:
    first, last = right["range"] if isinstance(right, dict) else (right, right)
    return int(first), int(last)
