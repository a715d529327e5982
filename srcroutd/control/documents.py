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

from srcroutd.control.parts import (
    DomainDocument,
    FactsDocument,
    NicDocument,
    OperationDocument,
    PoliciesDocument,
    RefusalDocument,
    StatusNicDocument,
)

VERSION = 1
"""What ``version`` says in each document, and the first folder of each path."""

LevelWord = Literal["critical", "error", "warning", "notice", "info"]


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
    policies: PoliciesDocument
    operations: Sequence[OperationDocument]


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
