"""``[[access]]``: its shape for pydantic, and what it says as entries of access control.

Every contradiction is named with file and line: what the kernel would not take, what no packet can
meet, and what an earlier entry has refused already.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from srcroutd.core.access import HERE, MAIN, AccessEntry, families, hidden_by
from srcroutd.core.errors import ConfigError
from srcroutd.core.ip_protocols import ip_protocol_name
from srcroutd.core.net import Action, Family, Network
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configlines import Origins
from srcroutd.daemon.configpackets import WITH_PORTS, MarkAndMask, Ports, Prefixes, Protocol, Users
from srcroutd.daemon.configwords import Door

TABLE = "access"
MOST_RULES = 256
"""Of one entry; each of them costs every packet, and prefixes multiply."""

NicName = Annotated[str, Field(min_length=1, pattern=r"^[^\s/]+$")]


class Access(Door):
    """``[[access]]``."""

    name: str = ""
    action: Literal["route", "prohibit", "unreachable", "blackhole"] = "route"
    via: NicName | None = None
    from_: Annotated[Prefixes | None, Field(alias="from")] = None
    to: Prefixes | None = None
    iif: NicName | None = None
    oif: NicName | None = None
    protocol: Protocol | None = None
    port: Ports = None
    source_port: Ports = None
    uid: Users = None
    mark: MarkAndMask = None
    force: bool = False


def access(said: Sequence[Access], domain: Domain, origins: Origins) -> tuple[AccessEntry, ...]:
    """The entries in file order. Raises ConfigError for what contradicts itself or the others."""
    entries = tuple(_entry(one, origins.entry(TABLE, number)) for number, one in enumerate(said, 1))
    room = len(domain.access)
    if len(entries) > room:
        raise ConfigError(
            f"{entries[room].origin}: there are only {room} priorities for access control "
            f"({domain.access.start}-{domain.access.stop - 1}); give policies a larger band"
        )
    for place, before in hidden_by(entries):
        raise ConfigError(
            f"{entries[place]}: nothing ever meets it, for {entries[before]} refuses all of it "
            "before; put it first or leave it out"
        )
    return entries


def _entry(said: Access, where: str) -> AccessEntry:
    mark, mask = said.mark or (0, 0)
    entry = AccessEntry(
        Action.LOOKUP if said.action == "route" else Action[said.action.upper()],
        said.via or "",
        src=_widest(said.from_ or ()),
        dst=_widest(said.to or ()),
        iif=said.iif or "",
        oif=said.oif or "",
        protocol=said.protocol or 0,
        sport=said.source_port,
        dport=said.port,
        uids=said.uid,
        mark=mark,
        mask=mask,
        force=said.force,
        name=said.name,
        origin=where,
    )
    if wrong := _contradiction(entry):
        raise ConfigError(f"{entry}: {wrong}")
    return entry


def _widest(prefixes: Sequence[Network]) -> tuple[Network, ...]:
    """Each prefix once, without those that lie in another one."""
    return tuple(
        one
        for one in dict.fromkeys(prefixes)
        if not any(
            one != other and one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
            for other in prefixes
        )
    )


def _contradiction(entry: AccessEntry) -> str:
    """What is wrong with an entry by itself, empty if nothing is."""
    if entry.refuses and entry.via:
        return f'{entry.verb} leads nowhere; leave out via, or say action = "route"'
    if not entry.refuses and not entry.via:
        return f'action = "route" needs via: a NIC, an ENI or "{MAIN}"'
    nothing = replace(entry, via="", action=Action.NOP, force=False, name="", origin="")
    if nothing == AccessEntry(Action.NOP):
        return (
            "asks for nothing, so everything would meet it; say from, to, iif, oif, protocol, uid "
            "or mark"
        )
    return _of_families(entry) or _of_sender(entry) or _of_ports(entry)


def _of_families(entry: AccessEntry) -> str:
    versions = [{one.version for one in some} for some in (entry.src, entry.dst) if some]
    if len(versions) == 2 and versions[0] != versions[1]:
        return "from and to are of different families; each family needs both, in one entry or two"
    if not families(entry):
        return (
            f"protocol {ip_protocol_name(entry.protocol)} is not of the family of these addresses"
        )
    if max(len(entry.src), 1) * max(len(entry.dst), 1) > MOST_RULES:
        return f"from and to make more than {MOST_RULES} pairs of prefixes; cover them by fewer"
    return ""


def _of_sender(entry: AccessEntry) -> str:
    elsewhere = entry.iif and entry.iif != HERE
    if elsewhere and entry.uids:
        return f'uid is about what this host sends, iif = "{entry.iif}" about what comes in there'
    if elsewhere and entry.oif:
        return (
            f"oif is about sockets of this host that are bound to {entry.oif}, "
            f'iif = "{entry.iif}" about what comes in there'
        )
    if entry.refuses and entry.oif and Family.V4 in families(entry):
        return (
            f"the kernel stops no IPv4 packet of a socket that is bound to a NIC: it takes all to "
            f"be on the link of {entry.oif}; with {entry.verb}, oif is for IPv6 prefixes"
        )
    return ""


def _of_ports(entry: AccessEntry) -> str:
    if (entry.sport or entry.dport) and entry.protocol not in WITH_PORTS:
        asked = f"protocol {entry.protocol} has none" if entry.protocol else "say which protocol"
        return f'ports belong to a protocol; {asked} (protocol = "tcp" or "udp")'
    return ""
