"""Access control: the administrator's entries to rules that route, prohibit or drop by what a
packet is and who sends it.

They are asked after the table ``local`` and before everything else of ours, in the order of the
entries; each has one priority, whatever number of prefixes it names. So the first entry that
decides counts, and what comes in for this host itself never meets them: table ``local`` has decided
it before.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from srcroutd.core.desired import Host, NicDesired, Want
from srcroutd.core.net import MAIN_TABLE, Action, Family, Network, Rule

MAIN = "main"
"""What ``via`` says for the table main."""
HERE = "lo"
"""The NIC by which, to a rule, comes in what this host sends itself."""
LONGEST_NAME = 15
"""Of a device (IFNAMSIZ); what is longer can only be an ENI's id."""
_FAMILY_OF_PROTOCOL = {1: Family.V4, 58: Family.V6}
"""ICMP has a number of its own in each family."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One ``[[access]]`` entry. What it does not name it does not ask for.

    ``action`` is LOOKUP (in the table of the NIC or ENI ``via``, or in main), PROHIBIT, UNREACHABLE
    or BLACKHOLE. ``iif`` is the NIC that a packet comes in by, "lo" for what this host sends;
    ``oif`` the one that the sender is bound to. ``origin`` says where the entry stands: file, line
    and number. An entry with ``left_out`` keeps its place and does nothing, for that reason.
    """

    action: Action
    via: str = ""
    src: tuple[Network, ...] = ()
    dst: tuple[Network, ...] = ()
    iif: str = ""
    oif: str = ""
    protocol: int = 0
    sport: Span | None = None
    dport: Span | None = None
    uids: Span | None = None
    mark: int = 0
    mask: int = 0
    force: bool = False
    name: str = ""
    origin: str = ""
    left_out: str = ""

    @property
    def refuses(self) -> bool:
        """Whether what meets it goes nowhere."""
        return self.action is not Action.LOOKUP

    @property
    def verb(self) -> str:
        """What it does, for people: ``prohibit``, ``via eth1``."""
        return self.action.name.lower() if self.refuses else f"via {self.via}"

    def __str__(self) -> str:
        said = f" ({self.name})" if self.name else ""
        return f"{self.origin or '[[access]]'}{said}"


def derive_access(entries: Sequence[AccessEntry], host: Host) -> NicDesired:
    """The rules of all entries, in the band of access control; notes for those that have none."""
    rules: list[Want] = []
    notes: list[str] = []
    ours = host.domain.protocol
    for priority, entry in zip(host.domain.access, entries, strict=False):
        if why := entry.left_out or _not_here(entry, host):
            notes.append(f"{entry}: {why}")
            continue
        table = _table(entry, host)
        here = replace(entry, iif=_device(entry.iif, host), oif=_device(entry.oif, host))
        rules += (
            Want(replace(rule, priority=priority, table=table, protocol=ours), str(entry))
            for rule in selected(here)
        )
    return NicDesired(rules=tuple(rules), notes=tuple(notes))


def selected(entry: AccessEntry) -> Iterator[Rule]:
    """What the entry asks for as rules without priority, table and protocol of ours: one for each
    pair of prefixes and each family that it can be about.

    Who sends a packet is only known of what this host sends; all else counts as root's to the
    kernel. So an entry that asks for users asks for ``HERE``, too.
    """
    iif = entry.iif or (HERE if entry.uids else "")
    for family in families(entry):
        for src in _of(entry.src, family):
            for dst in _of(entry.dst, family):
                yield Rule(
                    family,
                    0,
                    entry.action,
                    src=src,
                    dst=dst,
                    iif=iif,
                    oif=entry.oif,
                    mark=entry.mark,
                    mask=entry.mask,
                    ip_proto=entry.protocol,
                    sport=entry.sport,
                    dport=entry.dport,
                    uids=entry.uids,
                )


def families(entry: AccessEntry) -> list[Family]:
    """The families that all it names have in common; none where that contradicts itself."""
    only = _FAMILY_OF_PROTOCOL.get(entry.protocol)
    return [
        family
        for family in Family
        if only in {None, family}
        and all(
            not prefixes or family in map(Family.of, prefixes)
            for prefixes in (entry.src, entry.dst)
        )
    ]


def hidden_by(entries: Sequence[AccessEntry]) -> Iterator[tuple[int, int]]:
    """Entries that nothing ever meets, each with the earlier one that refuses all of it (their
    places, from 0).

    An earlier entry that routes hides nothing: what finds no route there, or no such NIC, goes on
    to the next entry.
    """
    asked = [tuple(selected(entry)) for entry in entries]
    for place, rules in enumerate(asked):
        for before in range(place):
            if entries[before].refuses and all(
                any(covers(first, rule) for first in asked[before]) for rule in rules
            ):
                yield place, before
                break


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether every packet that meets ``narrow``'s selectors meets ``wide``'s."""
    return (
        wide.family is narrow.family
        and wide.iif in {"", narrow.iif}
        and wide.oif in {"", narrow.oif}
        and wide.ip_proto in {0, narrow.ip_proto}
        and all(
            _holds(outer, inner)
            for outer, inner in ((wide.src, narrow.src), (wide.dst, narrow.dst))
        )
        and all(
            _spans(outer, inner)
            for outer, inner in (
                (wide.sport, narrow.sport),
                (wide.dport, narrow.dport),
                (wide.uids, narrow.uids),
            )
        )
        and wide.mask & narrow.mask == wide.mask
        and (wide.mark ^ narrow.mark) & wide.mask == 0
    )


def _holds(outer: Network | None, inner: Network | None) -> bool:
    if outer is None or not outer.prefixlen:
        return True
    return inner is not None and inner.subnet_of(outer)  # type: ignore[arg-type]


def _spans(outer: Span | None, inner: Span | None) -> bool:
    if outer is None:
        return True
    return inner is not None and outer[0] <= inner[0] and inner[1] <= outer[1]


def _of(prefixes: Iterable[Network], family: Family) -> list[Network | None]:
    """The prefixes of a family, [None] where none are named; None for the whole family, too, as in
    the kernel's own dump.
    """
    found = [one for one in prefixes if Family.of(one) is family]
    return [one if one.prefixlen else None for one in found] or [None]


def _not_here(entry: AccessEntry, host: Host) -> str:
    """Why an entry cannot work on this host as it is now, empty if it can."""
    for name in (entry.iif, entry.oif):
        if len(name) > LONGEST_NAME and host.nic(name) is None:
            return f"{name} is not on this host"
    if entry.refuses or entry.via == MAIN:
        return ""
    nic = host.nic(entry.via)
    if nic is None:
        return f"{entry.via} is not on this host"
    return "" if nic.table else f'{entry.via} has no table of its own; via = "main" may be meant'


def _device(name: str, host: Host) -> str:
    """The device that a name stands for: an ENI's, or the name as it is (docker0)."""
    nic = host.nic(name) if name else None
    return nic.link.name if nic else name


def _table(entry: AccessEntry, host: Host) -> int:
    if entry.refuses:
        return 0
    nic = None if entry.via == MAIN else host.nic(entry.via)
    return nic.table if nic else MAIN_TABLE
