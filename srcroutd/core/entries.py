"""The words and fields of the entries: from what happened to an ``Entry`` (those about changes of
metadata are in ``difference``, those about the configuration in ``entries_config``).

An entry says what happened, to whom and why, so that it can be read alone and found by its fields.
"""

from dataclasses import replace

from srcroutd.core.assigned import PutAddress, TakeAddress
from srcroutd.core.entry import GENERATION, Entry, Kind, Who, entry_of
from srcroutd.core.inventory import Unknown
from srcroutd.core.net import Network, Route, Rule
from srcroutd.core.numbering import Seat
from srcroutd.core.operation import Chore, Operation, Phase, Thing
from srcroutd.core.view import Refusal

_APPLIED = {
    (Phase.ASSIGN_ADDRESSES, "add"): Kind.ADDRESS_PUT,
    (Phase.ASSIGN_ADDRESSES, "replace"): Kind.ADDRESS_PUT,
    (Phase.SET_SYSCTLS, "replace"): Kind.SYSCTL_SET,
    (Phase.PUT_ROUTES, "add"): Kind.ROUTE_ADDED,
    (Phase.PUT_ROUTES, "replace"): Kind.ROUTE_REPLACED,
    (Phase.ADD_RULES, "add"): Kind.RULE_ADDED,
    (Phase.PUT_MARKS, "add"): Kind.MARKS_PUT,
    (Phase.PUT_MARKS, "replace"): Kind.MARKS_PUT,
    (Phase.DELETE_MARKS, "delete"): Kind.MARKS_DELETED,
    (Phase.DELETE_RULES, "delete"): Kind.RULE_DELETED,
    (Phase.DELETE_ROUTES, "delete"): Kind.ROUTE_DELETED,
    (Phase.RESTORE_SYSCTLS, "replace"): Kind.SYSCTL_RESTORED,
    (Phase.REMOVE_ADDRESSES, "delete"): Kind.ADDRESS_REMOVED,
}


def applied(operation: Operation, who: Who, generation: int) -> Entry:
    """The kernel took an operation."""
    fields = _operation_fields(operation, who)
    fields[GENERATION] = str(generation)
    was = ""
    if operation.replaces:
        fields["SRCROUTD_WAS"] = _was(operation.replaces, operation.thing)
        was = f"; was: {fields['SRCROUTD_WAS']}"
    return entry_of(
        _APPLIED[operation.phase, operation.verb],
        f"generation {generation}  {who}  {fields['SRCROUTD_OPERATION']}  "
        f"({operation.because}{was})",
        fields,
    )


def refused(refusal: Refusal, who: Who) -> Entry:
    """The kernel did not take an operation."""
    fields = _operation_fields(refusal.operation, who)
    fields |= {"SRCROUTD_ERRNO": str(refusal.errno), "SRCROUTD_ERROR": refusal.words}
    return entry_of(
        Kind.OPERATION_REFUSED,
        f"{who}: kernel refused {fields['SRCROUTD_OPERATION']}: {refusal.words}",
        fields,
    )


def contested(operation: Operation, who: Who, rival: str) -> Entry:
    """What we put is undone again and again; ``rival`` is a sentence on who it may be."""
    return entry_of(
        Kind.CONTESTED,
        f"contested: {who}: {operation.thing} is undone again and again; tried again with growing "
        f"pauses. {rival}",
        {**_operation_fields(operation, who), "SRCROUTD_RIVAL": rival},
    )


def unsettled(why: str) -> Entry:
    """A round ended without all being in sync, and no other entry says why."""
    return entry_of(Kind.UNSETTLED, f"not in sync: {why}; tried again", {"SRCROUTD_BECAUSE": why})


def settled() -> Entry:
    """All is in sync after ``unsettled``."""
    return entry_of(Kind.SETTLED, "in sync again", {})


def shadow_words(route: Route) -> str:
    """What a stranger's route beside one of ours means, for status and record."""
    return (
        f"{route} (protocol {route.protocol}) stands beside ours with the same metric and may win; "
        "it is a stranger's and left alone: remove it by hand"
    )


