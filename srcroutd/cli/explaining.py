"""An explanation as lines for people and as JSON for programs."""

from collections.abc import Iterator, Sequence
from errno import errorcode
from itertools import groupby
from typing import Any

from srcroutd.cli.paint import BOLD, GREEN, RED, YELLOW, columns, paint
from srcroutd.core.explain import Explanation, Look, Rewritten
from srcroutd.core.lookup_check import Mode
from srcroutd.core.lookup_values import MISMATCHES, Beyond, Leaves, Packet, Refused, Spread, Step
from srcroutd.core.net import IP, Route, RouteType, Rule, table_name

MANY = 3
"""This many rules in a row that do not match for one reason are told in one line."""
MECHANISMS = {1: "bound by the application", 2: "the route says so", 3: "the kernel searched"}


def render(found: Explanation, at_most: int | None, *, every: bool = False) -> list[str]:
    """The explanation as lines; ``every`` tells each rule on its own."""
    lines = _told(found, found.question, at_most, every=every)
    again = found.again
    if again and _way(again) != _way(found.question):
        lines += ["", "with that source the connection is looked up once more:"]
        lines += _told(found, again, at_most, every=every)
    lines += [*_before(found), *_rewritten(found, at_most, every=every)]
    if found.reply:
        packet = found.reply.walk.packet
        ends = f"from {packet.src}{_port(packet.sport)} to {packet.dst}{_port(packet.dport)}"
        lines += ["", f"the reply, {ends}:"]
        lines += [*_told(found, found.reply, at_most, every=every), _symmetry(found)]
    return [*lines, *_verdicts(found)]


def as_json(found: Explanation) -> dict[str, Any]:
    """The explanation as plain values; the shape is version 1."""
    return {
        "version": 1,
        "kind": "srcroutd.explain",
        "question": _look_json(found, found.question),
        "again": _look_json(found, found.again) if found.again else None,
        "before": _look_json(found, found.before) if found.before else None,
        "rewritten": _rewritten_json(found, found.rewritten) if found.rewritten else None,
        "reply": _look_json(found, found.reply) if found.reply else None,
        "symmetric": found.symmetric,
        "agrees": not any(look.differs for look in found.looks),
        "rp_filter": [
            {"nic": one.nic, "mode": one.check.mode.name.lower(), "passes": one.check.passes,
             "why": one.check.why}
            for one in found.checks
        ],
        "arp": [{"nic": one.nic, "answers": one.answers, "why": one.why} for one in found.arp],
        "notes": list(found.notes),
        "ours": [
            {"kind": _kind(thing), "text": str(thing), "because": why} for thing, why in found.owned
        ],
    }  # fmt: skip


def _look_json(found: Explanation, look: Look) -> dict[str, Any]:
    way, packet = look.leaves_by, look.walk.packet
    source = way.source if way else None
    return {
        "to": str(packet.dst),
        "from": _text(packet.src),
        "iif": packet.iif or None,
        "oif": packet.oif or None,
        "mark": packet.mark,
        "tos": packet.tos,
        "proto": packet.proto,
        "sport": packet.sport or None,
        "dport": packet.dport or None,
        "uid": packet.uid,
        "steps": [
            {"priority": step.rule.priority, "rule": str(step.rule), "matched": step.matched,
             "outcome": step.outcome.name.lower().replace("_", "-"), "why": step.why,
             "route": _text(step.route)}
            for step in look.walk.steps
        ],
        "verdict": _verdict_word(look),
        "why": look.walk.end.why if isinstance(look.walk.end, Refused | Beyond) else None,
        "leaves_by": found.name(way.oif) if way and way.oif else None,
        "gateway": _text(way.gateway) if way else None,
        "ways": [
            {"nic": found.name(one.oif), "gateway": _text(one.gateway),
             "source": _text(one.source.ip) if one.source else None}
            for one in (look.walk.end.ways if isinstance(look.walk.end, Spread) else ())
        ],
        "route": _text(way.route) if way else None,
        "source": _text(source.ip) if source else None,
        "source_mechanism": source.mechanism if source else None,
        "source_why": source.why if source else None,
        "kernel": _kernel(found, look),
        "differs": list(look.differs),
    }  # fmt: skip


