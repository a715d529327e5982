"""``[[egress]]`` of the configuration file: its shape, and the entries behind it.

Promise: an entry that contradicts itself or another one is named with file and line, and nothing is
changed.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from srcroutd.core.egress_entry import EgressEntry, too_many
from srcroutd.core.errors import ConfigError
from srcroutd.core.ip_protocols import ip_protocol_name
from srcroutd.core.marking import Mask
from srcroutd.core.net import Family
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configlines import Origins
from srcroutd.daemon.configpackets import WITH_PORTS, MarkAndMask, Ports, Prefixes, Protocol, Users
from srcroutd.daemon.configwords import Address, Door

_ICMP = {1: Family.V4, 58: Family.V6}


class Egress(Door):
    """``[[egress]]``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]{1,40}$")] = ""
    to: Prefixes | None = None
    protocol: Protocol | None = None
    port: Ports = None
    uid: Users = None
    mark: MarkAndMask = None
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
    if one.mark and not one.mark[0]:
        return "mark 0 is that of every socket without one; leave it out"
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
    family, name = _ICMP.get(one.protocol or 0), ip_protocol_name(one.protocol or 0)
    if one.source:
        if family not in {None, Family.of(one.source)}:
            return f"source {one.source} is of another family than {name}"
        other = next((to for to in one.to or () if to.version != one.source.version), None)
        if other:
            return f"to {other} is of another family than source {one.source}"
    other = next((to for to in one.to or () if family not in {None, Family.of(to)}), None)
    return f"to {other} is of another family than {name}" if other else ""


def _nested(one: Egress) -> str:
    """Prefixes within prefixes: which of them decides would be a matter of chance."""
    for inner in one.to or ():
        for outer in one.to or ():
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
        tuple(one.to or ()),
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
