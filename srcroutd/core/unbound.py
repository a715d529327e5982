"""Rules that only new connections of this host meet which bound no address: the one kind of packet
whose way may still be chosen.

IPv4 looks up a flow without source as if it came from 0.0.0.0, and a rule can ask for just that.
An IPv6 rule with a source prefix never matches such a flow (fib6_rule_match, net/ipv6/ip6_fib.c),
so there it is told the other way round: whatever has a source jumps over the whole section, from
its first priority to its last, and only what has none walks through. The first and the last
priority of ``Domain.egress`` are kept for that; all that chooses a NIC lies between.
"""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from srcroutd.core.desired import Want
from srcroutd.core.net import Action, Family, Network, Rule, network_of
from srcroutd.core.numbering import Domain
from srcroutd.core.refusals import METADATA_SERVICES

_NO_SOURCE = IPv4Network("0.0.0.0/32")
_ANY_SOURCE = (IPv6Network("::/1"), IPv6Network("8000::/1"))
"""Every address there is; ``::/0`` would be no selector at all and match what has no source too."""


KEPT: tuple[Network, ...] = (
    *(IPv4Network("100.64.0.0/10"), IPv4Network("169.254.0.0/16"), IPv4Network("224.0.0.0/3")),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
    *sorted(map(network_of, (ip for ip in METADATA_SERVICES if ip.version == 6)), key=str),
)
"""What a wider prefix does not mean: the cloud's metadata and name servers, multicast, broadcast.

Somebody who wants one of them says so.
"""


def section(domain: Domain) -> range:
    """The priorities between the jumps and where they lead."""
    return domain.egress[1:-1]


def only_unbound(rule: Rule) -> Rule:
    """The rule for packets that this host sends from no address yet; it must not have a source, and
    in IPv6 must lie in ``section`` and have ``jumps`` beside it.
    """
    return replace(rule, src=_NO_SOURCE if rule.family is Family.V4 else None, iif="lo")


def jumps(domain: Domain) -> tuple[Want, ...]:
    """What leads IPv6 packets that have a source past the section; wanted wherever a rule of
    ``only_unbound`` is.
    """
    because = "packets that bear an address already keep their way"
    over = tuple(
        Want(
            Rule(
                Family.V6,
                domain.egress[0],
                action=Action.GOTO,
                goto=domain.egress[-1],
                src=prefix,
                protocol=domain.protocol,
            ),
            because,
        )
        for prefix in _ANY_SOURCE
    )
    return (*over, landing(domain, Family.V6))


def landing(domain: Domain, family: Family) -> Want:
    """Where a jump over the section, or the rest of it, leads to."""
    rule = Rule(family, domain.egress[-1], action=Action.NOP, protocol=domain.protocol)
    return Want(rule, "the end of what chooses the NIC of new connections")