def shadowed(route: Route) -> Entry:
    """A stranger's route stands beside one of ours and may take its place."""
    fields = {"INTERFACE": route.dev} if route.dev else {}
    fields |= {
        "SRCROUTD_STRANGER": f"ip route {route}",
        "SRCROUTD_KIND": "route",
        "SRCROUTD_TABLE": str(route.table),
    }
    return entry_of(Kind.SHADOWED, f"conflict: {shadow_words(route)}", fields)


def shadow_gone(place: str) -> Entry:
    """A stranger's route no longer stands beside ours; ``place`` is its table and destination."""
    table, _, _ = place.partition(" ")
    return entry_of(Kind.SHADOW_GONE, f"no longer in conflict: {place}", {"SRCROUTD_TABLE": table})


def eni_waits(mac: str, nic: str, why: str) -> Entry:
    """Metadata lists a NIC of which it does not yet say enough."""
    return entry_of(
        Kind.ENI_WAITS,
        f"metadata: {mac} waits: {why}",
        {**Who(nic).fields(), "SRCROUTD_MAC": mac, "SRCROUTD_BECAUSE": why},
    )


def metadata_unknown(unknown: Unknown) -> Entry:
    """The provider could not tell."""
    return entry_of(
        Kind.METADATA_UNKNOWN,
        f"metadata: {unknown.reason}; routing stays as it is",
        {"SRCROUTD_ERROR": unknown.reason, "SRCROUTD_RESULT": unknown.kind},
    )


def metadata_answers(source: str) -> Entry:
    """The provider tells again."""
    return entry_of(
        Kind.METADATA_ANSWERS, f"metadata: {source} answers again", {"SRCROUTD_PROVIDER": source}
    )


def ready(took_ms: float, status: str) -> Entry:
    """The first round has come to its end."""
    return entry_of(
        Kind.READY,
        f"ready after {took_ms:.0f} ms: {status}",
        {"SRCROUTD_STATUS": status, "SRCROUTD_READY_MS": f"{took_ms:.0f}"},
    )


def once_done(status: str) -> Entry:
    """``srcroutd --once`` has come to its end."""
    return entry_of(Kind.ONCE_DONE, status, {"SRCROUTD_STATUS": status})


def stopped() -> Entry:
    """The daemon ends as it was told to."""
    return entry_of(
        Kind.STOPPED, "stopped; routing stays as it is, srcroutctl cleanup removes it", {}
    )


def standing_by(deleted: int) -> Entry:
    """A cleanup took away what was ours, and the daemon changes nothing until told."""
    return entry_of(
        Kind.STANDING_BY,
        f"cleanup: {deleted} rules and routes deleted; standing by until srcroutctl reconcile or a "
        "restart",
        {"SRCROUTD_DELETED": str(deleted)},
    )


def resumed() -> Entry:
    """The daemon keeps rules and routes again."""
    return entry_of(Kind.RESUMED, "no longer standing by: rules and routes are kept again", {})


def seat_conflict(number: int, table: int, why: str) -> Entry:
    """A stranger uses numbers that would have been an ENI's."""
    return entry_of(
        Kind.SEAT_CONFLICT,
        f"conflict: {why}; left alone, other numbers chosen",
        {"SRCROUTD_NUMBER": str(number), "SRCROUTD_TABLE": str(table), "SRCROUTD_BECAUSE": why},
    )


def seats_exhausted(eni: str) -> Entry:
    """There are no numbers left for an ENI."""
    return entry_of(
        Kind.SEATS_EXHAUSTED,
        f"{eni} gets no numbers: all are in use; widen priorities and tables",
        {"SRCROUTD_ENI": eni},
    )


