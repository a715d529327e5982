"""What the administrator says of the source of new connections: one ``[[egress]]`` entry as a
value, and how many of them there is room for.

Numbers follow an entry's place among the configured ones, whether or not its NIC is there: a detach
moves nobody else's rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from srcroutd.core.marking import Mask
from srcroutd.core.net import IP, Family, Network
from srcroutd.core.numbering import Domain
from srcroutd.core.unbound import section

PRIORITIES_AN_ENTRY = 2


@dataclass(frozen=True, slots=True)
class EgressEntry:
    """Which new connections (selectors left at their default ask nothing), and where from.

    ``port`` and ``uids`` are ranges, both ends included. ``nic`` is a device name or an ENI's id;
    ``source`` an address of this host; at least one of them is given. ``snat`` also rewrites the
    source of programs that bound another one, ``forwarded`` that of containers. ``where`` says in
    which file and line it stands.
    """

    name: str = ""
    where: str = ""
    to: tuple[Network, ...] = ()
    ip_proto: int = 0
    port: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None
    mark: int = 0
    mask: int = 0
    nic: str = ""
    source: IP | None = None
    snat: bool = False
    forwarded: bool = False

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that it speaks of: its source's, else those of its destinations, else
        both.
        """
        if self.source is not None:
            return (Family.of(self.source),)
        return tuple(sorted({Family.of(prefix) for prefix in self.to})) or tuple(Family)

    def destinations(self, family: Family) -> tuple[Network, ...]:
        """Its prefixes of one family, everything where it names none."""
        return tuple(p for p in self.to if Family.of(p) is family) or (family.everything,)

    @property
    def leads(self) -> tuple[str, IP | None]:
        """What two entries have in common that share a table."""
        return self.nic, self.source

    def __str__(self) -> str:
        told = f'egress entry "{self.name}"' if self.name else "an egress entry"
        return f"{told}, {self.where}" if self.where else told


def priority_of(domain: Domain, number: int) -> int:
    """The first of the priorities of the entry in this place (from 0)."""
    return section(domain).start + PRIORITIES_AN_ENTRY * number


def table_of(domain: Domain, entries: Sequence[EgressEntry], entry: EgressEntry) -> int:
    """The table of an entry, counted down from the last one; equal ways share it."""
    ways = list(dict.fromkeys(one.leads for one in entries))
    return domain.policy_tables[-1 - ways.index(entry.leads)]


def mark_number(mask: Mask, entries: Sequence[EgressEntry], entry: EgressEntry) -> int:
    """Which mark the connections of an entry with ``snat`` bear, counted down from the highest:
    from the lowest up they are the NICs'.
    """
    return mask.highest - [one for one in entries if one.snat].index(entry)


def too_many(entries: Sequence[EgressEntry], domain: Domain, mask: Mask) -> str:
    """Why there is no room for so many entries; empty if there is."""
    rooms = (
        (len(entries), len(section(domain)) // 2 // PRIORITIES_AN_ENTRY, "entries", "policies"),
        (len({entry.leads for entry in entries}), len(domain.policy_tables) // 2,
         "different sources", "tables"),
        (sum(entry.snat for entry in entries), mask.highest - len(domain.seats),
         "entries with snat", "mark_mask"),
    )  # fmt: skip
    for count, room, what, key in rooms:
        if count > room:
            return f"{count} {what}, and {key} leaves room for {max(room, 0)}"
    return ""
