"""One question about one packet to all that an administrator should know of it, as values.

``questions`` says what the kernel is to be asked besides; ``explain`` then puts the walk, the
kernel's own answers, the way back, rp_filter and ARP side by side. A difference between the walk
and the kernel is kept, never smoothed over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from srcroutd.core.explain_arp import ArpVerdict, announcement, arp_verdicts
from srcroutd.core.explain_source import Choice, is_choice, rewriting, without_choice
from srcroutd.core.lookup import walk
from srcroutd.core.lookup_check import Check, check_source
from srcroutd.core.lookup_compare import Answer, differences
from srcroutd.core.lookup_values import MISMATCHES, Leaves, Packet, Rpdb, Spread, Walk
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import IP, Family, Route, RouteType, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.sysctls import ALL, Knob, Sysctl, why_in_force


@dataclass(frozen=True, slots=True)
class Look:
    """One walk and the kernel's answer to the same question (None: it was not asked)."""

    walk: Walk
    answer: Answer | None
    differs: tuple[str, ...]
    """Empty where both agree, and where the walk gave up."""

    @property
    def leaves_by(self) -> Leaves | None:
        """The way, None where there is none or it is not known; of several the kernel's choice."""
        match self.walk.end:
            case Leaves() as way:
                return way
            case Spread(ways=ways) if isinstance(self.answer, Route):
                chosen = (self.answer.oif, self.answer.gateway)
                return next((way for way in ways if (way.oif, way.gateway) == chosen), None)
            case _:
                return None


@dataclass(frozen=True, slots=True)
class NicCheck:
    """rp_filter on one NIC for a packet that comes in there."""

    nic: str
    packet: Packet
    check: Check
    in_force: str = ""
    """How the value comes about, as a clause."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A source that nftables rewrites: the mark that leads the packet, and the walk with it where
    there is another one.
    """

    snat: Snat
    mark: int
    look: Look | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say of one packet.

    ``again``: where the application bound no address, an IPv4 connection is looked up once more
    with the source that was chosen. ``before``: where a policy of ours led it, its way without our
    policies. ``rewritten``: what becomes of its source as it leaves. ``reply``: for a packet that
    comes in for this host, the way of the answer. ``owned`` are the rules and routes that decided
    and are ours, with the reason.
    """

    family: Family
    question: Look
    again: Look | None = None
    before: Look | None = None
    rewritten: Rewritten | None = None
    reply: Look | None = None
    checks: tuple[NicCheck, ...] = ()
    arp: tuple[ArpVerdict, ...] = ()
    notes: tuple[str, ...] = ()
    owned: tuple[tuple[Rule | Route, str], ...] = ()
    names: Mapping[int, str] | None = None

    def name(self, index: int) -> str:
        """The name of a NIC."""
        return (self.names or {}).get(index, f"if{index}")

    @property
    def looks(self) -> tuple[Look, ...]:
        """Every walk that was made."""
        marked = self.rewritten.look if self.rewritten else None
        return tuple(look for look in (self.question, self.again, marked, self.reply) if look)

    @property
    def symmetric(self) -> bool | None:
        """Whether the answer leaves by the NIC that the packet came in by; None: not known or no
        answer.
        """
        way = self.reply.leaves_by if self.reply else None
        return self.name(way.oif) == self.question.walk.packet.iif if way else None


def questions(rpdb: Rpdb, packet: Packet, choice: Choice = Choice()) -> tuple[Packet, ...]:  # noqa: B008 - a value
    """The packets that the kernel should be asked about, the question first."""
    end = walk(rpdb, packet).end
    found = [packet]
    for way in end.ways if isinstance(end, Spread) else (end,):
        rewrites = rewriting(choice, rpdb, packet, way) if isinstance(way, Leaves) else None
        marked = rewrites[1] if rewrites else None
        asked = (_again(packet, way), marked, _reply(packet, way))
        found += [one for one in asked if one is not None]
    return tuple(dict.fromkeys(found))


def _again(packet: Packet, end: object) -> Packet | None:
    """A connection's second look-up: IPv4 asks again with the source that it chose."""
    source = end.source if isinstance(end, Leaves) else None
    if packet.src is not None or packet.iif or source is None or packet.family is Family.V6:
        return None
    return replace(packet, src=source.ip) if source.ip is not None else None


