"""The view as drop-ins for systemd-networkd's .network files, one a NIC.

Promise: with the drop-in, networkd makes the same rules and routes as the daemon, with networkd's
own protocol number (static); only the pair of rules that saves strangers' packets some time is left
out, because networkd 252 has no goto. Format: systemd.network(5).
"""

from srcroutd.core.net import Action, Family, Route, RouteType, Rule, Scope, span
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.kept import Kept, Line, comment, kept, short
from srcroutd.export.quoting import NotSayable

DIRECTORY = {False: "/etc/systemd/network", True: "/run/systemd/network"}
"""Where .network files and their drop-ins live; what is in /run is gone after a reboot."""

_PROTOCOLS = frozenset(
    (
        *(1, 2, 4, 6, 8, 12, 17, 22, 29, 33, 41, 43, 44, 46, 47, 50, 51, 58, 92, 94, 98, 103, 108),
        *(132, 136, 137, 255),
    )
)
"""IPPROTO_* in netinet/in.h, from which networkd takes its names."""
_NO_USER = 65535
"""-1 where a uid had 16 bits."""


def networkd(view: View, *, temporary: bool = False) -> tuple[Document, ...]:
    """A drop-in for each kept NIC. Raises NotSayable."""
    return tuple(_document(nic, DIRECTORY[temporary]) for nic in kept(view))


def _document(nic: Kept, directory: str) -> Document:
    name = f"50-srcroutd-{nic.name}.conf"
    apply = (
        f"networkctl status {nic.name} names its .network file; call that file's last part FILE, "
        f"put this at {directory}/FILE.d/{name} and type: networkctl reload."
    )
    sections = "".join(
        f"\n# {entry.because}\n{text}"
        for family in Family
        for entry in nic.of(family)
        if (text := _section(entry))
    )
    return Document(
        name, f"{directory}/FILE.d/{name}", comment((*nic.heading, *_REMARKS)) + sections, apply
    )


_REMARKS = (
    "",
    "Written by srcroutctl export networkd. FILE is the .network file that governs this NIC.",
    "It must govern this NIC alone: where it matches several (Name=eth*), copy it to a name that",
    "sorts before it, with PermanentMACAddress= in its [Match], and put this below the copy.",
    "",
    "This instead of srcroutd, not beside it: what networkd makes is networkd's. For others'",
    "rules and routes, networkd deletes what it did not make when it (re)starts, unless",
    "networkd.conf says ManageForeignRoutingPolicyRules=no and ManageForeignRoutes=no.",
    "A reload may take the NIC's addresses away for a moment.",
    "",
    "Left out: the rules with goto and nop, which networkd cannot say and which only save time.",
)


def _section(entry: Line) -> str:
    """One section, empty for what is left out."""
    match entry.thing:
        case Rule(action=Action.GOTO | Action.NOP):
            return ""
        case Rule():
            return _settings("RoutingPolicyRule", _rule(_sayable(entry.thing)))
        case Route():
            return _settings("Route", _route(entry.thing))


def _settings(section: str, pairs: list[tuple[str, object]]) -> str:
    lines = [f"{key}={value}" for key, value in pairs if value not in {None, ""}]
    return "\n".join([f"[{section}]", *lines, ""])


def _rule(rule: Rule) -> list[tuple[str, object]]:
    suppress = rule.suppress_prefixlength
    return [
        ("Family", "ipv4" if rule.family is Family.V4 else "ipv6"),
        ("Priority", rule.priority),
        ("InvertRule", "yes" if rule.invert else None),
        ("From", rule.src and short(rule.src)),
        ("To", rule.dst and short(rule.dst)),
        ("TypeOfService", rule.tos or None),
        ("FirewallMark", f"{rule.mark}/{rule.mask}" if rule.mark or rule.mask else None),
        ("IncomingInterface", rule.iif),
        ("OutgoingInterface", rule.oif),
        ("User", rule.uids and f"{rule.uids[0]}-{rule.uids[1]}"),
        ("IPProtocol", rule.ip_proto or None),
        ("SourcePort", rule.sport and span(rule.sport)),
        ("DestinationPort", rule.dport and span(rule.dport)),
        ("Table", rule.table or None),
        ("Type", None if rule.action is Action.LOOKUP else rule.action.name.lower()),
        ("SuppressPrefixLength", suppress if suppress >= 0 else None),
    ]


def _sayable(rule: Rule) -> Rule:
    """The rule, where networkd understands each line of it. A line that it does not is skipped, and
    the rule made without it.
    """
    trouble = ""
    if rule.ip_proto and rule.ip_proto not in _PROTOCOLS:
        trouble = f"networkd knows no protocol {rule.ip_proto}"
    if rule.uids and _NO_USER in rule.uids:
        trouble = f"networkd takes {_NO_USER} for no user"
    if trouble:
        raise NotSayable(f"rule {rule}: {trouble}; next: srcroutctl export iproute2")
    return rule


def _route(route: Route) -> list[tuple[str, object]]:
    return [
        ("Destination", route.dst),
        ("Type", None if route.type is RouteType.UNICAST else route.type.name.lower()),
        ("Gateway", route.gateway),
        # Else the kernel looks for the gateway by these very rules, and finds this table's guard
        # where networkd, which keeps no order among its routes, puts the subnet in later.
        ("GatewayOnLink", "yes" if route.gateway else None),
        ("PreferredSource", route.prefsrc),
        ("Scope", "link" if route.scope is Scope.LINK else None),
        ("Table", route.table),
        ("Metric", route.metric or None),
    ]
