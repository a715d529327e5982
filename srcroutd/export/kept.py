"""What there is to export of a view: the NICs that are kept, each with its rules and routes in the
order in which the daemon puts them in.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from srcroutd.core.desired import Want
from srcroutd.core.net import Family, Route, Rule
from srcroutd.core.numbering import PRIORITIES_A_SEAT
from srcroutd.core.view import NicView, View
from srcroutd.export.quoting import device, hardware, remark


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule or route, and why it is wanted as a line of comment without its sign."""

    thing: Rule | Route
    because: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A NIC to export, its names made safe; routes and rules in the order to put them in.

    ``heading`` are lines of comment without their sign.
    """

    name: str
    mac: str
    table: int
    first: int
    routes: tuple[Entry, ...]
    rules: tuple[Entry, ...]
    heading: tuple[str, ...]

    @property
    def last(self) -> int:
        """The last of the NIC's priorities."""
        return self.first + PRIORITIES_A_SEAT - 1

    def of(self, family: Family) -> Iterator[Entry]:
        """Routes, then rules, of one family."""
        return (entry for entry in (*self.routes, *self.rules) if entry.thing.family is family)


def kept(view: View) -> tuple[Kept, ...]:
    """The NICs of a view that are kept and want something. Raises NotSayable."""
    return tuple(
        _kept(nic) for nic in view.nics if nic.kept and (nic.desired.routes or nic.desired.rules)
    )


def comment(lines: tuple[str, ...], sign: str = "# ") -> str:
    """Lines of comment, each with its end."""
    return "".join(f"{sign}{line}".rstrip() + "\n" for line in lines)


def _kept(nic: NicView) -> Kept:
    name, mac = device(nic.link.name), hardware(nic.link.mac)
    eni = nic.eni.id if nic.eni else "-"
    heading = [f"{name}  {eni}  {mac}  table {nic.table}, priorities from {nic.priority}"]
    heading += [f"note: {note}" for note in (*nic.desired.notes, nic.why) if note]
    return Kept(
        name,
        mac,
        nic.table,
        nic.priority,
        tuple(_entry(want) for want in sorted(nic.desired.routes, key=_route_order)),
        tuple(_entry(want) for want in sorted(nic.desired.rules, key=_rule_order)),
        tuple(map(remark, heading)),
    )


def _entry(want: Want) -> Entry:
    return Entry(want.thing, remark(want.because))


def _route_order(want: Want) -> tuple[int, int, int, str]:
    """The guard, then what is directly reachable, then what needs a gateway, which the kernel looks
    up.
    """
    route = want.thing
    assert isinstance(route, Route)  # noqa: S101 - what derive gave
    rank = 0 if route.oif == 0 else 1 if route.gateway is None else 2
    return (rank, route.family, int(route.dst.network_address), str(route))


def _rule_order(want: Want) -> tuple[int, int, int, int, str]:
    """Highest priority first: a jump finds its target. The rest as ``plan`` has it."""
    rule = want.thing
    assert isinstance(rule, Rule)  # noqa: S101 - what derive gave
    src = rule.src
    start, length = (int(src.network_address), src.prefixlen) if src else (0, 0)
    return (-rule.priority, rule.family, start, length, str(rule))
