"""The keys of one ENI, as Alibaba Cloud ECS answers them, into an ``Eni`` or why not yet.

The promise: nothing is raised, whatever the text, and no ``Eni`` leaves here that
``core.refusals.refusals`` objects to. The two families are judged apart: half an IPv6 record does
not hold back a complete IPv4 one. Where an ``Eni`` comes with a reason, the family that is None
is not absent, it could not be learnt. Formats: the vendor's page "Instance metadata" and its own
SDK's tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TypeVar

from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.net import IP, Family, Network
from srcroutd.core.refusals import refusals
from srcroutd.providers import parse
from srcroutd.providers.parse import Malformed

T = TypeVar("T")
V = TypeVar("V")

ID = "network-interface-id"
KEYS = (
    ID,
    "primary-ip-address",
    "private-ipv4s",
    "vswitch-cidr-block",
    "netmask",
    "gateway",
    "ipv4-prefixes",
    "ipv6s",
    "vswitch-ipv6-cidr-block",
    "ipv6-gateway",
    "ipv6-prefixes",
)
"""What is asked about each ENI, in this order: the first one that is missing can end the asking."""

Keys = Mapping[str, object]
"""The answers by key: text, or a list where a JSON answer has one.

A key that is 404 is not in it.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What the keys amount to. ``reasons`` are clauses for people; an ``eni`` is safe to use."""

    eni: Eni | None
    reasons: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """All reasons in one sentence, "" where there are none."""
        return "; ".join(self.reasons)


def record(mac: str, keys: Keys) -> Record:
    """Judge the keys of the ENI with this MAC (lower case, colons)."""
    try:
        ident = _required(keys, ID)
    except Malformed as error:
        return Record(None, (str(error),))
    found: dict[Family, Addressing] = {}
    reasons: list[str] = []
    for family, read in _READERS.items():
        try:
            half = read(keys)
        except Malformed as error:
            reasons.append(str(error))
            continue
        if half is None:
            continue
        objections = refusals(_eni(ident, mac, {family: half}))
        reasons += objections
        if not objections:
            found[family] = half
    if found:
        return Record(_eni(ident, mac, found), tuple(reasons))
    # What is wrong with the id or the MAC was said once for each family.
    return Record(None, tuple(dict.fromkeys(reasons)) or ("it has no address yet",))


def _eni(ident: str, mac: str, halves: Mapping[Family, Addressing]) -> Eni:
    return Eni(id=ident, mac=mac, v4=halves.get(Family.V4), v6=halves.get(Family.V6))


def _v4(keys: Keys) -> Addressing | None:
    """IPv4 of an ENI, None where nothing at all speaks of it (an ENI with IPv6 only)."""
    told = [key for key in ("primary-ip-address", "private-ipv4s", "gateway") if keys.get(key)]
    if not told:
        return None
    primary = _parsed(keys, "primary-ip-address", parse.address)
    subnet = _subnet(keys, primary)
    gateway = _parsed(keys, "gateway", parse.address)
    addresses: tuple[IP, ...] = (primary,)
    if keys.get("private-ipv4s") is not None:
        listed = _all(keys, "private-ipv4s", parse.address)
        if not listed:
            # Another tool strips the NIC here; an ENI cannot lose its primary address.
            raise Malformed(f"private-ipv4s is empty although primary-ip-address is {primary}")
        addresses = _first(primary, listed)
    return Addressing(addresses, subnet, gateway, _all(keys, "ipv4-prefixes", parse.network))


def _v6(keys: Keys) -> Addressing | None:
    """IPv6 of an ENI, None where it has none: then the cloud answers 404 for ``ipv6s``."""
    addresses = _all(keys, "ipv6s", parse.address)
    prefixes = _all(keys, "ipv6-prefixes", parse.network)
    if not addresses and not prefixes:
        if keys.get("ipv6s") is not None and keys.get("ipv6-gateway"):
            raise Malformed("ipv6s is empty although ipv6-gateway is there")
        return None
    subnet = _parsed(keys, "vswitch-ipv6-cidr-block", parse.network)
    return Addressing(addresses, subnet, _parsed(keys, "ipv6-gateway", parse.address), prefixes)


_READERS: dict[Family, Callable[[Keys], Addressing | None]] = {Family.V4: _v4, Family.V6: _v6}


def _subnet(keys: Keys, primary: IP) -> Network:
    """The IPv4 subnet, from the vSwitch's CIDR or the netmask; both must agree if given."""
    mask = _word(keys, "netmask")
    by_mask: Network | None = None
    if mask:
        length = _named("netmask", mask, parse.prefix_length)
        try:
            by_mask = IPv4Interface(f"{primary}/{length}").network
        except ValueError:
            raise Malformed(f"primary-ip-address {primary} is not IPv4") from None
    if not _word(keys, "vswitch-cidr-block") and by_mask:
        return by_mask
    by_cidr = _parsed(keys, "vswitch-cidr-block", parse.network)
    if by_mask and by_cidr.prefixlen != by_mask.prefixlen:
        raise Malformed(f"netmask {mask} and vswitch-cidr-block {by_cidr} contradict each other")
    return by_cidr


def _first(primary: IP, listed: tuple[IP, ...]) -> tuple[IP, ...]:
    """The list with the primary in front: the service need not list it first, nor at all."""
    at = listed.index(primary) if primary in listed else None
    return (primary, *(ip for index, ip in enumerate(listed) if index != at))


def _required(keys: Keys, key: str) -> str:
    word = _word(keys, key)
    if not word:
        raise Malformed(f"{key} is not there yet")
    return word


def _word(keys: Keys, key: str) -> str:
    return _named(key, keys.get(key), parse.one)


def _parsed(keys: Keys, key: str, read: Callable[[str], T]) -> T:
    return _named(key, _required(keys, key), read)


def _all(keys: Keys, key: str, read: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(_named(key, word, read) for word in _named(key, keys.get(key), parse.several))


def _named(key: str, value: V, read: Callable[[V], T]) -> T:
    """Read a value so that a complaint names its key."""
    try:
        return read(value)
    except Malformed as error:
        raise Malformed(f"{key}: {error}") from None