def seat_recovered(seat: Seat) -> Entry:
    """An ENI's numbers were read off the kernel."""
    return entry_of(
        Kind.SEAT_RECOVERED,
        f"{seat.eni} keeps number {seat.number}, read off the kernel",
        {
            "SRCROUTD_ENI": seat.eni,
            "SRCROUTD_MAC": seat.mac,
            "SRCROUTD_NUMBER": str(seat.number),
        },
    )


def state_damaged(file: str, words: str) -> Entry:
    """A state file cannot be used."""
    return entry_of(Kind.STATE_DAMAGED, words, {"SRCROUTD_FILE": file, "SRCROUTD_ERROR": words})


def state_unwritable(name: str, error: OSError) -> Entry:
    """A state file cannot be written."""
    return entry_of(
        Kind.STATE_UNWRITABLE,
        f"cannot write {name}: {error.strerror}; routing goes on, a reboot will miss it",
        {
            "SRCROUTD_FILE": name,
            "SRCROUTD_ERRNO": str(error.errno),
            "SRCROUTD_ERROR": str(error.strerror),
        },
    )


def state_writable(name: str) -> Entry:
    """A state file can be written again."""
    return entry_of(Kind.STATE_WRITABLE, f"{name} can be written again", {"SRCROUTD_FILE": name})


def facts_of_another() -> Entry:
    """The remembered facts belong to another machine."""
    return entry_of(
        Kind.FACTS_OF_ANOTHER,
        "the remembered facts name no NIC of this machine (a cloned image?): not used",
        {},
    )


def not_delivered(number: int, where: str) -> Entry:
    """``number`` entries did not get through; ``where`` says what became of them."""
    return entry_of(
        Kind.NOT_DELIVERED,
        f"{number} entries did not get through: {where}",
        {"SRCROUTD_MISSED": str(number)},
    )


def cannot_listen(where: str, error: str) -> Entry:
    """A socket that people or programs ask at cannot be opened; routing goes on without it."""
    message = f"cannot listen: {error}; routing goes on"
    return entry_of(
        Kind.CANNOT_LISTEN, message, {"SRCROUTD_SOCKET": where, "SRCROUTD_ERROR": error}
    )


def cannot_run(error: str, exit_code: int) -> Entry:
    """The program ends with something that the operator can act on."""
    return entry_of(
        Kind.CANNOT_RUN, error, {"SRCROUTD_ERROR": error, "SRCROUTD_EXIT": str(exit_code)}
    )


def bug(name: str, error: str, traceback: str) -> Entry:
    """Something that must not happen did."""
    return entry_of(
        Kind.BUG,
        f"this is a bug in srcroutd: {name}: {error}; routing stays as it is",
        {"SRCROUTD_ERROR": f"{name}: {error}", "SRCROUTD_TRACEBACK": traceback},
    )


def _operation_fields(operation: Operation, who: Who) -> dict[str, str]:
    thing = operation.thing
    fields = who.fields()
    fields["SRCROUTD_OPERATION"] = str(operation)
    fields["SRCROUTD_VERB"] = operation.verb
    fields["SRCROUTD_BECAUSE"] = operation.because
    fields["SRCROUTD_KIND"] = operation.kind.value
    if isinstance(thing, Chore):
        if isinstance(operation.key, PutAddress | TakeAddress):
            fields["SRCROUTD_ADDRESS"] = str(operation.key.interface.ip)
        return fields
    address: object
    if isinstance(thing, Rule):
        fields["SRCROUTD_PRIORITY"] = str(thing.priority)
        address = _address(thing.src) if thing.src else None
    else:
        address = thing.prefsrc
    if thing.table:
        fields["SRCROUTD_TABLE"] = str(thing.table)
    if address:
        fields["SRCROUTD_ADDRESS"] = str(address)
    return fields


def _was(route: Route, now: Thing) -> str:
    """A route as the kernel told it, with the name of its NIC if that is still the same one."""
    if isinstance(now, Route) and now.oif == route.oif:
        return str(replace(route, dev=now.dev))
    return str(route)


def _address(source: Network) -> object:
    return source.network_address if source.prefixlen == source.max_prefixlen else source
