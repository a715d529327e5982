"""The walk along the rules: which of them a packet meets, and what the one that decides says.

Written after fib_rules_lookup and fib_rule_match in net/core/fib_rules.c. A rule matches, does not
match, or may match, because it has a selector that our types do not model. What is unknown never
hides what is known: a rule whose known selectors differ cannot match, whatever else it has; and a
rule that may match is passed by where both answers lead on to the next rule.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from srcroutd.core.ip_protocols import ip_protocol_name
from srcroutd.core.lookup_values import Outcome, Packet, Rpdb, Step
from srcroutd.core.net import (
    IP,
    Action,
    Family,
    Network,
    Route,
    RouteType,
    Rule,
    network_of,
    span,
    table_name,
)

LOOPBACK_INDEX = 1
"""lo, which every network namespace has."""
REFUSALS = {
    RouteType.BLACKHOLE: errno.EINVAL,
    RouteType.UNREACHABLE: errno.EHOSTUNREACH,
    RouteType.PROHIBIT: errno.EACCES,
}
_RULE_REFUSALS = {
    Action.BLACKHOLE: errno.EINVAL,
    Action.UNREACHABLE: errno.ENETUNREACH,
    Action.PROHIBIT: errno.EACCES,
}
_FLOW, _SUPPRESS_IFGROUP, _L3MDEV = 11, 13, 19
_MASKED_PORTS = frozenset((23, 24))
_NO_SELECTORS = frozenset((_FLOW, _SUPPRESS_IFGROUP))
"""A realm decides nothing here, an interface group only about a route that was found."""
_SELECTORS = {
    0: "an unknown action",
    12: "a tunnel id",
    19: "a VRF",
    23: "source ports with a mask",
    24: "destination ports with a mask",
    25: "a DSCP",
    26: "a flow label",
}
"""FRA_*: the words for what a rule has beyond our types."""
_UDP = 17
_DSCP = {Family.V4: 0x1C, Family.V6: 0xFC}
"""The bits of a packet's type of service that ``tos`` of a rule is compared with."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A packet as the rules see it, NICs by ifindex; ``iif`` is lo's for what this host sends."""

    dst: IP
    src: IP | None
    iif: int = LOOPBACK_INDEX
    oif: int = 0
    mark: int = 0
    tos: int = 0
    proto: int = 0
    sport: int = 0
    dport: int = 0
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What one table has for a flow: its best route, none, or ``doubt``, which says what we do not
    model. The route may be one that refuses or throws.
    """

    route: Route | None = None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the RPDB says: a route, a refusal (``refusal`` is its errno), or ``doubt``.

    ``instead`` are errnos that the kernel may give in place of ``refusal``.
    """

    steps: tuple[Step, ...]
    rule: Rule | None = None
    route: Route | None = None
    refusal: int = 0
    why: str = ""
    doubt: str = ""
    instead: frozenset[int] = frozenset()

    @property
    def errnos(self) -> frozenset[int]:
        """The errnos of a refusal."""
        return self.instead | {self.refusal}


def flow_of(packet: Packet, iif: int = LOOPBACK_INDEX, oif: int = 0) -> Flow:
    """The flow of a packet that is sent, or that came in by ``iif``: no user sent that, so it
    counts as root's.
    """
    unsaid = _UDP if packet.family is Family.V4 else 0
    return Flow(
        packet.dst,
        packet.src,
        iif,
        oif,
        packet.mark,
        packet.tos,
        unsaid if packet.proto is None else packet.proto,
        packet.sport,
        packet.dport,
        0 if packet.iif else packet.uid,
    )


Look = Callable[[int], Found]
"""The best route of a table, by the family's way of searching."""


def asks_transport(rule: Rule) -> bool:
    """Whether a rule asks for a protocol or ports."""
    known = rule.ip_proto or rule.sport or rule.dport
    return bool(known) or not _MASKED_PORTS.isdisjoint(rule.beyond)


def walk_rules(rpdb: Rpdb, flow: Flow, look: Look) -> Verdict:
    """Go along the rules until one decides."""
    steps: list[Step] = []
    place = 0
    while place < len(rpdb.rules):
        rule = rpdb.rules[place]
        step, target = _step(rpdb, rule, flow, look)
        steps.append(step)
        match step.outcome:
            case Outcome.CHOSEN:
                return Verdict(tuple(steps), rule, step.route)
            case Outcome.REFUSED:
                return Verdict(tuple(steps), rule, step.route, _errno(step), step.why)
            case Outcome.BEYOND:
                return Verdict(tuple(steps), rule, step.route, doubt=step.why)
            case Outcome.JUMPED:
                place = target
            case _:
                place += 1
    return Verdict(tuple(steps), refusal=errno.ENETUNREACH, why="no rule leads to a route")


def _errno(step: Step) -> int:
    return REFUSALS[step.route.type] if step.route else _RULE_REFUSALS[step.rule.action]


def _step(rpdb: Rpdb, rule: Rule, flow: Flow, look: Look) -> tuple[Step, int]:
    """What comes of one rule, and where a jump leads."""
    mismatch = _mismatch(rpdb, rule, flow)
    doubt = "" if mismatch else _unknown_selector(rule)
    if bool(mismatch) is not rule.invert and not doubt:
        outcome, why = mismatch or (Outcome.NOT_INVERTED, "all that follows its `not` matches")
        return Step(rule, outcome, why), 0
    acted, target = _act(rpdb, rule, look)
    if doubt and acted.outcome in {Outcome.CHOSEN, Outcome.REFUSED, Outcome.JUMPED}:
        return Step(
            rule, Outcome.BEYOND, f"rule {rule.priority} selects by {doubt}", acted.route
        ), 0
    return acted, target


