"""What there is to export of a view: the NICs that are kept, each with its rules and routes in the
order in which the daemon puts them in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from srcroutd.core.desired import Want
from srcroutd.core.net import Family, Network, Route, Rule
from srcroutd.core.numbering import PRIORITIES_A_SEAT
from srcroutd.core.view import NicView, View
from srcroutd.export.quoting import device, hardware, remark

_MARKS = (
    "mode connmark is left out, for it needs a table of nftables that is looked after; with this "
    "alone the NIC is routed by source"
)

T = TypeVar("T", Rule, Route)
"""A rule or a route."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One rule or route, and why it is wanted as a line of comment without its sign."""

    thing: T
    because: str


Line = Entry[Route] | Entry[Rule]


@dataclass(frozen=True, slots=True)
class Kept:
    """A NIC to export, its names made safe; routes and rules in the order to put them in.

    ``heading`` are lines of comment without their sign. ``main`` are its defaults in table main.
    """

    name: str
    mac: str
    table: int
    first: int
    routes: tuple[Entry[Route], ...]
    rules: tuple[Entry[Rule], ...]
    heading: tuple[str, ...]
    main: tuple[Entry[Route], ...] = ()

    @property
    def last(self) -> int:
        """The last of the NIC's priorities."""
        return self.first + PRIORITIES_A_SEAT - 1

    def of(self, family: Family) -> Iterator[Line]:
        """Routes, then rules, of one family."""
        yield from (entry for entry in self.routes if entry.thing.family is family)
        yield from (entry for entry in self.rules if entry.thing.family is family)


_BEYOND = (
    "left out are its default in main and copies of main's routes out of other NICs, which no "
    "profile of this NIC can hold; srcroutctl export iproute2 has them"
)


def kept(view: View, *, whole: bool = False) -> tuple[Kept, ...]:
    """The NICs of a view that are kept and want something. Raises NotSayable.

    Unless ``whole``, what no profile of a single NIC can say is left out, and the heading says so:
    routes out of other NICs (copies of main's), and defaults in main.
    """
    return tuple(
        _kept(nic, whole=whole)
        for nic in view.nics
        if nic.kept and (nic.desired.routes or nic.desired.rules)
    )


def comment(lines: tuple[str, ...], sign: str = "# ") -> str:
    """Lines of comment, each with its end."""
    return "".join(f"{sign}{line}".rstrip() + "\n" for line in lines)


def short(network: Network) -> str:
    """A prefix as these tools print it: a host without its /32 or /128."""
    host = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if host else str(network)


def _kept(nic: NicView, *, whole: bool) -> Kept:
    name, mac = device(nic.link.name), hardware(nic.link.mac)
    eni = nic.eni.id if nic.eni else "-"
    heading = [f"{name}  {eni}  {mac}  table {nic.table}, priorities from {nic.priority}"]
    rules = [want for want in nic.desired.rules if nic.mode == "source" or not _by_mark(want.thing)]
    routes = _once(sorted(_entries(nic.desired.routes, Route), key=_route_order))
    main = tuple(one for one in routes if one.thing.table != nic.table)
    table = tuple(one for one in routes if one.thing.table == nic.table)
    own = tuple(one for one in table if one.thing.dev in {"", nic.link.name})
    for one in routes:
        device(one.thing.dev or name)
    beyond = not whole and len(own) < len(routes)
    notes = [*nic.desired.notes, nic.why, _MARKS if nic.mode == "connmark" else ""]
    notes.append(_BEYOND if beyond else "")
    heading += [f"note: {note}" for note in notes if note]
    return Kept(
        name,
        mac,
        nic.table,
        nic.priority,
        table if whole else own,
        _once(sorted(_entries(rules, Rule), key=_rule_order)),
        tuple(map(remark, heading)),
        main if whole else (),
    )


def _entries(wants: Iterable[Want], kind: type[T]) -> Iterator[Entry[T]]:
    for want in wants:
        if isinstance(want.thing, kind):
            yield Entry(want.thing, remark(want.because))


def _by_mark(thing: Rule | Route) -> bool:
    return isinstance(thing, Rule) and bool(thing.mark)


def _once(entries: Iterable[Entry[T]]) -> tuple[Entry[T], ...]:
    """Each thing once, with its first reason: two ENIs in a subnet are two reasons for a route."""
    found: dict[T, Entry[T]] = {}
    for entry in entries:
        found.setdefault(entry.thing, entry)
    return tuple(found.values())


def _route_order(entry: Entry[Route]) -> tuple[int, int, int, str, str]:
    """The guard, then what is directly reachable, then what needs a gateway, which the kernel looks
    up.
    """
    route = entry.thing
    return (route.rank, route.family, int(route.dst.network_address), str(route), entry.because)


def _rule_order(entry: Entry[Rule]) -> tuple[int, int, int, int, str, str]:
    """Highest priority first: a jump finds its target. The rest as ``plan`` has it."""
    rule = entry.thing
    src = rule.src
    start, length = (int(src.network_address), src.prefixlen) if src else (0, 0)
    return (-rule.priority, rule.family, start, length, str(rule), entry.because)