def _reply(packet: Packet, end: object) -> Packet | None:
    """What this host answers to a packet that is for it."""
    if not packet.iif or packet.src is None or not isinstance(end, Leaves):
        return None
    local = end.route.type in {RouteType.LOCAL, RouteType.ANYCAST}
    return _answer(packet, packet.src, "") if local else None


def _answer(packet: Packet, to: IP, iif: str) -> Packet:
    """What answers a packet; its mark and type of service are the answerer's own."""
    return Packet(
        to,
        packet.dst,
        iif,
        proto=packet.proto,
        sport=packet.dport,
        dport=packet.sport,
        uid=packet.uid,
    )


def explain(
    rpdb: Rpdb,
    packet: Packet,
    answers: Mapping[Packet, Answer],
    because: Mapping[Rule | Route, str],
    choice: Choice = Choice(),  # noqa: B008 - a value
) -> Explanation:
    """Explain a packet. ``answers`` are the kernel's, to ``questions``; ``because`` is what is ours
    and why, ``choice`` what of it chooses sources.
    """
    question = _look(rpdb, packet, answers)
    end = question.leaves_by
    again, reply = _again(packet, end), _reply(packet, end)
    found = Explanation(
        rpdb.family,
        question,
        again=_look(rpdb, again, answers) if again else None,
        before=_before(rpdb, question, choice),
        rewritten=_rewritten(rpdb, question, answers, choice),
        reply=_look(rpdb, reply, answers) if reply else None,
        names={link.index: link.name for link in rpdb.links.values()},
    )
    return replace(
        found,
        checks=_checks(rpdb, found),
        arp=_arp(rpdb, found),
        notes=(*_notes(rpdb, found, choice), *filter(None, (choice.unread,))),
        owned=_owned(found, because),
    )


def _look(rpdb: Rpdb, packet: Packet, answers: Mapping[Packet, Answer]) -> Look:
    walked, answer = walk(rpdb, packet), answers.get(packet)
    return Look(walked, answer, () if answer is None else differences(rpdb, walked, answer))


def _before(rpdb: Rpdb, question: Look, choice: Choice) -> Look | None:
    """The same question without our policies, where one of them decided."""
    last = question.walk.steps[-1:]
    if not any(is_choice(step.rule, choice.domain) and step.matched for step in last):
        return None
    return _look(without_choice(rpdb, choice.domain), question.walk.packet, {})


def _rewritten(
    rpdb: Rpdb, question: Look, answers: Mapping[Packet, Answer], choice: Choice
) -> Rewritten | None:
    """What nftables makes of its source; None if it leaves by another NIC after all."""
    way = question.leaves_by
    rewrites = rewriting(choice, rpdb, question.walk.packet, way) if way else None
    if rewrites is None:
        return None
    snat, marked = rewrites
    look = _look(rpdb, marked, answers) if marked else None
    leaves = look.leaves_by if look else way
    if leaves is None or rpdb.name(leaves.oif) != snat.device:
        return None
    return Rewritten(snat, choice.mask.value(snat.number), look)


def _checks(rpdb: Rpdb, found: Explanation) -> tuple[NicCheck, ...]:
    """rp_filter: for a packet that comes in, on its NIC; for one that is sent, for the answer to it
    on every NIC with an address.
    """
    walked, way = found.question.walk, found.question.leaves_by
    packet = walked.packet
    if rpdb.family is Family.V6:
        return ()
    if packet.iif:
        here = (_checked(rpdb, packet, _goes_on(walked)),)
        return here if walked.steps else ()
    source = way.source.ip if way and way.source else None
    if way is None or source is None or way.route.type is not RouteType.UNICAST:
        return ()
    indexes = {own.address.index for own in rpdb.owns}
    nics = sorted(rpdb.name(index) for index in indexes if _is_nic(rpdb, index))
    answers = (_answer(packet, source, nic) for nic in nics)
    return tuple(_checked(rpdb, one, 0) for one in answers)


def _checked(rpdb: Rpdb, packet: Packet, oif: int) -> NicCheck:
    nic, read = packet.iif, rpdb.sysctls
    why = ""
    if nic in read.nics:
        values = {
            Sysctl(Knob.RP_FILTER, ALL): read.all.rp_filter,
            Sysctl(Knob.RP_FILTER, nic): read.nics[nic].rp_filter,
        }
        why = why_in_force(Sysctl(Knob.RP_FILTER, nic), values)
    return NicCheck(nic, packet, check_source(rpdb, packet, oif), why)


