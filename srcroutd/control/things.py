"""The kernel's and the cloud's nouns to documents and back: rule, route, address, ENI, operation.

Going back, values are made from the fields, never from the text. 0 and the empty string become null
where they mean that there is none.
"""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from srcroutd.control.parts import (
    AddressDocument,
    AddressingDocument,
    BandDocument,
    EniDocument,
    FamilyWord,
    OperationDocument,
    PathDocument,
    PhaseWord,
    RouteDocument,
    RuleDocument,
    WantedRouteDocument,
    WantedRuleDocument,
)
from srcroutd.core.desired import Want
from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.net import Action, Address, Family, Path, Route, RouteType, Rule, Scope
from srcroutd.core.operation import Chore, Operation, Phase, Thing, ThingKind

_FAMILY: dict[Family, FamilyWord] = {Family.V4: "ipv4", Family.V6: "ipv6"}
_PHASE: dict[Phase, PhaseWord] = {
    Phase.ASSIGN_ADDRESSES: "assign addresses",
    Phase.SET_SYSCTLS: "set sysctls",
    Phase.PUT_ROUTES: "put routes",
    Phase.ADD_RULES: "add rules",
    Phase.PUT_MARKS: "put marks",
    Phase.DELETE_MARKS: "delete marks",
    Phase.DELETE_RULES: "delete rules",
    Phase.DELETE_ROUTES: "delete routes",
    Phase.RESTORE_SYSCTLS: "restore sysctls",
    Phase.REMOVE_ADDRESSES: "remove addresses",
}
_FAMILY_OF = {word: family for family, word in _FAMILY.items()}
_PHASE_OF = {word: phase for phase, word in _PHASE.items()}
_SCOPE = {scope.value: scope.name.lower() for scope in Scope}
_SCOPE_OF = {word: number for number, word in _SCOPE.items()}


def rule_document(rule: Rule) -> RuleDocument:
    """A rule, for people and back."""
    return RuleDocument(**_rule_fields(rule))


def wanted_rule_document(want: Want) -> WantedRuleDocument:
    """A wanted rule with its reason."""
    assert isinstance(want.thing, Rule)  # noqa: S101 - NicDesired.rules holds nothing else
    return WantedRuleDocument(**_rule_fields(want.thing), because=want.because)


def _rule_fields(rule: Rule) -> dict[str, Any]:
    return {
        "text": f"{_six(rule.family)}rule {rule}",
        "family": _FAMILY[rule.family],
        "priority": rule.priority,
        "action": rule.action.name.lower(),
        "table": rule.table or None,
        "src": _text(rule.src),
        "dst": _text(rule.dst),
        "iif": rule.iif or None,
        "oif": rule.oif or None,
        "mark": rule.mark,
        "mask": rule.mask,
        "invert": rule.invert,
        "goto": rule.goto or None,
        "suppress_prefixlength": None
        if rule.suppress_prefixlength < 0
        else rule.suppress_prefixlength,
        "protocol": rule.protocol,
        "tos": rule.tos,
        "ip_proto": rule.ip_proto or None,
        "sport": _band(rule.sport),
        "dport": _band(rule.dport),
        "uids": _band(rule.uids),
        "beyond": rule.beyond,
    }


def rule_of(document: RuleDocument) -> Rule:
    """The rule that a document tells. Raises ValueError."""
    suppress = document.suppress_prefixlength
    return Rule(
        family=_FAMILY_OF[document.family],
        priority=document.priority,
        action=Action[_name(document.action, Action)],
        table=document.table or 0,
        src=ip_network(document.src) if document.src else None,
        dst=ip_network(document.dst) if document.dst else None,
        iif=document.iif or "",
        oif=document.oif or "",
        mark=document.mark,
        mask=document.mask,
        invert=document.invert,
        goto=document.goto or 0,
        suppress_prefixlength=-1 if suppress is None else suppress,
        protocol=document.protocol,
        beyond=tuple(document.beyond),
        tos=document.tos,
        ip_proto=document.ip_proto or 0,
        sport=_ends(document.sport),
        dport=_ends(document.dport),
        uids=_ends(document.uids),
    )


def _band(ends: tuple[int, int] | None) -> BandDocument | None:
    return BandDocument(first=ends[0], last=ends[1]) if ends else None


def _ends(band: BandDocument | None) -> tuple[int, int] | None:
    return (band.first, band.last) if band else None


def route_document(route: Route) -> RouteDocument:
    """A route, for people and back."""
    return RouteDocument(**_route_fields(route))


def wanted_route_document(want: Want) -> WantedRouteDocument:
    """A wanted route with its reason."""
    assert isinstance(want.thing, Route)  # noqa: S101 - NicDesired.routes holds nothing else
    return WantedRouteDocument(**_route_fields(want.thing), because=want.because)


def _route_fields(route: Route) -> dict[str, Any]:
    return {
        "text": f"{_six(route.family)}route {route}",
        "family": _FAMILY[route.family],
        "table": route.table,
        "dst": str(route.dst),
        "type": route.type.name.lower(),
        "gateway": _text(route.gateway),
        "oif": route.oif or None,
        "dev": route.dev or None,
        "prefsrc": _text(route.prefsrc),
        "metric": route.metric,
        "scope": route.scope.name.lower(),
        "onlink": route.onlink,
        "protocol": route.protocol,
        "paths": [_path_document(path) for path in route.paths],
        "beyond": route.beyond,
    }


