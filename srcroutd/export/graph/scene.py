"""A ``View`` becomes a ``Picture``: a lane for each NIC, in it a row for each family that is
routed.

Up to ``MOST`` NICs are drawn whole, those that need somebody's attention first; the others are one
line each.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from srcroutd.core.join import State
from srcroutd.core.net import Family
from srcroutd.core.operation import Operation
from srcroutd.core.view import NicView, View, state_word
from srcroutd.export.graph.addresses import address_lines
from srcroutd.export.graph.drift import Drift, drift
from srcroutd.export.graph.picture import Edge, Kind, Line, Node, Picture, Tone, marked
from srcroutd.export.graph.routes import route_lines
from srcroutd.export.graph.rules import rule_lines
from srcroutd.export.graph.text import clean

MOST = 16
"""NICs that are drawn whole: Mermaid takes 50,000 characters, people take fewer."""
SENTENCE = 300
"""Characters of a note from elsewhere that are shown."""

POLICIES = 8
"""Rules of the whole host that are named."""

NAME = 30
"""Characters of a device's name: it has 15 bytes, which may be anything (IFNAMSIZ, net/if.h)."""

Part = Node | Edge


def scene(view: View) -> Picture:
    """The picture of a view."""
    due: dict[int, list[Operation]] = defaultdict(list)
    for operation in view.operations:
        due[operation.seat].append(operation)
    whole = _whole(view)
    parts: list[Part] = []
    for place, nic in enumerate(view.nics):
        own = drift(due.pop(nic.seat, ())) if nic.seat else Drift()
        lane = f"nic{place + 1}"
        if place in whole:
            parts += _lane(view, nic, lane, own)
        else:
            parts.append(_folded(view, nic, lane, own))
    due.pop(0, None)  # the whole host is no NIC: ``_policies`` tells
    for seat, operations in sorted(due.items()):
        parts += _leftovers(view, seat, drift(operations))
    return Picture(
        title="Source routing on this host",
        summary=_summary(view),
        in_sync=not view.operations and (view.in_sync or not view.by_daemon),
        nodes=tuple(part for part in parts if isinstance(part, Node)),
        edges=tuple(part for part in parts if isinstance(part, Edge)),
        notes=_notes(view),
    )


def _whole(view: View) -> set[int]:
    """The places of the NICs that are drawn whole: out of step, then otherwise remarkable, then in
    order.
    """
    due = view.drift()

    def rank(place: int) -> tuple[bool, bool, int]:
        nic = view.nics[place]
        usual = nic.state in {State.MANAGED, State.LEFT_ALONE}
        return (not (nic.seat and due[nic.seat]), usual, place)

    return set(sorted(range(len(view.nics)), key=rank)[:MOST])


def _summary(view: View) -> str:
    told = drift(view.operations).tally()[1]
    if told:
        parts = [f"drift: {told}"]
    elif view.by_daemon and not view.in_sync:
        parts = [f"not in sync: {clean(view.why)}" if view.why else "not in sync"]
    else:
        parts = ["in sync" if view.by_daemon else "nothing to change"]
    if view.standing_by:
        parts.insert(0, "standing by")
    if view.by_daemon:
        parts.append(f"generation {view.generation}")
    parts.append(f"facts from {clean(view.facts.provider or 'nobody')}")
    if view.foreign_rules:
        plural = "" if view.foreign_rules == 1 else "s"
        parts.append(f"{view.foreign_rules} foreign rule{plural} left alone")
    return ", ".join(parts)


def _notes(view: View) -> tuple[str, ...]:
    notes = [f"conflict: {conflict}" for conflict in view.conflicts]
    if view.facts.trouble:
        notes.append(f"metadata: {view.facts.trouble}")
    if not view.nics:
        notes.append("No NIC here could be an ENI.")
    notes += _policies(view)
    return tuple(clean(note, SENTENCE) for note in (*notes, *view.policies.notes, *view.notes))


