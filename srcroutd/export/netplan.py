"""The view as YAML for netplan: what netplan can say of it, and plainly what it cannot.

netplan's routing-policy knows from, to, table, priority, mark and type-of-service: neither
suppress_prefixlength nor a NIC. Of the three tiers of an address only the last can be said, so that
whatever ``main`` knows of containers, VPNs and static routes no longer counts for packets that bear
the address. The header says so and points to networkd's drop-ins, which netplan leaves alone.
"""

from srcroutd.core.net import MAIN_TABLE, Action, Route, RouteType, Rule, Scope
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.kept import Kept, Line, comment, kept, short

DIRECTORY = {False: "/etc/netplan", True: "/run/netplan"}
GUARD_METRIC = 2147483647
"""netplan 0.106 writes a larger metric as a negative number, which networkd then ignores."""


def netplan(view: View, *, temporary: bool = False) -> tuple[Document, ...]:
    """One YAML file for all kept NICs. Raises NotSayable."""
    nics = kept(view)
    if not nics:
        return ()
    path = f"{DIRECTORY[temporary]}/90-srcroutd.yaml"
    apply = (
        "See that netplan get ethernets knows each NIC by the name used here, put it at "
        f"{path} with mode 0600 and type: netplan try. "
        "Recommended instead, for it keeps all tiers: srcroutctl export networkd."
    )
    body = "".join(_nic(nic) for nic in nics)
    text = f"{comment(_losses(nics))}network:\n  version: 2\n  ethernets:\n{body}"
    return (Document("90-srcroutd.yaml", path, text, apply),)


def _losses(nics: tuple[Kept, ...]) -> tuple[str, ...]:
    rules = [entry for nic in nics for entry in nic.rules]
    lost = sum(not _sayable(entry.thing) for entry in rules)
    return (
        "Written by srcroutctl export netplan.",
        "",
        f"NOT THE SAME AS SRCROUTD: {lost} of {len(rules)} rules cannot be said in netplan.",
        "- Packets with an ENI's address no longer follow the routes of table main: containers,",
        "  VPNs and static routes do not reach that address, nor it them. For each such network",
        "  add a line like this to routing-policy, with the first priority of the NIC:",
        '    {to: "172.17.0.0/16", table: 254, priority: 18010}',
        "- Sockets bound to a device (SO_BINDTODEVICE) but to no address use table main.",
        f"- The guard's metric is {GUARD_METRIC}: netplan writes larger ones as negative numbers.",
        "",
        "Recommended instead, where netplan's renderer is networkd: drop-ins, which netplan",
        "leaves alone. They keep all of it: srcroutctl export networkd, each to be put at",
        *(f"  /etc/systemd/network/10-netplan-{nic.name}.network.d/" for nic in nics),
        "",
        "The names below ethernets: must be those by which netplan knows the NICs already",
        "(netplan get ethernets), else it takes them for new NICs without addresses.",
    )


def _nic(nic: Kept) -> str:
    routes = "".join(_item(entry, _route(entry.thing)) for entry in nic.routes)
    rules = "".join(
        _item(entry, _rule(entry.thing)) for entry in nic.rules if _sayable(entry.thing)
    )
    text = f'{comment(nic.heading, "    # ")}    "{nic.name}":\n'
    if routes:
        text += f"      routes:\n{routes}"
    if rules:
        text += f"      routing-policy:\n{rules}"
    return text


def _item(entry: Line, pairs: list[tuple[str, object]]) -> str:
    """A mapping in one line below its reason; every value that is no number or word is quoted."""
    said = ", ".join(f"{key}: {value}" for key, value in pairs if value is not None)
    return f"        # {entry.because}\n        - {{{said}}}\n"


def _sayable(rule: Rule) -> bool:
    """Whether a rule does in netplan what it is there for.

    That a delegated prefix is looked up in main can be said but for its suppress_prefixlength: what
    is lost by that are packets to containers that are not there.
    """
    if rule.action is not Action.LOOKUP or rule.iif or rule.oif:
        return False
    if rule.ip_proto or rule.sport or rule.dport or rule.uids:
        return False
    if rule.invert or (rule.mark and rule.mask != 2**32 - 1):
        return False
    containers = rule.table == MAIN_TABLE and rule.dst is not None
    return rule.suppress_prefixlength < 0 or containers


def _rule(rule: Rule) -> list[tuple[str, object]]:
    # netplan wants one of the two, and takes the family from it.
    source = rule.src or (None if rule.dst else rule.family.everything)
    return [
        ("from", _quoted(source and short(source))),
        ("to", _quoted(rule.dst and short(rule.dst))),
        ("mark", rule.mark or None),
        ("type-of-service", rule.tos or None),
        ("table", rule.table),
        ("priority", rule.priority),
    ]


def _route(route: Route) -> list[tuple[str, object]]:
    guard = route.type is RouteType.UNREACHABLE
    return [
        ("to", _quoted(route.dst)),
        ("type", None if route.type is RouteType.UNICAST else route.type.name.lower()),
        ("via", _quoted(route.gateway)),
        ("on-link", "true" if route.gateway else None),  # As for networkd, and for its reason.
        ("from", _quoted(route.prefsrc)),
        ("scope", "link" if route.scope is Scope.LINK else None),
        ("table", route.table),
        ("metric", GUARD_METRIC if guard else route.metric or None),
    ]


def _quoted(value: object) -> str | None:
    return f'"{value}"' if value is not None else None