def _rewritten_json(found: Explanation, rewritten: Rewritten) -> dict[str, Any]:
    return {
        "source": str(rewritten.snat.source),
        "nic": rewritten.snat.device,
        "mark": rewritten.mark,
        "look": _look_json(found, rewritten.look) if rewritten.look else None,
    }


def _verdict_word(look: Look) -> str:
    match look.walk.end:
        case Leaves() as way:
            return "local" if way.route.type in {RouteType.LOCAL, RouteType.ANYCAST} else "leaves"
        case Spread():
            return "spread"
        case Refused():
            return "refused"
        case Beyond():
            return "beyond"


def _told(found: Explanation, look: Look, at_most: int | None, *, every: bool) -> list[str]:
    """The rules that were asked, the verdict, and where the source comes from."""
    rows = list(_rows(look.walk.steps, every=every))
    lines = columns(rows)
    if at_most is not None and max(map(len, lines), default=0) > at_most:
        short = columns([row[:2] for row in rows])
        pairs = zip(short, rows, strict=True)
        lines = [line for text, row in pairs for line in (text, f"         {row[2]}")]
    return [*lines, _verdict(found, look), *_source(found, look)]


def _rows(steps: Sequence[Step], *, every: bool) -> Iterator[tuple[str, str, str]]:
    for outcome, group in groupby(steps, key=lambda step: step.outcome):
        run = list(group)
        if outcome in MISMATCHES and len(run) >= MANY and not every:
            first, last = run[0].rule.priority, run[-1].rule.priority
            span = str(first) if first == last else f"{first}..{last}"
            yield span, f"{len(run)} rules {outcome.value}", "no match"
            continue
        for step in run:
            priority, _, words = str(step.rule).partition(": ")
            yield f"{priority:>5}", words, step.why or (str(step.route) if step.route else "")


def _verdict(found: Explanation, look: Look) -> str:
    match look.walk.end:
        case Leaves() as way if way.route.type in {RouteType.LOCAL, RouteType.ANYCAST}:
            said = paint("is for this host", BOLD)
        case Leaves() as way:
            hop = f"next hop {way.gateway}" if way.gateway else "directly on the link"
            said = f"{paint(f'leaves by {found.name(way.oif)}', BOLD)}, {hop}"
        case Spread(ways=ways):
            names = " or ".join(dict.fromkeys(found.name(way.oif) for way in ways))
            chosen = look.leaves_by
            hop = f": for this one by {found.name(chosen.oif)}" if chosen else ""
            said = f"{paint(f'leaves by {names}', BOLD)}{hop}"
            if chosen and chosen.gateway:
                said += f", next hop {chosen.gateway}"
        case Refused() as refused:
            said = f"{paint('does not leave', RED)}: {refused.why}"
        case Beyond() as beyond:
            kernel = _kernel(found, look)
            said = f"{paint('beyond what is modelled here', YELLOW)}: {beyond.why}"
            return f"{said}; the kernel itself says: {kernel or 'it was not asked'}"
    return f"{said}; {_agreement(look)}"


def _agreement(look: Look) -> str:
    if look.answer is None:
        return "the kernel was not asked: it answers for tcp, udp and icmp only"
    if not look.differs:
        return paint("the kernel agrees", GREEN)
    return paint(f"BUT THE KERNEL DISAGREES: {'; '.join(look.differs)}", RED)


def _source(found: Explanation, look: Look) -> Iterator[str]:
    way = look.leaves_by
    if way and way.source and look.walk.packet.src is None:
        source = way.source
        word = MECHANISMS[source.mechanism]
        chosen = f"source {source.ip}" if source.ip else "no source address"
        why = dict(found.owned).get(way.route) if source.ip == way.route.prefsrc else None
        whose = f" ({why})" if why else ""
        yield f"{chosen}: {source.why}{whose}; mechanism {source.mechanism} of 3: {word}"