def _goes_on(walked: Walk) -> int:
    """The NIC that a packet goes on by, 0 for one that is for this host or goes nowhere."""
    route = walked.steps[-1].route if walked.steps else None
    return route.ways[0].oif if route and route.type is RouteType.UNICAST and route.ways else 0


def _is_nic(rpdb: Rpdb, index: int) -> bool:
    link = rpdb.links.get(index)
    return bool(link and link.up and not link.loopback)


def _sent(found: Explanation) -> tuple[Leaves, IP, IP] | None:
    """The way of what this host sends here, its source and who is asked for by ARP; None if nothing
    is sent, or not to a neighbour.
    """
    look = found.reply or found.question
    way = look.leaves_by
    source = way.source.ip if way and way.source else None
    if way is None or source is None or way.route.type is not RouteType.UNICAST:
        return None
    return way, source, way.gateway or look.walk.packet.dst


def _arp(rpdb: Rpdb, found: Explanation) -> tuple[ArpVerdict, ...]:
    """Who answers for our address when the next hop on its way asks."""
    sent = _sent(found)
    return arp_verdicts(rpdb, wanted=sent[1], asker=sent[2]) if sent else ()


def _notes(rpdb: Rpdb, found: Explanation, choice: Choice) -> Iterator[str]:
    """What else an administrator should know, a sentence each."""
    packet, way = found.question.walk.packet, found.question.leaves_by
    forwarded = packet.iif and way and way.route.type is RouteType.UNICAST
    if forwarded and rpdb.family is Family.V6 and not rpdb.sysctls.all6.forwarding:
        yield "net.ipv6.conf.all.forwarding is 0: this host drops it all the same"
    if forwarded and not packet.mark and (marked := _by_mark(found.question.walk, choice.domain)):
        yield marked
    if unsaid := _unsaid(found.question.walk):
        yield unsaid
    if isinstance(found.question.walk.end, Spread):
        yield _hashed(rpdb)
    sent = _sent(found)
    if sent:
        said = announcement(rpdb, rpdb.name(sent[0].oif), source=sent[1], hop=sent[2])
        if said:
            yield said


def _by_mark(walked: Walk, domain: Domain) -> str:
    """Which marks would have led a forwarded packet elsewhere; empty if there are none of ours."""
    rules = [step.rule for step in walked.steps if step.rule.mark and domain.owns_rule(step.rule)]
    if not rules:
        return ""
    marks = " or ".join(f"{mark:#x}" for mark in sorted({rule.mark for rule in rules}))
    return (
        "replies of a connection that came in by a NIC in mode connmark bear its mark; next: the "
        f"same with --mark {marks}"
    )


def _hashed(rpdb: Rpdb) -> str:
    """By what the kernel chooses among several ways."""
    version, policy = rpdb.family.everything.version, rpdb.sysctls.hash_policies.get(rpdb.family, 0)
    by = {
        0: "by destination, so all flows to one go one way",
        1: "by destination, protocol and ports",
        2: "by destination, of what is inside a tunnel",
    }.get(policy, "by the fields of fib_multipath_hash_fields")
    return f"flows are spread {by} (net.ipv{version}.fib_multipath_hash_policy is {policy})"


def _unsaid(walked: Walk) -> str:
    """What rules here ask for that the question does not say, and what the kernel takes for it;
    empty if there is nothing.
    """
    packet, rules = walked.packet, [step.rule for step in walked.steps]
    asked = [
        word
        for word, wanted in (
            ("a protocol", packet.proto is None and any(rule.ip_proto for rule in rules)),
            ("a source port", not packet.sport and any(rule.sport for rule in rules)),
            ("a destination port", not packet.dport and any(rule.dport for rule in rules)),
        )
        if wanted
    ]
    if not asked:
        return ""
    taken = "udp" if packet.family is Family.V4 else "none"
    return (
        f"rules here ask for {' and '.join(asked)}, which the question does not give"
        f"{f' (the kernel takes {taken})' if packet.proto is None else ''}"
    )


def _owned(
    found: Explanation, because: Mapping[Rule | Route, str]
) -> tuple[tuple[Rule | Route, str], ...]:
    """What of ours decided: the last rule of each walk, and its route."""
    owned: dict[Rule | Route, str] = {}
    for look in found.looks:
        for step in look.walk.steps[-1:]:
            for thing in (step.rule, step.route):
                if thing is not None and step.outcome not in MISMATCHES and thing in because:
                    owned.setdefault(thing, because[thing])
    return tuple(owned.items())
