"""The parts of documents: rules, routes, operations, ENIs, NICs. ``documents`` puts them together.

Every key is always there: null says that there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from srcroutd.core.desired import ModeWord
from srcroutd.core.operation import ThingWord

FamilyWord = Literal["ipv4", "ipv6"]
StateWord = Literal["managed", "left alone", "waiting", "refused", "kept"]
RoleWord = Literal["primary", "secondary"]
VerbWord = Literal["add", "replace", "delete"]
PhaseWord = Literal[
    "assign addresses",
    "set sysctls",
    "put routes",
    "add rules",
    "put marks",
    "delete marks",
    "delete rules",
    "delete routes",
    "restore sysctls",
    "remove addresses",
]


@dataclass(kw_only=True, repr=False, eq=False)
class BandDocument:
    """Numbers from ``first`` to ``last``, both included."""

    first: int
    last: int


@dataclass(kw_only=True, repr=False, eq=False)
class RuleDocument:
    """One rule: as you would type it after ``ip``, and field by field."""

    text: str
    family: FamilyWord
    priority: int
    action: str
    table: int | None
    src: str | None
    dst: str | None
    iif: str | None
    oif: str | None
    mark: int
    mask: int
    invert: bool
    goto: int | None
    suppress_prefixlength: int | None
    protocol: int
    tos: int
    ip_proto: int | None
    sport: BandDocument | None
    dport: BandDocument | None
    uids: BandDocument | None
    beyond: Sequence[int]
    """Netlink attributes that srcroutd does not model; only strangers' objects have any."""


@dataclass(kw_only=True, repr=False, eq=False)
class PathDocument:
    """One of several ways of a route; ``weight``, from 1 to 256, is its share."""

    gateway: str | None
    oif: int
    dev: str | None
    weight: int
    onlink: bool


@dataclass(kw_only=True, repr=False, eq=False)
class RouteDocument:
    """One route: as you would type it after ``ip``, and field by field.

    ``paths`` has two ways or more, or none: then ``gateway`` and ``oif`` are the only one.
    """

    text: str
    family: FamilyWord
    table: int
    dst: str
    type: str
    gateway: str | None
    oif: int | None
    dev: str | None
    prefsrc: str | None
    metric: int
    scope: str
    onlink: bool
    protocol: int
    paths: Sequence[PathDocument]
    beyond: Sequence[int]


@dataclass(kw_only=True, repr=False, eq=False)
class WantedRuleDocument(RuleDocument):
    """A rule that should stand, and why."""

    because: str


@dataclass(kw_only=True, repr=False, eq=False)
class WantedRouteDocument(RouteDocument):
    """A route that should stand, and why."""

    because: str


@dataclass(kw_only=True, repr=False, eq=False)
class OperationDocument:
    """One change: of a rule, of a route, or of what is neither and is told in words; the others are
    null.
    """

    text: str
    verb: VerbWord
    phase: PhaseWord
    nic: str | None
    eni: str | None
    seat: int
    because: str
    kind: ThingWord
    rule: RuleDocument | None
    route: RouteDocument | None
    words: str | None
    replaces: RouteDocument | None


@dataclass(kw_only=True, repr=False, eq=False)
class AddressingDocument:
    """One family of an ENI, as the cloud tells it; the primary address is the first."""

    addresses: Sequence[str]
    subnet: str | None
    gateway: str | None
    prefixes: Sequence[str]


@dataclass(kw_only=True, repr=False, eq=False)
class EniDocument:
    """The cloud's object behind a NIC."""

    id: str
    mac: str
    ipv4: AddressingDocument | None
    ipv6: AddressingDocument | None


@dataclass(kw_only=True, repr=False, eq=False)
class AddressDocument:
    """An address that the kernel has on a NIC."""

    address: str
    prefix_length: int
    scope: str
    secondary: bool
    tentative: bool


@dataclass(kw_only=True, repr=False, eq=False)
class NicDocument:
    """One NIC with all that is known and wanted of it."""

    name: str
    index: int
    mac: str
    up: bool
    carrier: bool
    link_kind: str | None
    master: int | None
    loopback: bool
    eni: EniDocument | None
    role: RoleWord | None
    state: StateWord
    condition: str
    why: str
    since: str | None
    since_s: float | None
    seat: int | None
    table: int | None
    priority: int | None
    mode: ModeWord | None
    addresses: Sequence[AddressDocument]
    rules: Sequence[WantedRuleDocument]
    routes: Sequence[WantedRouteDocument]
    notes: Sequence[str]


@dataclass(kw_only=True, repr=False, eq=False)
class PoliciesDocument:
    """What should be for the whole host, as of one NIC."""

    rules: Sequence[WantedRuleDocument]
    routes: Sequence[WantedRouteDocument]
    notes: Sequence[str]


@dataclass(kw_only=True, repr=False, eq=False)
class FactsDocument:
    """Where the facts come from, and how fresh they are."""

    provider: str
    read_at: str | None
    read_at_s: float | None
    trouble: str


@dataclass(kw_only=True, repr=False, eq=False)
class DomainDocument:
    """What marks a rule or route as ours."""

    protocol: int
    priorities: BandDocument
    tables: BandDocument
    policies: BandDocument
    main_metrics: Sequence[BandDocument]
    """Metrics of defaults in table main that are ours."""


@dataclass(kw_only=True, repr=False, eq=False)
class StatusNicDocument:
    """One line of the status."""

    name: str
    mac: str
    eni: str | None
    role: RoleWord | None
    state: StateWord
    condition: str
    why: str
    since: str | None
    table: int | None
    priority: int | None
    mode: ModeWord | None
    due: int
    addresses: Sequence[str]
    gateways: Sequence[str]
    notes: Sequence[str]


@dataclass(kw_only=True, repr=False, eq=False)
class RefusalDocument:
    """An operation that the kernel did not take: its errno and its words."""

    operation: OperationDocument
    errno: int
    words: str
