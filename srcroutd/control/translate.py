"""The view becomes documents, and ``ViewDocument`` a view again.

Status and plan are for people and go one way. ``view_of(view_document(view))`` is equal to the view
in everything that readers use; an operation's key becomes its text.
"""

import time
from functools import partial

from srcroutd import __version__
from srcroutd.control.documents import (
    CleanupDocument,
    EntryDocument,
    LevelWord,
    PlanDocument,
    StatusDocument,
    ViewDocument,
)
from srcroutd.control.encode import Each, to_text
from srcroutd.control.parts import (
    BandDocument,
    DomainDocument,
    FactsDocument,
    NicDocument,
    OperationDocument,
    PoliciesDocument,
    RefusalDocument,
    RoleWord,
    StatusNicDocument,
)
from srcroutd.control.things import (
    address_document,
    address_of,
    eni_document,
    eni_of,
    operation_document,
    operation_of,
    route_of,
    rule_of,
    wanted_route_document,
    wanted_rule_document,
)
from srcroutd.core.desired import NicDesired, Want
from srcroutd.core.entry import Entry, Level
from srcroutd.core.join import State
from srcroutd.core.net import Link, Scope
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Operation
from srcroutd.core.view import Cleaned, Facts, NicView, Refusal, View, state_word

"""How every kept NIC is routed today."""

_LEVEL: dict[Level, LevelWord] = {
    Level.CRITICAL: "critical",
    Level.ERROR: "error",
    Level.WARNING: "warning",
    Level.NOTICE: "notice",
    Level.INFO: "info",
}


