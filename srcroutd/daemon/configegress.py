"""``[[egress]]`` of the configuration file: its shape, and the entries behind it.

Promise: an entry that contradicts itself or another one is named with file and line, and nothing is
changed.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field

from srcroutd.core.egress_entry import EgressEntry, too_many
from srcroutd.core.errors import ConfigError
from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.core.marking import MARK_BITS, Mask
from srcroutd.core.net import Family
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configlines import Origins
from srcroutd.daemon.configwords import Address, Door

PORTS = range(1, 65535)
"""What the kernel takes in a rule (nla_get_port_range, include/net/fib_rules.h)."""
USERS = range(2**32 - 1)
WITH_PORTS = frozenset((6, 17, 33, 132, 136))
_ICMP = {1: Family.V4, 58: Family.V6}


def _prefixes(said: object) -> object:
    """One prefix or a list of them."""
    listed = said if isinstance(said, list) else [said]
    return tuple(ip_network(one) if isinstance(one, str) else one for one in listed)


def _protocol(said: object) -> object:
    """A number, or a word of /etc/protocols."""
    if isinstance(said, str):
        word = {"icmpv6": "ipv6-icmp"}.get(said.lower(), said.lower())
        said = next((number for number, name in IP_PROTOCOLS.items() if name == word), said)
    if not isinstance(said, int) or not 0 < said < 256:
        msg = f"{said} is no transport protocol: tcp, udp, icmp, sctp or a number from 1 to 255"
        raise ValueError(msg)
    return said


def _range(said: object, what: str, within: range) -> tuple[int, int] | None:
    """A number, or two with a hyphen between them."""
    if said is None or isinstance(said, tuple):
        return said
    found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(said))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last or first not in within or last not in within:
        msg = f'{said} is no {what}: {within[0]} to {within[-1]}, or two of them: "1000-1999"'
        raise ValueError(msg)
    return first, last


def _ports(said: object) -> object:
    return _range(said, "port", PORTS)


def _users(said: object) -> object:
    return _range(said, "user's number (id -u NAME)", USERS)


def _mark(said: object) -> object:
    """A mark, or mark and mask: ``0x10`` or ``"0x10/0xff"``."""
    if said is None or isinstance(said, tuple):
        return said
    found = re.fullmatch(r"(0[xX][0-9A-Fa-f]+|\d+)(?:/(0[xX][0-9A-Fa-f]+|\d+))?", str(said))
    mark, mask = (int(found[1], 0), int(found[2] or "0xffffffff", 0)) if found else (0, 0)
    if not 0 < mask <= MARK_BITS or not 0 < mark <= MARK_BITS or mark & ~mask:
        msg = f'{said} is no mark: a number of 32 bits, or mark and mask: "0x10/0xff"'
        raise ValueError(msg)
    return mark, mask


class Egress(Door):
    """``[[egress]]``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]{1,40}$")] = ""
    to: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_prefixes)] = ()
    protocol: Annotated[int, BeforeValidator(_protocol)] | None = None
    port: Annotated[tuple[int, int] | None, BeforeValidator(_ports)] = None
    uid: Annotated[tuple[int, int] | None, BeforeValidator(_users)] = None
    mark: Annotated[tuple[int, int] | None, BeforeValidator(_mark)] = None
    nic: Annotated[str, Field(min_length=1)] | None = None
    source: Address | None = None
    snat: bool = False
    forwarded: bool = False


def egress_entries(
    said: Sequence[Egress], domain: Domain, mask: Mask, origins: Origins
) -> tuple[EgressEntry, ...]:
    """The entries in file order; ``mask`` is where our own marks lie. Raises ConfigError."""
    entries: list[EgressEntry] = []
    seen: dict[tuple[object, ...], str] = {}
    for number, one in enumerate(said, 1):
        where = origins.entry("egress", number)
        if why := _contradiction(one) or _clash(one, mask):
            raise ConfigError(f"{where}: {why}")
        entry = _entry(one, where.partition(": ")[0])
        for asked in _asked(entry):
            if asked in seen:
                raise ConfigError(
                    f"{where}: asks for what the one at {seen[asked]} asks for, and that one comes "
                    "first; leave one out"
                )
            seen[asked] = entry.where
        entries.append(entry)
        if why := too_many(entries, domain, mask):
            raise ConfigError(f"{where}: too many: {why}")
    return tuple(entries)


def _contradiction(one: Egress) -> str:
    """Why an entry cannot be meant so; empty if it can."""
    if one.nic is None and one.source is None:
        return "needs nic or source to say where its connections go out"
    if one.port and one.protocol not in WITH_PORTS:
        return "port needs a protocol that has ports, such as tcp or udp"
    if one.source and (one.source.is_multicast or one.source.is_loopback or not int(one.source)):
        return f"source {one.source} is no address that a NIC could have"
    if one.source and one.source.is_link_local:
        return f"source {one.source} is known on its link only"
    if one.forwarded and not one.snat:
        return "forwarded needs snat: whoever answers does not know a container's address"
    if one.forwarded and one.uid:
        return "forwarded with uid: what comes from a container has no user of this host"
    return _of_two_families(one) or _nested(one)


def _of_two_families(one: Egress) -> str:
    family = _ICMP.get(one.protocol or 0)
    if one.source:
        if family not in {None, Family.of(one.source)}:
            return (
                f"source {one.source} is of another family than {IP_PROTOCOLS[one.protocol or 0]}"
            )
        other = next((to for to in one.to if to.version != one.source.version), None)
        if other:
            return f"to {other} is of another family than source {one.source}"
    other = next((to for to in one.to if family not in {None, Family.of(to)}), None)
    return (
        f"to {other} is of another family than {IP_PROTOCOLS[one.protocol or 0]}" if other else ""
    )


def _nested(one: Egress) -> str:
    """Prefixes within prefixes: which of them decides would be a matter of chance."""
    for inner in one.to:
        for outer in one.to:
            if inner is not outer and inner.version == outer.version and inner.subnet_of(outer):  # type: ignore[arg-type]
                return f"to {inner} lies within {outer}; leave it out or give it an entry before"
    return ""


def _clash(one: Egress, mask: Mask) -> str:
    if one.snat and one.mark and one.mark[0] & mask.bits:
        return f"mark {one.mark[0]:#x} has bits of srcroutd's own mask {mask}, which snat needs"
    return ""


def _entry(one: Egress, where: str) -> EgressEntry:
    mark, mask = one.mark or (0, 0)
    return EgressEntry(
        one.name,
        where,
        one.to,
        one.protocol or 0,
        one.port,
        one.uid,
        mark,
        mask,
        one.nic or "",
        one.source,
        one.snat,
        one.forwarded,
    )


def _asked(entry: EgressEntry) -> list[tuple[object, ...]]:
    """What an entry asks for, once for each prefix."""
    return [
        (prefix, entry.ip_proto, entry.port, entry.uids, entry.mark, entry.mask)
        for family in entry.families
        for prefix in entry.destinations(family)
    ]
