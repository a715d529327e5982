"""Why a record must not be used: what is wrong, where, and what would make it right.

A refused record changes nothing: what was known before stays (promise 2). ``refusals`` judges one
ENI by itself, ``clashes`` judges ENIs against each other. Both only look at values; whether the
kernel agrees is another question.

Bounds and their reasons. A subnet or delegated prefix must have 8 to 32 bits in IPv4 and 16 to 128
in IPv6: /31 (RFC 3021) and host prefixes (clouds with an off-link gateway) are in real use, while
anything wider than that would swallow other people's networks. A gateway outside the subnet is
fine: it becomes ``onlink``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import pairwise
from typing import NamedTuple

from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.net import IP, Family, Network

MAX_ADDRESSES = 1024
"""Addresses, and as many prefixes, of one family of one ENI: only garbage has more."""

SHORTEST = {Family.V4: 8, Family.V6: 16}
"""The least number of bits in a subnet or delegated prefix."""

METADATA_SERVICES: frozenset[IP] = frozenset(
    map(ip_address, ("100.100.100.200", "169.254.169.254", "fd00:100::100:200", "fd00:ec2::254"))
)
"""Where clouds answer for metadata: never an instance's own, never to be routed as its subnet."""

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_SHOWN = 3


def refusals(eni: Eni) -> tuple[str, ...]:
    """Sentences that say why this record must not be used, () if it may: id, MAC, v4, v6."""
    found = _identity(eni)
    halves = [(family, half) for family in Family if (half := eni.addressing(family)) is not None]
    if not halves:
        found.append(f"{eni.id or eni.mac} has neither IPv4 nor IPv6; wait for its addresses")
    for family, half in halves:
        foreign = [thing for thing in _everything(half) if Family.of(thing) is not family]
        if foreign:
            found.append(
                f"{foreign[0]} stands among the {family.name} facts; each family needs its own"
            )
        elif max(len(half.addresses), len(half.prefixes)) > MAX_ADDRESSES:
            found.append(
                f"more than {MAX_ADDRESSES} {family.name} addresses or prefixes; that is no ENI"
            )
        else:
            found += _half(half)
    return tuple(found)


def clashes(enis: Iterable[Eni]) -> dict[str, str]:
    """By MAC, why an ENI contradicts another one. Every ENI involved is named; {} if all agree.

    Two records may not share an id or a MAC, and an address or delegated prefix belongs to one ENI
    only. Which of them is right cannot be told from here, so none is used.
    """
    records = sorted(enis, key=lambda eni: (eni.mac, eni.id))
    why: dict[str, str] = {}
    owners: dict[str, str] = {}
    macs: set[str] = set()
    for eni in records:
        if eni.mac in macs:
            why.setdefault(eni.mac, f"{eni.mac} is listed twice; one MAC is one ENI")
        macs.add(eni.mac)
        other = owners.setdefault(eni.id, eni.mac)
        if other != eni.mac:
            _blame(why, f"{eni.id} is used", other, eni.mac)
    for outer, inner in _shared_claims(records):
        _blame(why, f"{inner} is claimed", outer.mac, inner.mac)
    return dict(sorted(why.items()))


def _identity(eni: Eni) -> list[str]:
    found = []
    if not _ID.fullmatch(eni.id):
        found.append(f"{eni.id[:40]!a} is not an ENI id; expected letters, digits and . _ : @ -")
    if not _MAC.fullmatch(eni.mac):
        found.append(f"{eni.mac[:40]!a} is not a MAC; expected six lower-case octets with colons")
    elif eni.mac == "00:00:00:00:00:00" or int(eni.mac[:2], 16) & 1:
        found.append(f"{eni.mac} is not the MAC of one NIC; expected a unicast address")
    return found


def _everything(half: Addressing) -> Iterable[IP | Network]:
    yield from half.addresses
    yield from half.prefixes
    yield from (thing for thing in (half.subnet, half.gateway) if thing is not None)


def _half(half: Addressing) -> list[str]:
    """What is wrong with one family, whose values are all of that family."""
    found = []
    if half.subnet:
        found += _range("subnet", half.subnet)
    found += _addresses(half.addresses, half.subnet)
    if half.gateway:
        found += _gateway(half.gateway, half)
    return found + _prefixes(half)


def _addresses(addresses: Sequence[IP], subnet: Network | None) -> list[str]:
    found = [
        f"{ip} is {reason}; it cannot be an address of an ENI"
        for ip in addresses
        if (reason := _unfit(ip) or _never_own(ip))
    ]
    found += [
        f"{ip} is listed twice; each address belongs there once" for ip in _repeated(addresses)
    ]
    if subnet:
        host = subnet.prefixlen == subnet.max_prefixlen
        # A host prefix says nothing about the other addresses: such clouds route each by itself.
        judged = addresses[:1] if host else addresses
        outside = [ip for ip in judged if ip not in subnet]
        if outside:
            found.append(
                f"{_some(outside)} is outside the subnet {subnet}; one of the two must be wrong"
            )
        found += [
            f"{ip} is the {end} address of {subnet}; it cannot be an address of an ENI"
            for ip in addresses
            if (end := _end(ip, subnet))
        ]
    return _shortened(found)


def _gateway(gateway: IP, half: Addressing) -> list[str]:
    if reason := _unfit(gateway):
        return [f"the gateway {gateway} is {reason}; expected a router's address"]
    if gateway in half.addresses:
        return [f"the gateway {gateway} is the ENI's own address; expected a router's address"]
    if half.subnet and (end := _end(gateway, half.subnet)):
        return [f"the gateway {gateway} is the {end} address of {half.subnet}; expected a router's"]
    return []


