"""``[[access]]``: its shape for pydantic, and what it says as entries of access control.

Every contradiction is named with file and line: what the kernel would not take, what no packet can
meet, and what an earlier entry has refused already.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from srcroutd.core.access import HERE, MAIN, AccessEntry, families, hidden_by
from srcroutd.core.errors import ConfigError
from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.core.net import Action, Family, Network
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configlines import Origins
from srcroutd.daemon.configwords import Door, Prefix

TABLE = "access"
PORTS = range(1, 65535)
"""What a rule of the kernel takes (fib_rule_port_range_valid in net/core/fib_rules.c)."""
UIDS = range(2**32 - 1)
WITH_PORTS = frozenset((6, 17, 33, 132, 136))
MOST_RULES = 256
"""Of one entry; each of them costs every packet, and prefixes multiply."""

_NUMBERS = {name: number for number, name in IP_PROTOCOLS.items()} | {"icmpv6": 58}


def _several(said: object) -> object:
    return said if isinstance(said, list) else [said]


def _protocol(said: object) -> object:
    if isinstance(said, str):
        if said.lower() not in _NUMBERS:
            raise ValueError(f"{said!r} is no protocol known here; say tcp, udp, icmp or a number")
        return _NUMBERS[said.lower()]
    return said


def _span(said: object, within: range, words: str) -> object:
    """``80``, ``"80"`` or ``"80-90"`` as (80, 90)."""
    found = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", str(said), re.ASCII)
    if isinstance(said, bool) or not isinstance(said, int | str) or not found:
        raise ValueError(words)
    first, last = int(found[1]), int(found[2] or found[1])
    if first > last or first not in within or last not in within:
        raise ValueError(words)
    return first, last


def _ports(said: object) -> object:
    what = f'not a port or a range of ports like "80-90" ({PORTS[0]}-{PORTS[-1]})'
    return said if said is None else _span(said, PORTS, what)


def _uids(said: object) -> object:
    what = 'not a user\'s number or a range like "1000-1999"; id -u NAME tells the number'
    return said if said is None else _span(said, UIDS, what)


def _mark(said: object) -> object:
    """``"0x1/0xff"`` as (1, 255); without a mask all bits count."""
    words = 'not a mark and a mask like "0x1/0xff"'
    if said is None:
        return said
    value, _, mask = str(said).partition("/")
    try:
        found = int(value, 0), int(mask, 0) if mask else 2**32 - 1
    except ValueError:  # true, 1.5 and a list, too
        raise ValueError(words) from None
    if not 0 <= found[0] < 2**32 or not 0 < found[1] < 2**32:
        raise ValueError(f"{words}: 32 bits, and a mask with one bit at least")
    if found[0] & ~found[1]:
        raise ValueError(f"the mark {found[0]:#x} has bits outside of its mask {found[1]:#x}")
    return found


Prefixes = Annotated[list[Prefix], BeforeValidator(_several)]
Pair = tuple[int, int]
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
    protocol: Annotated[int, Field(ge=1, le=255), BeforeValidator(_protocol)] | None = None
    port: Annotated[Pair | None, BeforeValidator(_ports)] = None
    source_port: Annotated[Pair | None, BeforeValidator(_ports)] = None
    uid: Annotated[Pair | None, BeforeValidator(_uids)] = None
    mark: Annotated[Pair | None, BeforeValidator(_mark)] = None
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
            f"protocol {IP_PROTOCOLS[entry.protocol]} is not one of the family of these addresses"
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
