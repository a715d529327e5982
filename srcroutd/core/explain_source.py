"""Who decides the source of a connection: what it would be without our policies, and what nftables
makes of it as it leaves.
"""

from dataclasses import dataclass, replace

from srcroutd.core.lookup_values import Leaves, Packet, Rpdb
from srcroutd.core.marking import Mask
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import Rule
from srcroutd.core.numbering import Domain


@dataclass(frozen=True, slots=True)
class Choice:
    """What of ours can choose a source: the numbers of our rules, and the rewritten sources that
    stand in the kernel's table, with the mask of their marks.

    ``unread`` says why the table could not be read, empty if it was or there is none.
    """

    domain: Domain = Domain()
    mask: Mask = Mask()
    snats: tuple[Snat, ...] = ()
    unread: str = ""


def is_choice(rule: Rule, domain: Domain) -> bool:
    """Whether it is a rule of ours that leads new connections elsewhere."""
    egress = rule.priority in domain.egress or rule.priority in domain.rewritten
    return egress and domain.owns_rule(rule)


def without_choice(rpdb: Rpdb, domain: Domain) -> Rpdb:
    """The same host without those rules."""
    return replace(rpdb, rules=tuple(rule for rule in rpdb.rules if not is_choice(rule, domain)))


def rewriting(
    choice: Choice, rpdb: Rpdb, packet: Packet, way: Leaves
) -> tuple[Snat, Packet | None] | None:
    """What rewrites the source of a packet that begins a connection and would go this way, and the
    packet with the mark that is looked up once more, None where the way is right already; None if
    nothing does.
    """
    device = rpdb.name(way.oif)
    source = packet.src or (way.source.ip if way.source else None)
    link = rpdb.links.get(way.oif)
    if source is None or (link and link.loopback) or packet.mark & choice.mask.bits:
        return None
    for snat in choice.snats:
        if _means(snat, packet):
            if source == snat.source:
                return None
            value = choice.mask.value(snat.number)
            marked = replace(packet, src=source, mark=packet.mark | value)
            return snat, None if device == snat.device and not packet.iif else marked
    return None


def _means(snat: Snat, packet: Packet) -> bool:
    """Whether these connections are meant."""
    if packet.iif and (not snat.outer or packet.iif in snat.outer):
        return False
    user = None if packet.iif else packet.uid
    return (
        snat.family is packet.family
        and (not snat.to or any(packet.dst in prefix for prefix in snat.to))
        and (not snat.ip_proto or snat.ip_proto == packet.proto)
        and (not snat.port or snat.port[0] <= packet.dport <= snat.port[1])
        and (not snat.uids or user is None or snat.uids[0] <= user <= snat.uids[1])
        and packet.mark & snat.mask == snat.mark
    )
