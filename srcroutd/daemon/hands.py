"""Carrying out a plan: phase by phase, each answered before the next begins.

What a NIC's routes were refused for, its rules are not added for, and nothing of it is deleted: no
step leaves a rule without its route (promise 4).
"""

import asyncio
import errno
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import groupby

from srcroutd.core.net import Route, Rule
from srcroutd.core.plan import Operation, Phase
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


class Hands:
    """Writes to the kernel."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def apply(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Refusal]]:
        """Carry out a plan in its order; returns what was done and what was refused.

        Raises NotPermitted without CAP_NET_ADMIN.
        """
        done: list[Operation] = []
        refused: list[Refusal] = []
        troubled: set[tuple[int, int]] = set()
        for _, group in groupby(operations, key=lambda operation: operation.phase):
            batch = [op for op in group if (op.seat, op.thing.family) not in troubled]
            messages = _messages(batch)
            await asyncio.sleep(0)
            failures = await self._requests.execute(messages)
            failed = {failure.index: failure for failure in failures}
            for index, operation in enumerate(batch):
                failure = failed.get(index)
                if failure is None or _harmless(operation, failure.errno):
                    done.append(operation)
                    continue
                refused.append(Refusal(operation, failure.errno, failure.words))
                troubled.add((operation.seat, operation.thing.family))
        return done, refused

    async def default_oif(self) -> int:
        """The ifindex that packets to nowhere in particular leave by; 0 if they have no way."""
        for destination in SOMEWHERE:
            answer = await self._requests.route_to(destination)
            if isinstance(answer, Route) and answer.oif:
                return answer.oif
        return 0


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


def _harmless(operation: Operation, number: int) -> bool:
    return operation.verb == "delete" and number in GONE
