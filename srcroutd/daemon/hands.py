"""Carrying out a plan: phase by phase, each answered before the next begins.

What a NIC's routes were refused for, its rules are not added for, and nothing of it is deleted: no
step leaves a rule without its route (promise 4). Chores, which no netlink message of ours does, are
their keepers' part.
"""

import asyncio
import errno
from collections.abc import Collection, Hashable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import groupby
from typing import Protocol

from srcroutd.core.net import MAIN_TABLE, Family, Route, Rule
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind
from srcroutd.core.view import Refusal
from srcroutd.kernel.messages import (
    Message,
    add_encoded_rule,
    add_rule,
    delete_dumped_route,
    delete_dumped_rule,
    delete_route,
    delete_rule,
    put_route,
)
from srcroutd.kernel.requests import Requests

FEW = 32
"""Up to this many new rules the kernel checks each for a twin (NLM_F_EXCL), which costs a walk of
the list.
"""

GONE = frozenset({errno.ESRCH, errno.ENOENT})
"""On a delete: it is not there, which is what was wanted."""

SOMEWHERE = (IPv4Address("198.51.100.1"), IPv6Address("2001:db8::1"))
"""Documentation addresses (RFC 5737, RFC 3849) that only a default route leads to."""


class Keeper(Protocol):
    """Who carries out the chores of a kind: operations that no netlink message of ours does."""

    async def carry_out(self, operation: Operation) -> Refusal | None:
        """Do one; None if it is done."""


class Hands:
    """Writes to the kernel."""

    def __init__(
        self, requests: Requests, keepers: Mapping[ThingKind, Keeper] | None = None
    ) -> None:
        """``keepers`` carry out the chores of their kind."""
        self._requests = requests
        self._keepers = keepers or {}

    async def apply(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Refusal]]:
        """Carry out a plan in its order; returns what was done and what was refused.

        Raises NotPermitted without CAP_NET_ADMIN.
        """
        done: list[Operation] = []
        refused: list[Refusal] = []
        troubled: set[tuple[int, Family | None]] = set()
        for _, group in groupby(operations, key=lambda operation: operation.phase):
            batch = [op for op in group if not _in_trouble(op, troubled)]
            not_taken = await self._carry_out(batch)
            for operation in batch:
                refusal = not_taken.get(operation.key)
                if refusal is None:
                    done.append(operation)
                    continue
                refused.append(refusal)
                if not _in_main(operation):
                    troubled.add((operation.seat, operation.family))
        return done, refused

    async def _carry_out(self, batch: list[Operation]) -> dict[Hashable, Refusal]:
        """One phase; returns what was refused, by key."""
        written = [op for op in batch if not isinstance(op.thing, Chore)]
        messages = _messages(written)
        await asyncio.sleep(0)
        failures = await self._requests.execute(messages) if messages else ()
        refusals = {
            written[failure.index].key: Refusal(
                written[failure.index], failure.errno, failure.words
            )
            for failure in failures
            if not _harmless(written[failure.index], failure.errno)
        }
        for operation in batch:
            if isinstance(operation.thing, Chore):
                keeper = self._keepers[operation.kind]
                if refusal := await keeper.carry_out(operation):
                    refusals[operation.key] = refusal
        return refusals

    async def default_oif(self) -> int:
        """The ifindex that packets to nowhere in particular leave by; 0 if they have no way."""
        for destination in SOMEWHERE:
            answer = await self._requests.route_to(destination)
            if isinstance(answer, Route) and answer.oif:
                return answer.oif
        return 0


def _in_main(operation: Operation) -> bool:
    """Whether it is a NIC's default in main, which nothing else of the NIC relies on."""
    return isinstance(operation.thing, Route) and operation.thing.table == MAIN_TABLE


def _in_trouble(operation: Operation, troubled: Collection[tuple[int, Family | None]]) -> bool:
    """Whether something went wrong before that this one relies on.

    Rules that marks lead to stay while the marks do.
    """
    thing = operation.thing
    if operation.phase is Phase.DELETE_RULES and isinstance(thing, Rule) and thing.mark:
        return (0, None) in troubled or (operation.seat, operation.family) in troubled
    return (operation.seat, operation.family) in troubled


def _messages(batch: Sequence[Operation]) -> list[Message]:
    adds = sum(operation.phase is Phase.ADD_RULES for operation in batch)
    return [_message(operation, exclusive=adds <= FEW) for operation in batch]


def _message(operation: Operation, *, exclusive: bool) -> Message:
    if operation.verb == "delete":
        return _delete(operation)
    match operation.thing:
        case Rule() as rule:
            # The key of what we want is its encoding already.
            if isinstance(operation.key, bytes):
                return add_encoded_rule(operation.key, exclusive=exclusive)
            return add_rule(rule, exclusive=exclusive)
        case Route() as route:
            return put_route(route, replace=operation.verb == "replace")
        case Chore():
            raise AssertionError("a keeper carries out chores")


def _delete(operation: Operation) -> Message:
    """The message that deletes this very object.

    What bears our mark and has attributes that our types do not hold is named by its dumped body,
    its key: without them the kernel would take the first object that is like it in the rest.
    """
    match operation.thing:
        case Rule() as rule if rule.beyond and isinstance(operation.key, bytes):
            return delete_dumped_rule(operation.key)
        case Rule() as rule:
            return delete_rule(rule)
        case Route() as route if route.beyond and isinstance(operation.key, bytes):
            return delete_dumped_route(operation.key)
        case Route() as route:
            return delete_route(route)
        case Chore():
            raise AssertionError("a keeper carries out chores")


def _harmless(operation: Operation, number: int) -> bool:
    return operation.verb == "delete" and number in GONE
