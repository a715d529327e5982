"""The shapes that the control socket and every ``--json`` speak: plain values, made for ``jq``.

Within one version fields may be added; none is removed and none changes its meaning. Every key is
always there: null says that there is none. Times are RFC 3339 in UTC (``_at``) and, where a program
has to come back from it, Unix seconds (``_at_s``). docs/control.md explains each field.

The classes are written or read once and compared by nobody, so they do without what a frozen
dataclass generates: that would cost every call of the command line 10 ms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

VERSION = 1
"""What ``version`` says in each document, and the first folder of each path."""

FamilyWord = Literal["ipv4", "ipv6"]
StateWord = Literal["managed", "left alone", "waiting", "refused", "kept"]
RoleWord = Literal["primary", "secondary"]
VerbWord = Literal["add", "replace", "delete"]
LevelWord = Literal["critical", "error", "warning", "notice", "info"]
PhaseWord = Literal["put routes", "add rules", "delete rules", "delete routes"]


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
    beyond: Sequence[int]
    """Netlink attributes that srcroutd does not model; only strangers' objects have any."""


@dataclass(kw_only=True, repr=False, eq=False)
class RouteDocument:
    """One route: as you would type it after ``ip``, and field by field."""

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
    """One change: of a rule or of a route, the other is null."""

    text: str
    verb: VerbWord
    phase: PhaseWord
    nic: str | None
    eni: str | None
    seat: int
    because: str
    rule: RuleDocument | None
    route: RouteDocument | None
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
    mode: str | None
    addresses: Sequence[AddressDocument]
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
class BandDocument:
    """Numbers from ``first`` to ``last``, both included."""

    first: int
    last: int


@dataclass(kw_only=True, repr=False, eq=False)
class DomainDocument:
    """What marks a rule or route as ours."""

    protocol: int
    priorities: BandDocument
    tables: BandDocument


@dataclass(kw_only=True, repr=False, eq=False)
class ViewDocument:
    """Everything: GET /v1/view."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.view"] = "srcroutd.view"
    srcroutd: str
    taken_at: str
    taken_at_s: float
    by_daemon: bool
    in_sync: bool
    why: str
    standing_by: bool
    generation: int
    changed_at: str | None
    changed_at_s: float | None
    facts: FactsDocument
    domain: DomainDocument
    foreign_rules: int
    conflicts: Sequence[str]
    notes: Sequence[str]
    nics: Sequence[NicDocument]
    operations: Sequence[OperationDocument]


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
    mode: str | None
    due: int
    addresses: Sequence[str]
    gateways: Sequence[str]
    notes: Sequence[str]


@dataclass(kw_only=True, repr=False, eq=False)
class StatusDocument:
    """How it stands, without rules and routes: GET /v1/status."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.status"] = "srcroutd.status"
    srcroutd: str
    taken_at: str
    by_daemon: bool
    in_sync: bool
    why: str
    standing_by: bool
    generation: int
    changed_at: str | None
    provider: str
    read_at: str | None
    trouble: str
    due: int
    foreign_rules: int
    conflicts: Sequence[str]
    notes: Sequence[str]
    nics: Sequence[StatusNicDocument]


@dataclass(kw_only=True, repr=False, eq=False)
class PlanDocument:
    """What would change now, in order: GET /v1/plan."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.plan"] = "srcroutd.plan"
    srcroutd: str
    taken_at: str
    by_daemon: bool
    standing_by: bool
    trouble: str
    add: int
    replace: int
    delete: int
    foreign_rules: int
    notes: Sequence[str]
    operations: Sequence[OperationDocument]


@dataclass(kw_only=True, repr=False, eq=False)
class RefusalDocument:
    """An operation that the kernel did not take: its errno and its words."""

    operation: OperationDocument
    errno: int
    words: str


@dataclass(kw_only=True, repr=False, eq=False)
class CleanupDocument:
    """What a cleanup removed, or with ``dry_run`` would remove: POST /v1/cleanup."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.cleanup"] = "srcroutd.cleanup"
    dry_run: bool
    operations: Sequence[OperationDocument]
    refused: Sequence[RefusalDocument]
    foreign_rules: int


@dataclass(kw_only=True, repr=False, eq=False)
class EntryDocument:
    """One entry of the record, a line of GET /v1/watch.

    ``event`` "not-delivered" stands for entries that a slow reader did not get; ``fields.missed``
    says how many. ``message_id`` is the journal's MESSAGE_ID.
    """

    version: Literal[1] = 1
    kind: Literal["srcroutd.entry"] = "srcroutd.entry"
    time: str
    time_s: float
    event: str
    message_id: str
    level: LevelWord
    message: str
    fields: Mapping[str, str]

    def json(self) -> str:
        """The entry as JSON on one line, without its end."""
        from srcroutd.control.encode import to_line

        return to_line(self).rstrip("\n")


@dataclass(kw_only=True, repr=False, eq=False)
class ErrorDocument:
    """Why there is no other answer: what, where, what next. ``exit_code`` is srcroutctl's."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.error"] = "srcroutd.error"
    status: int
    message: str
    exit_code: int


@dataclass(kw_only=True, repr=False, eq=False)
class IndexDocument:
    """What there is: GET /. Paths with what they answer, and the names of the schemas."""

    version: Literal[1] = 1
    kind: Literal["srcroutd.index"] = "srcroutd.index"
    srcroutd: str
    paths: Mapping[str, str]
    schemas: Sequence[str]


Document = (
    ViewDocument
    | StatusDocument
    | PlanDocument
    | CleanupDocument
    | EntryDocument
    | ErrorDocument
    | IndexDocument
)
"""Whatever stands alone; the others are parts."""
