"""Entries of access control that would cut this host off: from its metadata service, from its DNS,
from the administrator who is logged in.

A ``Lifeline`` is something that this host must be able to send. What of it is open (the port that
the kernel will take, which of several addresses) counts as if it met an entry that refuses, and as
if it did not meet one before that would save it: in doubt it is a danger.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from srcroutd.core.access import HERE, MAIN, AccessEntry, Span, covers, selected
from srcroutd.core.ip_protocols import ip_protocol_name
from srcroutd.core.net import IP, Family, Network, Rule, network_of

EPHEMERAL = (32768, 60999)
"""The ports that the kernel takes where none was asked for (ip_local_port_range)."""
ANY = "*"
"""In place of a NIC's name: the sender may be bound to any, or to none."""


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What this host sends to one place. ``what`` is for people, with its article.

    Each combination of ``protocols``, ``dports``, ``sources`` and ``uids`` is sent; ``sport`` 0 is
    any ephemeral port, ``oif`` None bound to whatever NIC. Without ``sources`` no address of ours
    is known that it could bear, so no entry that names one meets it. ``nic`` is the one that bears
    the source of a connection that stands.
    """

    what: str
    dst: IP
    protocols: tuple[int, ...]
    dports: tuple[int, ...]
    sources: tuple[IP, ...] = ()
    sport: int = 0
    uids: tuple[int, ...] = (0,)
    oif: str | None = ""
    nic: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.dst}"


@dataclass(frozen=True, slots=True)
class Around:
    """The lifelines of this host, and its NICs.

    ``devices`` are the NICs by device name and, as far as known, by the id of their ENI; ``kept``
    those that have a table of ours by now. ``standing`` are the rules of access control that the
    kernel has, in the terms of ``selected``. ``unseen`` says in words what could not be learned.
    """

    lifelines: tuple[Lifeline, ...] = ()
    devices: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    standing: frozenset[Rule] = frozenset()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Danger:
    """An entry that would cut a lifeline; ``place`` is the entry's, from 0."""

    place: int
    entry: AccessEntry
    lifeline: Lifeline
    why: str

    def __str__(self) -> str:
        return (
            f"{self.entry}: {self.why}; say force = true in the entry if that is meant, else make "
            "it ask for less or let an entry before it route this"
        )


def dangers(entries: Sequence[AccessEntry], around: Around) -> tuple[Danger, ...]:
    """The entries that would cut a lifeline and are not forced, each once, in their order."""
    found: dict[int, Danger] = {}
    named = [_in_force(entry, around) for entry in entries]
    asked = [tuple(selected(entry)) for entry in named]
    for lifeline in around.lifelines:
        for packet in _packets(lifeline):
            for place, why in _cuts(list(zip(named, asked, strict=True)), packet, lifeline, around):
                found.setdefault(place, Danger(place, entries[place], lifeline, why))
    return tuple(found[place] for place in sorted(found))


def new_dangers(entries: Sequence[AccessEntry], around: Around) -> tuple[Danger, ...]:
    """Those of the dangerous entries that are not in force yet: a restart takes no rule away."""
    return tuple(
        found
        for found in dangers(entries, around)
        if not around.standing.issuperset(selected(_in_force(found.entry, around)))
    )


def without(entries: Sequence[AccessEntry], found: Sequence[Danger]) -> tuple[AccessEntry, ...]:
    """The entries with the dangerous ones left out, each in its place."""
    why = {danger.place: f"left out: {danger.why}" for danger in found}
    return tuple(replace(one, left_out=why.get(place, "")) for place, one in enumerate(entries))


def _packets(lifeline: Lifeline) -> Iterator[Rule]:
    """What is sent, as the rule that asks for exactly that: ``selected``'s own terms."""
    dst = network_of(lifeline.dst)
    for protocol in lifeline.protocols:
        for dport in lifeline.dports:
            for uid in lifeline.uids:
                for source in lifeline.sources or (None,):
                    yield Rule(
                        Family.of(lifeline.dst),
                        0,
                        src=network_of(source) if source else None,
                        dst=dst,
                        iif=HERE,
                        oif=ANY if lifeline.oif is None else lifeline.oif,
                        mask=0xFFFFFFFF,
                        ip_proto=protocol,
                        sport=(lifeline.sport,) * 2 if lifeline.sport else EPHEMERAL,
                        dport=(dport, dport),
                        uids=(uid, uid),
                    )


def _in_force(entry: AccessEntry, around: Around) -> AccessEntry:
    """The entry with device names in the place of ENIs' ids; one that has no rule is left out.

    An entry by a NIC that has no table yet saves nothing: what comes after it may stop the very
    questions that would make the table.
    """
    iif, oif, via = (around.devices.get(name, name) for name in (entry.iif, entry.oif, entry.via))
    idle = "" if entry.refuses or via == MAIN or via in around.kept else f"no table of {via}"
    return replace(entry, iif=iif, oif=oif, via=via, left_out=entry.left_out or idle)


def _cuts(
    entries: Sequence[tuple[AccessEntry, Sequence[Rule]]],
    packet: Rule,
    lifeline: Lifeline,
    around: Around,
) -> Iterator[tuple[int, str]]:
    """The entries that cut this packet off, and how, up to the first that decides about it for
    certain.
    """
    for place, (entry, rules) in enumerate(entries):
        if entry.left_out or not any(_may_meet(rule, packet) for rule in rules):
            continue
        why = _harm(entry, packet, lifeline, around)
        if why and not entry.force:
            yield place, why
        if any(covers(rule, packet) for rule in rules):
            return


def _may_meet(rule: Rule, packet: Rule) -> bool:
    """Whether some packet of these could meet a rule."""
    return (
        rule.family is packet.family
        and rule.iif in {"", packet.iif}
        and (packet.oif == ANY or rule.oif in {"", packet.oif})
        and rule.ip_proto in {0, packet.ip_proto}
        and (not rule.src or not rule.src.prefixlen or _inside(packet.src, rule.src))
        and (not rule.dst or _inside(packet.dst, rule.dst))
        and _meet(rule.sport, packet.sport)
        and _meet(rule.dport, packet.dport)
        and _meet(rule.uids, packet.uids)
        and not (rule.mark ^ packet.mark) & rule.mask
    )


def _inside(inner: Network | None, outer: Network) -> bool:
    return inner is not None and inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _meet(one: Span | None, other: Span | None) -> bool:
    return one is None or other is None or (one[0] <= other[1] and other[0] <= one[1])


def _harm(entry: AccessEntry, packet: Rule, lifeline: Lifeline, around: Around) -> str:
    """What an entry that decides about this packet does to it, empty if it may pass."""
    if entry.refuses:
        return f"{entry.verb} would stop what this host sends to {lifeline}{_port(packet)}"
    if not lifeline.nic or entry.via == lifeline.nic:
        return ""
    source = ", ".join(map(str, lifeline.sources))
    if entry.via == MAIN:
        if lifeline.nic not in around.kept:
            return ""
        return (
            f"via main would send what answers {lifeline} from {source} as if there were only the "
            f"primary NIC, and {source} is {lifeline.nic}'s"
        )
    return (
        f"via {entry.via} would send what answers {lifeline} from {source} out by {entry.via}, "
        f"and {source} is {lifeline.nic}'s: the cloud lets it go nowhere"
    )


def _port(packet: Rule) -> str:
    protocol, port = ip_protocol_name(packet.ip_proto), packet.dport
    return f" ({protocol} port {port[0]})" if port else ""