def rfc3339(seconds: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{thousandths:03d}Z"


def status_json(view: View) -> str:
    """What ``srcroutctl status --json`` prints."""
    return to_text(status_document(view))


def plan_json(view: View) -> str:
    """What ``srcroutctl plan --json`` prints."""
    return to_text(plan_document(view))


def view_json(view: View) -> str:
    """The whole view for a file or a program."""
    return to_text(view_document(view))


def view_document(view: View) -> ViewDocument:
    """Everything. Its long lists are lazy: each part is made when it is looked at."""
    return ViewDocument(
        srcroutd=__version__,
        taken_at=rfc3339(view.taken_at_s),
        taken_at_s=view.taken_at_s,
        by_daemon=view.by_daemon,
        in_sync=view.in_sync,
        why=view.why,
        standing_by=view.standing_by,
        generation=view.generation,
        changed_at=_when(view.changed_at_s),
        changed_at_s=view.changed_at_s,
        facts=FactsDocument(
            provider=view.facts.provider,
            read_at=_when(view.facts.read_at_s),
            read_at_s=view.facts.read_at_s,
            trouble=view.facts.trouble,
        ),
        domain=_domain_document(view.domain),
        foreign_rules=view.foreign_rules,
        conflicts=view.conflicts,
        notes=view.notes,
        nics=Each(partial(_nic_document, view), view.nics),
        policies=PoliciesDocument(
            rules=Each(wanted_rule_document, view.policies.rules),
            routes=Each(wanted_route_document, view.policies.routes),
            notes=view.policies.notes,
        ),
        operations=_operations(view, view.operations),
    )


def view_of(document: ViewDocument) -> View:
    """The view that a document tells. Raises ValueError where a value cannot be one."""
    facts = document.facts
    return View(
        taken_at_s=document.taken_at_s,
        by_daemon=document.by_daemon,
        domain=_domain_of(document.domain),
        facts=Facts(facts.provider, facts.read_at_s, facts.trouble),
        generation=document.generation,
        changed_at_s=document.changed_at_s,
        in_sync=document.in_sync,
        why=document.why,
        standing_by=document.standing_by,
        nics=tuple(map(_nic_of, document.nics)),
        policies=_desired_of(document.policies),
        operations=tuple(map(operation_of, document.operations)),
        foreign_rules=document.foreign_rules,
        conflicts=tuple(document.conflicts),
        notes=tuple(document.notes),
    )


def status_document(view: View) -> StatusDocument:
    """How it stands, a NIC a line."""
    return StatusDocument(
        srcroutd=__version__,
        taken_at=rfc3339(view.taken_at_s),
        by_daemon=view.by_daemon,
        in_sync=view.in_sync,
        why=view.why,
        standing_by=view.standing_by,
        generation=view.generation,
        changed_at=_when(view.changed_at_s),
        provider=view.facts.provider,
        read_at=_when(view.facts.read_at_s),
        trouble=view.facts.trouble,
        due=len(view.operations),
        foreign_rules=view.foreign_rules,
        conflicts=view.conflicts,
        notes=view.notes,
        nics=Each(partial(_status_nic_document, view), view.nics),
    )


def plan_document(view: View) -> PlanDocument:
    """What would change now."""
    verbs = [operation.verb for operation in view.operations]
    return PlanDocument(
        srcroutd=__version__,
        taken_at=rfc3339(view.taken_at_s),
        by_daemon=view.by_daemon,
        standing_by=view.standing_by,
        trouble=view.facts.trouble,
        add=verbs.count("add"),
        replace=verbs.count("replace"),
        delete=verbs.count("delete"),
        foreign_rules=view.foreign_rules,
        notes=view.notes,
        operations=_operations(view, view.operations),
    )


def cleanup_document(cleaned: Cleaned, view: View, *, dry_run: bool) -> CleanupDocument:
    """What a cleanup did; ``view`` tells whose each operation was."""
    return CleanupDocument(
        dry_run=dry_run,
        operations=_operations(view, cleaned.operations),
        refused=Each(partial(_refusal_document, view), cleaned.refused),
        foreign_rules=cleaned.foreign_rules,
    )


def cleaned_of(document: CleanupDocument) -> Cleaned:
    """What a document tells of a cleanup. Raises ValueError where a value cannot be one."""
    return Cleaned(
        tuple(map(operation_of, document.operations)),
        tuple(
            Refusal(operation_of(refusal.operation), refusal.errno, refusal.words)
            for refusal in document.refused
        ),
        document.foreign_rules,
    )


def entry_document(entry: Entry, at_s: float) -> EntryDocument:
    """An entry of the record that was made at ``at_s`` (Unix time)."""
    return EntryDocument(
        time=rfc3339(at_s),
        time_s=at_s,
        event=entry.kind.slug,
        message_id=entry.kind.message_id,
        level=_LEVEL[entry.level],
        message=entry.message,
        fields=entry.plain_fields(),
    )


def _operations(
    view: View, operations: tuple[Operation, ...]
) -> Each[Operation, OperationDocument]:
    return Each(partial(_operation_document, view), operations)


def _operation_document(view: View, operation: Operation) -> OperationDocument:
    nic = view.of_seat(operation.seat)
    eni = nic.eni.id if nic and nic.eni else ""
    return operation_document(operation, nic.link.name if nic else "", eni)


def _refusal_document(view: View, refusal: Refusal) -> RefusalDocument:
    return RefusalDocument(
        operation=_operation_document(view, refusal.operation),
        errno=refusal.errno,
        words=refusal.words,
    )


def _nic_document(view: View, nic: NicView) -> NicDocument:
    link = nic.link
    return NicDocument(
        name=link.name,
        index=link.index,
        mac=link.mac,
        up=link.up,
        carrier=link.carrier,
        link_kind=link.kind or None,
        master=link.master or None,
        loopback=link.loopback,
        eni=eni_document(nic.eni) if nic.eni else None,
        role=_role(nic),
        state=nic.state.value,
        condition=state_word(view, nic),
        why=nic.why,
        since=_when(nic.since_s),
        since_s=nic.since_s,
        seat=nic.seat or None,
        table=nic.table or None,
        priority=nic.priority or None,
        mode=nic.mode if nic.kept else None,
        addresses=Each(address_document, nic.addresses),
        rules=Each(wanted_rule_document, nic.desired.rules),
        routes=Each(wanted_route_document, nic.desired.routes),
        notes=nic.desired.notes,
    )


def _nic_of(document: NicDocument) -> NicView:
    return NicView(
        link=Link(
            index=document.index,
            name=document.name,
            mac=document.mac,
            up=document.up,
            carrier=document.carrier,
            kind=document.link_kind or "",
            master=document.master or 0,
            loopback=document.loopback,
        ),
        state=State(document.state),
        why=document.why,
        primary=document.role == "primary",
        eni=eni_of(document.eni) if document.eni else None,
        addresses=tuple(address_of(address, document.index) for address in document.addresses),
        seat=document.seat or 0,
        table=document.table or 0,
        priority=document.priority or 0,
        desired=_desired_of(document),
        mode=document.mode or "source",
        since_s=document.since_s,
    )


def _desired_of(document: NicDocument | PoliciesDocument) -> NicDesired:
    return NicDesired(
        tuple(Want(route_of(route), route.because) for route in document.routes),
        tuple(Want(rule_of(rule), rule.because) for rule in document.rules),
        tuple(document.notes),
    )


def _status_nic_document(view: View, nic: NicView) -> StatusNicDocument:
    halves = (nic.eni.v4, nic.eni.v6) if nic.eni else ()
    return StatusNicDocument(
        name=nic.link.name,
        mac=nic.link.mac,
        eni=nic.eni.id if nic.eni else None,
        role=_role(nic),
        state=nic.state.value,
        condition=state_word(view, nic),
        why=nic.why,
        since=_when(nic.since_s),
        table=nic.table or None,
        priority=nic.priority or None,
        mode=nic.mode if nic.kept else None,
        due=sum(operation.seat == nic.seat for operation in view.operations if nic.seat),
        addresses=tuple(str(one.ip) for one in nic.addresses if one.scope == Scope.GLOBAL),
        gateways=tuple(str(half.gateway) for half in halves if half and half.gateway),
        notes=nic.desired.notes,
    )


def _role(nic: NicView) -> RoleWord | None:
    return "primary" if nic.primary else "secondary" if nic.eni else None


def _domain_document(domain: Domain) -> DomainDocument:
    return DomainDocument(
        protocol=domain.protocol,
        priorities=BandDocument(first=domain.priorities.start, last=domain.priorities.stop - 1),
        tables=BandDocument(first=domain.tables.start, last=domain.tables.stop - 1),
        policies=BandDocument(first=domain.policies.start, last=domain.policies.stop - 1),
        main_metrics=tuple(
            BandDocument(first=band.start, last=band.stop - 1) for band in domain.main_metrics
        ),
    )


def _domain_of(document: DomainDocument) -> Domain:
    priorities, tables, policies = document.priorities, document.tables, document.policies
    return Domain(
        document.protocol,
        range(priorities.first, priorities.last + 1),
        range(tables.first, tables.last + 1),
        range(policies.first, policies.last + 1),
        tuple(range(band.first, band.last + 1) for band in document.main_metrics),
    )


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