def _prefixes(half: Addressing) -> list[str]:
    found = []
    for prefix in half.prefixes:
        found += _range("delegated prefix", prefix)
        if half.gateway and half.gateway in prefix:
            found.append(
                f"the delegated prefix {prefix} holds the gateway {half.gateway}; it cannot"
            )
        if half.subnet and prefix != half.subnet and _covers(prefix, half.subnet):
            found.append(
                f"the delegated prefix {prefix} holds the whole subnet {half.subnet}; it cannot"
            )
    # Prefixes nest or are disjoint, so where any two overlap two neighbours in this order do.
    ordered = sorted(half.prefixes, key=_order)
    found += [
        f"the delegated prefixes {first} and {second} overlap; each may be listed once"
        for first, second in pairwise(ordered)
        if _covers(first, second)
    ]
    return _shortened(found)


def _range(word: str, network: Network) -> list[str]:
    shortest = SHORTEST[Family.of(network)]
    if network.prefixlen < shortest:
        return [f"the {word} {network} is too wide; expected /{shortest} or longer"]
    if reason := _unfit(network.network_address) or _unfit(network.broadcast_address):
        return [f"the {word} {network} is {reason}; expected unicast addresses"]
    inside = sorted(str(ip) for ip in METADATA_SERVICES if ip in network)
    if inside:
        return [
            f"the {word} {network} holds the metadata service {inside[0]}; it must stay reachable"
        ]
    return []


def _unfit(ip: IP) -> str:
    """What an address is that nobody on a network can have, "" for an ordinary one."""
    if ip.is_unspecified:
        return "unspecified"
    if ip.is_loopback:
        return "loopback"
    if ip.is_multicast:
        return "multicast"
    if isinstance(ip, IPv4Address):
        return "in 0.0.0.0/8" if ip in _THIS_NETWORK else "reserved" if ip.is_reserved else ""
    return _unfit_v6(ip)


def _unfit_v6(ip: IPv6Address) -> str:
    if ip.scope_id is not None:
        return "bound to a zone"
    if ip.ipv4_mapped is not None:
        return "an IPv4 address in disguise"
    return "reserved" if ip.is_reserved else ""


def _never_own(ip: IP) -> str:
    """What keeps an otherwise ordinary address from being one of ours."""
    if ip in METADATA_SERVICES:
        return "the metadata service"
    return "link-local" if ip.is_link_local else ""


def _end(ip: IP, subnet: Network) -> str:
    """Which reserved end of an IPv4 subnet this is; /31 and /32 have none, nor has IPv6."""
    if not isinstance(subnet, IPv4Network) or subnet.prefixlen >= subnet.max_prefixlen - 1:
        return ""
    if ip == subnet.network_address:
        return "network"
    return "broadcast" if ip == subnet.broadcast_address else ""


def _repeated(addresses: Sequence[IP]) -> list[IP]:
    return [ip for ip, times in Counter(addresses).items() if times > 1]


def _some(addresses: Sequence[IP]) -> str:
    """The first few of many addresses, for a sentence."""
    more = len(addresses) - _SHOWN
    return ", ".join(map(str, addresses[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _shortened(sentences: Sequence[str]) -> list[str]:
    """The first few of many sentences: 1024 wrong addresses need no 1024 lines of journal."""
    more = len(sentences) - _SHOWN
    return [*sentences[:_SHOWN], *([f"{more} more of this kind"] if more > 0 else [])]


def _covers(outer: Network, inner: Network) -> bool:
    return (
        outer.version == inner.version
        and outer.prefixlen <= inner.prefixlen
        and inner.network_address in outer
    )


def _order(network: Network) -> tuple[int, int, int]:
    """Sorts a prefix right before everything that lies in it."""
    return (network.version, int(network.network_address), network.prefixlen)


class _Claim(NamedTuple):
    """A range of addresses that an ENI calls its own, as numbers that sort so that ranges nest."""

    version: int
    first: int
    length: int
    """Prefix length."""
    last: int
    mac: str

    def __str__(self) -> str:
        ip = (IPv4Address if self.version == 4 else IPv6Address)(self.first)
        return str(ip) if self.first == self.last else f"{ip}/{self.length}"


def _shared_claims(records: Sequence[Eni]) -> Iterable[tuple[_Claim, _Claim]]:
    """Pairs of claims of two ENIs of which the second lies within the first."""
    halves = [
        (eni.mac, half) for eni in records for family in Family if (half := eni.addressing(family))
    ]
    enclosing: list[_Claim] = []
    for claim in sorted(claim for mac, half in halves for claim in _claims(mac, half)):
        while enclosing and not (
            enclosing[-1].version == claim.version and claim.first <= enclosing[-1].last
        ):
            enclosing.pop()
        yield from ((outer, claim) for outer in enclosing if outer.mac != claim.mac)
        if all(outer.mac != claim.mac for outer in enclosing):
            enclosing.append(claim)


def _claims(mac: str, half: Addressing) -> Iterable[_Claim]:
    for ip in half.addresses:
        yield _Claim(ip.version, int(ip), ip.max_prefixlen, int(ip), mac)
    for prefix in half.prefixes:
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        yield _Claim(prefix.version, first, prefix.prefixlen, last, mac)


def _blame(why: dict[str, str], what: str, first: str, second: str) -> None:
    first, second = sorted((first, second))
    sentence = f"{what} by both {first} and {second}; only one of them can have it"
    why.setdefault(first, sentence)
    why.setdefault(second, sentence)