def _path_document(path: Path) -> PathDocument:
    return PathDocument(
        gateway=_text(path.gateway),
        oif=path.oif,
        dev=path.dev or None,
        weight=path.weight,
        onlink=path.onlink,
    )


def route_of(document: RouteDocument) -> Route:
    """The route that a document tells. Raises ValueError."""
    return Route(
        family=_FAMILY_OF[document.family],
        table=document.table,
        dst=ip_network(document.dst),
        type=RouteType[_name(document.type, RouteType)],
        gateway=ip_address(document.gateway) if document.gateway else None,
        oif=document.oif or 0,
        dev=document.dev or "",
        prefsrc=ip_address(document.prefsrc) if document.prefsrc else None,
        metric=document.metric,
        scope=Scope[_name(document.scope, Scope)],
        onlink=document.onlink,
        protocol=document.protocol,
        beyond=tuple(document.beyond),
        paths=tuple(map(_path_of, document.paths)),
    )


def _path_of(document: PathDocument) -> Path:
    gateway = ip_address(document.gateway) if document.gateway else None
    return Path(document.oif, gateway, document.dev or "", document.weight, document.onlink)


def operation_document(operation: Operation, nic: str, eni: str) -> OperationDocument:
    """An operation; ``nic`` and ``eni`` are the names of its seat, empty where nobody sits."""
    thing, replaces = operation.thing, operation.replaces
    return OperationDocument(
        text=str(operation),
        verb=operation.verb,
        phase=_PHASE[operation.phase],
        nic=nic or None,
        eni=eni or None,
        seat=operation.seat,
        because=operation.because,
        kind=operation.kind.value,
        rule=rule_document(thing) if isinstance(thing, Rule) else None,
        route=route_document(thing) if isinstance(thing, Route) else None,
        words=thing.words if isinstance(thing, Chore) else None,
        replaces=route_document(replaces) if replaces else None,
    )


def operation_of(document: OperationDocument) -> Operation:
    """The operation that a document tells; its key is the text. Raises ValueError."""
    thing: Thing
    if document.rule is not None:
        thing = rule_of(document.rule)
    elif document.route is not None:
        thing = route_of(document.route)
    elif document.words is not None:
        thing = Chore(ThingKind(document.kind), document.words)
    else:
        raise ValueError("an operation is of a rule, of a route or of something in words")
    return Operation(
        phase=_PHASE_OF[document.phase],
        verb=document.verb,
        key=document.text,
        thing=thing,
        seat=document.seat,
        because=document.because,
        replaces=route_of(document.replaces) if document.replaces else None,
    )


def address_document(address: Address) -> AddressDocument:
    """An address of a NIC."""
    interface = address.interface
    return AddressDocument(
        address=str(interface.ip),
        prefix_length=interface.network.prefixlen,
        scope=_SCOPE.get(address.scope, str(address.scope)),
        secondary=address.secondary,
        tentative=address.tentative,
    )


def address_of(document: AddressDocument, index: int) -> Address:
    """The address that a document tells, on the NIC with this ifindex. Raises ValueError."""
    scope = _SCOPE_OF.get(document.scope)
    return Address(
        index=index,
        interface=ip_interface(f"{document.address}/{document.prefix_length}"),
        scope=int(document.scope) if scope is None else scope,
        secondary=document.secondary,
        tentative=document.tentative,
    )


def eni_document(eni: Eni) -> EniDocument:
    """An ENI."""
    return EniDocument(
        id=eni.id, mac=eni.mac, ipv4=_addressing_document(eni.v4), ipv6=_addressing_document(eni.v6)
    )


def eni_of(document: EniDocument) -> Eni:
    """The ENI that a document tells. Raises ValueError."""
    return Eni(
        document.id, document.mac, _addressing_of(document.ipv4), _addressing_of(document.ipv6)
    )


def _addressing_document(half: Addressing | None) -> AddressingDocument | None:
    if half is None:
        return None
    return AddressingDocument(
        addresses=tuple(map(str, half.addresses)),
        subnet=_text(half.subnet),
        gateway=_text(half.gateway),
        prefixes=tuple(map(str, half.prefixes)),
    )


def _addressing_of(document: AddressingDocument | None) -> Addressing | None:
    if document is None:
        return None
    return Addressing(
        tuple(map(ip_address, document.addresses)),
        ip_network(document.subnet) if document.subnet else None,
        ip_address(document.gateway) if document.gateway else None,
        tuple(map(ip_network, document.prefixes)),
    )


def _six(family: Family) -> str:
    return "-6 " if family is Family.V6 else ""


def _text(thing: object) -> str | None:
    return None if thing is None else str(thing)


def _name(word: str, choices: Any) -> str:
    """The member of an enumeration that is written ``word``. Raises ValueError."""
    name = word.upper()
    if name not in choices.__members__:
        raise ValueError(f"{word[:40]!r} is not known")
    return name