def _before(found: Explanation) -> Iterator[str]:
    """In a line, what a policy of ours has changed."""
    look = found.before
    way = look.leaves_by if look else None
    if way:
        hop = f", next hop {way.gateway}" if way.gateway else ""
        source = way.source
        chosen = f"; source {source.ip}: {source.why}" if source and source.ip else ""
        yield f"without srcroutd's policies: leaves by {found.name(way.oif)}{hop}{chosen}"
    elif look and isinstance(look.walk.end, Refused | Beyond):
        yield f"without srcroutd's policies: {look.walk.end.why}"


def _rewritten(found: Explanation, at_most: int | None, *, every: bool) -> Iterator[str]:
    """The walk with the mark, and the source that it leaves with."""
    rewritten = found.rewritten
    if rewritten is None:
        return
    snat = rewritten.snat
    if rewritten.look:
        yield ""
        yield f"if it begins a connection, nftables gives it mark {rewritten.mark:#x}, and then:"
        yield from _told(found, rewritten.look, at_most, every=every)
    yield f"source {snat.source}: rewritten by nftables as it leaves by {snat.device} (SNAT)"


def _symmetry(found: Explanation) -> str:
    packet = found.question.walk.packet
    if found.symmetric:
        return paint(f"comes in by {packet.iif} and is answered by {packet.iif}", GREEN)
    way = found.reply.leaves_by if found.reply else None
    if way is None:
        return paint(f"comes in by {packet.iif} and gets no answer that is known here", YELLOW)
    other = found.name(way.oif)
    return paint(
        f"COMES IN BY {packet.iif} AND IS ANSWERED BY {other}: the cloud drops it",
        RED,
    )


def _verdicts(found: Explanation) -> Iterator[str]:
    yield from _rp_filter(found)
    yield from _arp(found)
    yield from found.notes
    for thing, why in found.owned:
        where = thing.priority if isinstance(thing, Rule) else f"in table {thing.table}"
        yield f"{_kind(thing)} {where} is ours: {why}"


def _rp_filter(found: Explanation) -> Iterator[str]:
    """A line for each NIC where rp_filter is on, one for all those where it is off."""
    off = [one.nic for one in found.checks if one.check.mode is Mode.OFF and one.check.passes]
    if off:
        yield f"rp_filter is off on {', '.join(off)}: it drops nothing there"
    word = {True: "lets in", False: paint("DROPS", RED), None: "may or may not let in"}
    for one in found.checks:
        if one.nic not in off:
            mode, about = one.check.mode, one.packet
            packet = f"{word[one.check.passes]} what comes from {about.src} to {about.dst}"
            yield f"rp_filter {mode.value} ({mode.name.lower()}) on {one.nic} {packet}"
            yield f"  {one.check.why}"
            if one.in_force:
                yield f"  {one.in_force}"


def _arp(found: Explanation) -> Iterator[str]:
    """Who answers ARP for the address, those with one reason in one line."""
    said = {True: "answer", False: "do not answer", None: "may or may not answer"}
    for (answers, why), group in groupby(found.arp, key=lambda one: (one.answers, one.why)):
        yield f"ARP for it: {', '.join(one.nic for one in group)} {said[answers]}: {why}"


def _kernel(found: Explanation, look: Look) -> str | None:
    """The kernel's own answer in words."""
    answer = look.answer
    if answer is None:
        return None
    if isinstance(answer, int):
        return f"refused with {errorcode.get(answer, answer)}"
    if answer.type is not RouteType.UNICAST:
        return f"{answer.type.name.lower()} by table {table_name(answer.table)}"
    hop = f" via {answer.gateway}" if answer.gateway else ""
    return f"out by {found.name(answer.oif)}{hop}, table {table_name(answer.table)}"


def _way(look: Look) -> object:
    way = look.leaves_by
    return (way.oif, way.gateway, way.route) if way else look.walk.end


def _port(port: int) -> str:
    return f" port {port}" if port else ""


def _kind(thing: Rule | Route) -> str:
    return "rule" if isinstance(thing, Rule) else "route"


def _text(thing: IP | Route | Packet | None) -> str | None:
    return None if thing is None else str(thing)