def _policies(view: View) -> Iterator[str]:
    """What concerns the whole host and is asked before the NICs' rules, and what of it is due."""
    due = [str(operation) for operation in view.operations if not operation.seat]
    yield from (f"due for the whole host: {operation}" for operation in due[:POLICIES])
    rules = sorted({str(want.thing) for want in view.policies.rules})
    yield from (f"asked first: {rule}" for rule in rules[:POLICIES])
    if len(rules) > POLICIES:
        yield f"asked first: {len(rules) - POLICIES} more rules for the whole host"


def _tone(view: View, nic: NicView) -> Tone:
    word = state_word(view, nic)
    if nic.state is State.LEFT_ALONE:
        return Tone.QUIET
    if word.startswith(("drift", "not", "refused")):
        return Tone.BAD
    return Tone.GOOD if word == "in sync" else Tone.WARNING


def _head(view: View, nic: NicView, lane: str, *, lines: Sequence[Line], folded: bool) -> Node:
    state = state_word(view, nic)
    if nic.state is State.WAITING and nic.since_s is not None:
        state += f", {max(0, int(view.taken_at_s - nic.since_s))} s"
    return Node(
        lane,
        Kind.NIC,
        clean(nic.link.name, NAME),
        lane,
        lines=tuple(lines),
        eni=clean(nic.eni.id) if nic.eni else "",
        role=nic.role,
        state=state,
        tone=_tone(view, nic),
        folded=folded,
    )


def _folded(view: View, nic: NicView, lane: str, own: Drift) -> Node:
    """A NIC as one line: how many addresses, which table, what is out of step."""
    number = len(nic.addresses)
    words = f"{number} address{'' if number == 1 else 'es'}"
    words += f", table {nic.table}" if nic.kept else ", table main" if nic.eni else ""
    mark, told = own.tally()
    return _head(view, nic, lane, lines=[Line(words, mark=mark, told=told)], folded=True)


def _lane(view: View, nic: NicView, lane: str, own: Drift) -> Iterator[Part]:
    """A NIC drawn whole: its head, then its rows."""
    said = [nic.why] if nic.why and nic.kept else []
    said += nic.desired.notes
    if not nic.link.up and not any("is down" in note for note in said):
        said.append(f"{nic.link.name} is down")
    elif nic.link.up and not nic.link.carrier:
        said.append(f"{nic.link.name} has no carrier")
    lines = [Line(clean(note, SENTENCE)) for note in said]
    yield _head(view, nic, lane, lines=lines, folded=False)
    if nic.kept:
        yield from _kept(nic, lane, own)
    else:
        yield from _not_kept(nic, lane)


def _kept(nic: NicView, lane: str, own: Drift) -> Iterator[Part]:
    rows = [family for family in Family if _concerns(nic, family, own)]
    if not rows:
        yield _addresses(nic, lane, 0, tuple(Family))
        yield Node(f"{lane}rules0", Kind.NOTE, "rules", lane, 0, (Line("none to keep yet"),))
        yield Edge(f"{lane}addresses0", f"{lane}rules0")
    for row, family in enumerate(rows):
        yield _addresses(nic, lane, row, (family,))
        yield from _way_out(nic, lane, row, family, own)


def _concerns(nic: NicView, family: Family, own: Drift) -> bool:
    """Whether anything of a family is kept, out of step, or waiting for an address."""
    half = nic.eni.addressing(family) if nic.eni else None
    wants = (*nic.desired.rules, *nic.desired.routes)
    return (
        (half is not None and bool(half.addresses))
        or any(want.thing.family is family for want in wants)
        or any(thing.family is family for thing in own.unwanted)
    )


def _addresses(nic: NicView, lane: str, row: int, families: tuple[Family, ...]) -> Node:
    title = _family(families[0]) if len(families) == 1 else "addresses"
    lines = address_lines(nic, families)
    return Node(f"{lane}addresses{row}", Kind.ADDRESSES, title, lane, row, lines)


