"""From what should be and what is to the operations between them, in an order that strands nobody.

Make before break (promise 4): routes are put in before the rules that need them, rules are taken
out before the routes they need. Deletes touch only what is ours and only what ``prunable`` allows
(promises 2 and 3). Rules and routes are compared by key, which is any hashable identity: the daemon
uses the kernel's own bytes.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from srcroutd.core.desired import Want
from srcroutd.core.net import MAIN_TABLE, Action, Route, Rule, with_dev
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Chore, Operation, Phase

K = TypeVar("K", bound=Hashable)
"""A key: whatever two equal objects have in common."""


@dataclass(frozen=True, slots=True)
class Desired(Generic[K]):
    """Everything that should be, by key."""

    rules: Mapping[K, Want]
    routes: Mapping[K, Want]


@dataclass(frozen=True, slots=True)
class Observed(Generic[K]):
    """Everything that was seen: all rules, and the routes of our tables; strangers' objects
    included.

    ``duplicate_rules`` has a key for each further copy of a rule that the kernel holds more than
    once.
    """

    rules: Mapping[K, Rule]
    routes: Mapping[K, Route]
    duplicate_rules: tuple[K, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruning:
    """What may be deleted: ``why`` gives the reason for an object of ours that may go, None where
    it stays.

    ``domains`` are what is ours: the present numbers first, then those of an earlier configuration.
    """

    domains: tuple[Domain, ...]
    why: Callable[[Domain, Rule | Route], str | None]


def plan(desired: Desired[K], observed: Observed[K], pruning: Pruning) -> tuple[Operation, ...]:
    """The operations that lead from ``observed`` to ``desired``; empty when nothing is to do."""
    operations = [
        *_put_routes(desired, observed, pruning.domains[0]),
        *_add_rules(desired, observed, pruning.domains[0]),
        *_delete_rules(desired, observed, pruning),
        *_delete_routes(desired, observed, pruning),
    ]
    return tuple(sorted(operations, key=_order))


def in_order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """A plan and chores in the order in which they can be carried out; what is of one phase stays
    as it comes.
    """
    return tuple(sorted(operations, key=lambda operation: operation.phase))


def shadows(desired: Desired[K], observed: Observed[K]) -> tuple[Route, ...]:
    """Strangers' routes that stand beside a wanted one of the same identity: the kernel asks first
    whichever was put in front, and only its owner may take it away.
    """
    extra = observed.routes.keys() - desired.routes.keys()
    if not extra:
        return ()
    things = [want.thing for want in desired.routes.values()]
    wanted = {thing.identity for thing in things if isinstance(thing, Route)}
    found = [observed.routes[key] for key in extra]
    return tuple(
        sorted((route for route in found if route.identity in wanted and not route.beyond), key=str)
    )


def with_devs(operations: tuple[Operation, ...], names: Mapping[int, str]) -> tuple[Operation, ...]:
    """The same with the names of NICs in routes that a dump gave only ifindexes for."""
    dumped = any(op.verb != "add" and isinstance(op.thing, Route) for op in operations)
    return tuple(_named(op, names) for op in operations) if dumped else operations


def with_seats(
    operations: tuple[Operation, ...], seats: Mapping[int, int]
) -> tuple[Operation, ...]:
    """The same with defaults in main under the seats of their NICs (ifindex to seat): their own
    numbers do not say it.
    """
    return tuple(
        replace(op, seat=seats.get(op.thing.oif, 0))
        if isinstance(op.thing, Route) and op.thing.table == MAIN_TABLE
        else op
        for op in operations
    )


def _named(operation: Operation, names: Mapping[int, str]) -> Operation:
    thing, replaces = operation.thing, operation.replaces
    if isinstance(thing, Route):
        thing = with_dev(thing, names)
    if replaces is not None:
        replaces = with_dev(replaces, names)
    if thing is operation.thing and replaces is operation.replaces:
        return operation
    return replace(operation, thing=thing, replaces=replaces)


def _put_routes(desired: Desired[K], observed: Observed[K], domain: Domain) -> Iterable[Operation]:
    missing = desired.routes.keys() - observed.routes.keys()
    if not missing:
        return
    holders = {route.identity: route for route in observed.routes.values()}
    for key in missing:
        want = desired.routes[key]
        holder = holders.get(want.thing.identity) if isinstance(want.thing, Route) else None
        if holder and holder.table == MAIN_TABLE:
            # In main nothing is ever replaced: between look and change the place may pass to a
            # stranger. Ours goes first, and the next look finds the place free.
            continue
        yield Operation(
            Phase.PUT_ROUTES,
            "replace" if holder else "add",
            key,
            want.thing,
            domain.seat_of(want.thing),
            want.because,
            replaces=holder,
        )


def _add_rules(desired: Desired[K], observed: Observed[K], domain: Domain) -> Iterable[Operation]:
    for key in desired.rules.keys() - observed.rules.keys():
        want = desired.rules[key]
        seat = domain.seat_of(want.thing)
        yield Operation(Phase.ADD_RULES, "add", key, want.thing, seat, want.because)


def _delete_rules(
    desired: Desired[K], observed: Observed[K], pruning: Pruning
) -> Iterable[Operation]:
    for key in observed.rules.keys() - desired.rules.keys():
        rule = observed.rules[key]
        for domain in pruning.domains:
            if domain.owns_rule(rule) and (why := pruning.why(domain, rule)):
                yield Operation(Phase.DELETE_RULES, "delete", key, rule, domain.seat_of(rule), why)
                break
    for key in observed.duplicate_rules:
        rule = observed.rules[key]
        domain = pruning.domains[0]
        if domain.owns_rule(rule) and key in desired.rules:
            why = "the kernel holds it twice"
            yield Operation(Phase.DELETE_RULES, "delete", key, rule, domain.seat_of(rule), why)


def _delete_routes(
    desired: Desired[K], observed: Observed[K], pruning: Pruning
) -> Iterable[Operation]:
    extra = observed.routes.keys() - desired.routes.keys()
    if not extra:
        return
    missing = desired.routes.keys() - observed.routes.keys()
    things = [desired.routes[key].thing for key in missing]
    put = {thing.identity for thing in things if isinstance(thing, Route)}
    for key in extra:
        route = observed.routes[key]
        if route.identity in put and route.table != MAIN_TABLE:
            continue  # it is replaced
        for domain in pruning.domains:
            if domain.owns_route(route) and (why := pruning.why(domain, route)):
                yield Operation(
                    Phase.DELETE_ROUTES, "delete", key, route, domain.seat_of(route), why
                )
                break


def _order(operation: Operation) -> tuple[int, ...]:
    """Phase first. Within a phase the order is such that at every step what stands can work.

    Routes: the guard, then what is directly reachable, then what needs a gateway (the kernel looks
    it up); a NIC's rules: highest priority first, so that a jump finds its target and its widest
    tier comes first; then the host's: as they are asked, for each is an exception to those behind
    it, but a jump's target before everything. Deletes go the other way round. So a packet that the
    entries of before and of now treat alike is never treated otherwise in between.
    """
    thing = operation.thing
    if isinstance(thing, Chore):
        return (operation.phase,)
    if isinstance(thing, Rule):
        hosts = operation.seat == 0
        behind = hosts and thing.action is not Action.NOP
        place = (hosts, behind, thing.priority if hosts else -thing.priority)
        steps = place if operation.verb == "add" else tuple(-one for one in place)
        src = int(thing.src.network_address) if thing.src else 0
        length = thing.src.prefixlen if thing.src else 0
        dst = int(thing.dst.network_address) if thing.dst else 0
        return (operation.phase, *steps, thing.family, src, length, dst)
    step = -thing.rank if operation.verb == "delete" else thing.rank
    dst, length = int(thing.dst.network_address), thing.dst.prefixlen
    return (operation.phase, step, thing.table, thing.family, dst, length)