def _mismatch(rpdb: Rpdb, rule: Rule, flow: Flow) -> tuple[Outcome, str] | None:
    """The first known selector that differs, and how."""
    if rule.iif and _index(rpdb, rule.iif) != flow.iif:
        return Outcome.OTHER_IIF, f"does not come in by {rule.iif}{_absent(rpdb, rule.iif)}"
    if rule.oif and _index(rpdb, rule.oif) != flow.oif:
        return Outcome.OTHER_OIF, f"no socket bound to {rule.oif}{_absent(rpdb, rule.oif)}"
    if (rule.mark ^ flow.mark) & rule.mask:
        return Outcome.OTHER_MARK, f"mark is not {rule.mark:#x}/{rule.mask:#x}"
    if rule.uids and not rule.uids[0] <= flow.uid <= rule.uids[1]:
        return Outcome.OTHER_USER, f"user {flow.uid} is not {_among(rule.uids)}"
    if rule.dst and flow.dst not in rule.dst:
        return Outcome.OTHER_DESTINATION, f"destination is not {_words(rule.dst)}"
    if rule.src and not _covers_source(rule.src, flow.src):
        return Outcome.OTHER_SOURCE, f"source is not {_words(rule.src)}"
    if rule.asks_more and (other := _other_header(rule, flow)):
        return other
    if _L3MDEV in rule.beyond and not any(link.kind == "vrf" for link in rpdb.links.values()):
        return Outcome.OTHER_IIF, "there is no VRF here"
    return None


def _other_header(rule: Rule, flow: Flow) -> tuple[Outcome, str] | None:
    """What a rule asks of the header that differs."""
    if rule.tos and rule.tos != flow.tos & _DSCP[rule.family]:
        return Outcome.OTHER_TOS, f"type of service {flow.tos:#04x} is not {rule.tos:#04x}"
    if rule.ip_proto and rule.ip_proto != flow.proto:
        wanted = ip_protocol_name(rule.ip_proto)
        if flow.proto == 0:
            return Outcome.OTHER_PROTOCOL, f"no protocol is given, {wanted} is asked for"
        return Outcome.OTHER_PROTOCOL, f"protocol {ip_protocol_name(flow.proto)} is not {wanted}"
    for which, ports, port, outcome in (
        ("source", rule.sport, flow.sport, Outcome.OTHER_SOURCE_PORT),
        ("destination", rule.dport, flow.dport, Outcome.OTHER_DESTINATION_PORT),
    ):
        if ports and not ports[0] <= port <= ports[1]:
            if port == 0:
                return outcome, f"no {which} port is given, {span(ports)} is asked for"
            return outcome, f"{which} port {port} is not {_among(ports)}"
    return None


def _among(ends: tuple[int, int]) -> str:
    return span(ends) if ends[0] == ends[1] else f"among {span(ends)}"


def _index(rpdb: Rpdb, name: str) -> int:
    """The NIC's ifindex; that of a missing NIC equals no other, as in the kernel."""
    link = rpdb.link_named(name)
    return link.index if link else -1


def _absent(rpdb: Rpdb, name: str) -> str:
    return "" if rpdb.link_named(name) else ", which does not exist"


def _covers_source(prefix: Network, src: IP | None) -> bool:
    """Without a source IPv4 compares 0.0.0.0; in IPv6 then only ``from all`` matches."""
    if src is not None:
        return src in prefix
    if Family.of(prefix) is Family.V6:
        return prefix.prefixlen == 0
    return int(prefix.network_address) == 0


def _words(prefix: Network) -> str:
    address = prefix.network_address
    return str(address if prefix == network_of(address) else prefix)


def _unknown_selector(rule: Rule) -> str:
    """The word for a selector that we cannot compare, empty if there is none."""
    for number in rule.beyond:
        if number not in _NO_SELECTORS:
            return _SELECTORS.get(number, f"attribute {number}")
    return ""


def _act(rpdb: Rpdb, rule: Rule, look: Look) -> tuple[Step, int]:
    """What a rule that matches does."""
    match rule.action:
        case Action.NOP:
            return Step(rule, Outcome.NOTHING, "does nothing"), 0
        case Action.GOTO:
            for place, other in enumerate(rpdb.rules):
                if other.priority == rule.goto:
                    return Step(rule, Outcome.JUMPED, f"go on at {rule.goto}"), place
            return Step(rule, Outcome.NOWHERE, f"there is no rule {rule.goto} to go to"), 0
        case Action.LOOKUP:
            return _look_up(rule, look), 0
        case _:
            return Step(rule, Outcome.REFUSED, f"rule {rule.priority} refuses it"), 0


def _look_up(rule: Rule, look: Look) -> Step:
    """What comes of asking a table: suppression spares routes that refuse, as in the kernel."""
    found = look(rule.table)
    route = found.route
    if found.doubt:
        return Step(rule, Outcome.BEYOND, found.doubt, route)
    if route is None:
        return Step(rule, Outcome.NO_ROUTE, f"no match in table {table_name(rule.table)}")
    if route.type is RouteType.THROW:
        return Step(rule, Outcome.THROWN, "a throw: go on at the next rule", route)
    if route.type in REFUSALS:
        return Step(rule, Outcome.REFUSED, "a route refuses it", route)
    if route.dst.prefixlen <= rule.suppress_prefixlength:
        what = "the default" if route.dst.prefixlen == 0 else str(route.dst)
        return Step(rule, Outcome.SUPPRESSED, f"the best route is {what}, suppressed", route)
    if _SUPPRESS_IFGROUP in rule.beyond:
        why = f"rule {rule.priority} suppresses by interface group"
        return Step(rule, Outcome.BEYOND, why, route)
    return Step(rule, Outcome.CHOSEN, "", route)