def _way_out(nic: NicView, lane: str, row: int, family: Family, own: Drift) -> Iterator[Part]:
    """Rules, table and gateway of one family, with the arrows between them."""
    half = nic.eni.addressing(family) if nic.eni else None
    gateway = half.gateway if half else None
    rules = rule_lines(own.rules(family, nic.desired.rules), nic.table)
    routes = route_lines(own.routes(family, nic.desired.routes), own, nic.table, gateway)
    name = f"table {nic.table}"
    rules = rules or (Line("none to keep yet"),)
    yield Node(f"{lane}rules{row}", Kind.RULES, "rules", lane, row, rules)
    yield Edge(f"{lane}addresses{row}", f"{lane}rules{row}")
    if not routes:
        return
    yield Node(f"{lane}table{row}", Kind.TABLE, name, lane, row, routes)
    yield Edge(f"{lane}rules{row}", f"{lane}table{row}", mark=marked(rules))
    out = Line(f"via {gateway}") if gateway else Line("no gateway: its subnet only")
    if not nic.link.up:
        out = Line("nothing leaves: the NIC is down")
    title = f"leaves by {clean(nic.link.name, NAME)}"
    yield Node(f"{lane}gateway{row}", Kind.GATEWAY, title, lane, row, (out,))
    defaults = [line for line in routes if line.lead == "default" and "(guard)" not in line.text]
    yield Edge(f"{lane}table{row}", f"{lane}gateway{row}", mark=marked(defaults))


def _not_kept(nic: NicView, lane: str) -> Iterator[Part]:
    """A NIC that follows main: left alone, waiting or refused."""
    yield _addresses(nic, lane, 0, tuple(Family))
    if nic.state is not State.LEFT_ALONE:
        lines = (Line(clean(nic.why, SENTENCE)), Line("until then table main decides"))
        yield Node(f"{lane}note0", Kind.NOTE, nic.state.value, lane, 0, lines)
        yield Edge(f"{lane}addresses0", f"{lane}note0")
        return
    line = Line(clean(nic.why, SENTENCE) if nic.why else "not srcroutd's to keep")
    yield Node(f"{lane}table0", Kind.TABLE, "table main", lane, 0, (line,))
    yield Edge(f"{lane}addresses0", f"{lane}table0", "no rules of srcroutd")
    halves = [nic.eni.v4, nic.eni.v6] if nic.eni else []
    gateways = tuple(Line(f"via {half.gateway}") for half in halves if half and half.gateway)
    if gateways:
        title = f"leaves by {clean(nic.link.name, NAME)}"
        yield Node(f"{lane}gateway0", Kind.GATEWAY, title, lane, 0, gateways)
        yield Edge(f"{lane}table0", f"{lane}gateway0")


def _leftovers(view: View, seat: int, own: Drift) -> Iterator[Part]:
    """What is still in the kernel of a NIC that is gone or no longer kept."""
    lane, table = f"seat{seat}", view.domain.table(seat)
    head = "its NIC is gone or no longer kept"
    yield Node(
        lane, Kind.NIC, f"number {seat}", lane, lines=(Line(head),), state="no NIC", tone=Tone.BAD
    )
    rows = [family for family in Family if own.rules(family, ()) or own.routes(family, ())]
    for row, family in enumerate(rows):
        rules = rule_lines(own.rules(family, ()), table)
        routes = route_lines(own.routes(family, ()), own, table, None)
        if rules:
            title = f"rules, {_family(family)}"
            yield Node(f"{lane}rules{row}", Kind.RULES, title, lane, row, rules)
        if routes:
            title = f"table {table}, {_family(family)}"
            yield Node(f"{lane}table{row}", Kind.TABLE, title, lane, row, routes)
        if rules and routes:
            yield Edge(f"{lane}rules{row}", f"{lane}table{row}", mark=marked(rules))


def _family(family: Family) -> str:
    return "IPv4" if family is Family.V4 else "IPv6"
