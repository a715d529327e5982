"""Text of a metadata service into values: words, lists, addresses, prefixes, masks, MACs, JSON.

Clouds spell the same list as JSON, as ``[a,b]`` without quotes, with commas, with line ends, or
as one bare word, and one cloud's two endpoints need not agree. Everything here accepts all of
them, raises ``Malformed`` (and nothing else) for the rest, and never repeats more than a few
characters of it.
"""

import json
import re
from ipaddress import ip_address, ip_network

from srcroutd.core.net import IP, Network

MAX_ITEMS = 4096
"""Words in one list. More is not a list of addresses, whatever it is."""

_SEPARATORS = re.compile(r"[,\s]+")
_MAC = re.compile(r"[0-9a-f]{2}([:-]?)[0-9a-f]{2}(\1[0-9a-f]{2}){4}", re.ASCII)
_SHOWN = 40


class Malformed(ValueError):
    """A value that is not what it should be. The message is a clause for people."""


def one(value: object) -> str:
    """One plain word, "" where there is none.

    Raises Malformed for several words or another type.
    """
    found = several(value)
    if len(found) > 1:
        raise Malformed(f"expected one value, got {len(found)}")
    return found[0] if found else ""


def several(value: object) -> tuple[str, ...]:
    """The words of a list, however it is spelled, () for None or an empty one."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = _listed(value.strip())
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Malformed(f"{shown(value)} is neither a text nor a list of texts")
    if len(value) > MAX_ITEMS:
        raise Malformed(f"{len(value)} values in one list")
    return tuple(word for item in value if (word := item.strip(" \t\r\n\"'")))


def address(word: str) -> IP:
    """One address. A zone (``%eth0``) is refused: it means something to one host only."""
    try:
        if "%" not in word:
            return ip_address(word)
    except ValueError:
        pass
    raise Malformed(f"{shown(word)} is not an address")


def network(word: str) -> Network:
    """One prefix in CIDR spelling: host bits zero, its length a number."""
    try:
        if word.count("/") == 1 and word.rpartition("/")[2].isdecimal() and "%" not in word:
            return ip_network(word)
    except ValueError:
        pass
    raise Malformed(f"{shown(word)} is not a prefix")


def prefix_length(netmask: str) -> int:
    """Bits in a dotted netmask. One with holes, or a wildcard mask (0.0.0.255), is refused."""
    mask = address(netmask)
    if mask.version != 4:
        raise Malformed(f"{shown(netmask)} is not a dotted netmask")
    holes = ~int(mask) & 0xFFFFFFFF
    if holes & (holes + 1):
        raise Malformed(f"{shown(netmask)} is a netmask with holes")
    return 32 - holes.bit_length()


def mac(word: str) -> str:
    """A MAC as the rest of the program spells it: lower case, colons.

    Trailing slashes are dropped.
    """
    found = _MAC.fullmatch(word.strip().rstrip("/").lower())
    if not found:
        raise Malformed(f"{shown(word)} is not a MAC")
    digits = re.sub("[:-]", "", found.group())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def tree(text: str) -> dict[str, object]:
    """A JSON object. Depth and digits beyond what Python will parse are Malformed too."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise Malformed("not a JSON object")
    return found


def shown(value: object) -> str:
    """A value for a sentence: quoted, ASCII, short."""
    text = value if isinstance(value, str) else type(value).__name__
    quoted = ascii(text[:_SHOWN])
    return quoted if len(text) <= _SHOWN >= len(quoted) - 2 else f"{quoted[:_SHOWN]}..."


def _listed(text: str) -> object:
    """What a text that may spell a list means: a JSON value, or the words between brackets."""
    if not text.startswith("["):
        return _SEPARATORS.split(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # [2408::1,2408::2]: the cloud's own spelling, not JSON. Without its end it was cut.
        if not text.endswith("]") or "[" in text[1:]:
            raise Malformed(f"{shown(text)} is not a list") from None
        return _SEPARATORS.split(text[1:-1])
