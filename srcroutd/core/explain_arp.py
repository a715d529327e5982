"""IPv4: which NICs answer when a neighbour asks who has one of our addresses (ARP).

Written after arp_process, arp_ignore and arp_filter in net/ipv4/arp.c. Two NICs in one subnet both
answer for both addresses by default, and rules by source do not change that.
"""

from dataclasses import dataclass

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_values import Beyond, Leaves, Own, Packet, Refused, Rpdb, Spread
from srcroutd.core.net import IP, Family, RouteType, Scope

_NO_PROTOCOL = 0
"""A question by ARP is looked up as a packet that has none."""


@dataclass(frozen=True, slots=True)
class ArpVerdict:
    """Whether ``nic`` answers for an address; ``answers`` is None where that cannot be known."""

    nic: str
    answers: bool | None
    why: str


def arp_verdicts(rpdb: Rpdb, wanted: IP, asker: IP) -> tuple[ArpVerdict, ...]:
    """A verdict for each NIC that stands in the subnet of ``asker``, by name.

    Nothing for IPv6, and nothing where fewer than two NICs stand there: then there is no doubt.
    """
    if rpdb.family is Family.V6:
        return ()
    sharing = sorted(
        {
            rpdb.name(own.address.index)
            for own in rpdb.owns
            if asker in own.network and _hears(rpdb, own)
        }
    )
    if len(sharing) < 2:
        return ()
    return tuple(_verdict(rpdb, nic, wanted, asker) for nic in sharing)


def _hears(rpdb: Rpdb, own: Own) -> bool:
    link = rpdb.links.get(own.address.index)
    return bool(link and link.up and link.carrier and not link.loopback)


def _verdict(rpdb: Rpdb, nic: str, wanted: IP, asker: IP) -> ArpVerdict:
    """What one NIC does with the question "who has ``wanted``, tell ``asker``"."""
    end = walk(rpdb, Packet(wanted, asker, iif=nic, proto=_NO_PROTOCOL)).end
    match end:
        case Beyond(why=why):
            return ArpVerdict(nic, None, why)
        case Refused(why=why):
            return ArpVerdict(nic, answers=False, why=why)
        case Spread():
            return ArpVerdict(nic, answers=False, why=f"{wanted} is no address of this host")
        case Leaves(route=route) if route.type is not RouteType.LOCAL:
            return ArpVerdict(nic, answers=False, why=f"{wanted} is no address of this host")
    ignored = _ignored(rpdb, nic, wanted, asker)
    if ignored:
        return ArpVerdict(nic, answers=False, why=ignored)
    if rpdb.sysctls.in_force(nic).arp_filter:
        return _filtered(rpdb, nic, wanted, asker)
    mode = rpdb.sysctls.in_force(nic).arp_ignore
    why = f"nothing forbids it (arp_ignore {mode})" if mode else "any NIC answers (arp_ignore 0)"
    return ArpVerdict(nic, answers=True, why=why)


def _ignored(rpdb: Rpdb, nic: str, wanted: IP, asker: IP) -> str:
    """Why arp_ignore keeps a NIC silent; empty if it does not."""
    mode = rpdb.sysctls.in_force(nic).arp_ignore
    here = [own for own in rpdb.owns if own.address.ip == wanted]
    on_nic = [own for own in here if rpdb.name(own.address.index) == nic]
    if mode == 1 and not on_nic:
        return f"{wanted} is not on {nic} (arp_ignore 1)"
    if mode == 2 and not any(asker in own.network for own in on_nic):
        return f"{wanted} is not on {nic} in the asker's subnet (arp_ignore 2)"
    if mode == 3 and not any(own.address.scope < Scope.HOST for own in here):
        return f"{wanted} is of scope host (arp_ignore 3)"
    return "never answers (arp_ignore 8)" if mode == 8 else ""


def _filtered(rpdb: Rpdb, nic: str, wanted: IP, asker: IP) -> ArpVerdict:
    """With arp_filter a NIC answers only if what comes from that address would leave by it."""
    end = walk(rpdb, Packet(asker, wanted, proto=_NO_PROTOCOL)).end
    match end:
        case Beyond(why=why):
            return ArpVerdict(nic, None, why)
        case Leaves(oif=oif) if rpdb.name(oif) == nic:
            return ArpVerdict(nic, answers=True, why=f"{wanted} leaves by {nic} (arp_filter)")
        case Leaves(oif=oif):
            why = f"{wanted} leaves by {rpdb.name(oif)}, not {nic} (arp_filter)"
            return ArpVerdict(nic, answers=False, why=why)
        case Spread():
            return ArpVerdict(nic, None, f"{wanted} leaves by one of several NICs (arp_filter)")
        case Refused():
            return ArpVerdict(nic, answers=False, why=f"{wanted} has no way out (arp_filter)")


def announcement(rpdb: Rpdb, nic: str, source: IP, hop: IP) -> str:
    """What to know of the ARP question for ``hop`` that goes out by ``nic``; empty if nothing.

    It bears the packet's source, unless arp_announce has it bear an address of the NIC.
    """
    if rpdb.family is Family.V6:
        return ""
    on_nic = [own for own in rpdb.owns if rpdb.name(own.address.index) == nic]
    if any(own.address.ip == source for own in on_nic):
        return ""
    mode = rpdb.sysctls.in_force(nic).arp_announce
    if mode == 0 or (
        mode == 1 and any(source in own.network and hop in own.network for own in on_nic)
    ):
        return (
            f"{nic} asks for {hop} in the name of {source}, which is not on it: "
            "neighbours may then send to the wrong NIC (arp_announce 2 would prevent it)"
        )
    return ""
