"""What we ask the kernel to change, as values: one message an operation.

Promise: a stranger's twin is safe. The protocol is part of each message, so ``delete_rule`` and
``delete_route`` name only what bears it; nothing is added twice where ``exclusive`` is asked for.
"""

from dataclasses import dataclass
from typing import NamedTuple

from srcroutd.core.assigned import PutAddress
from srcroutd.core.net import Interface, Route, Rule
from srcroutd.kernel.codec_link import encode_link_up, encode_new_address, encode_old_address
from srcroutd.kernel.codec_route import encode_route
from srcroutd.kernel.codec_rule import FRA_PRIORITY, encode_rule
from srcroutd.kernel.wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    u32_attribute,
)


class Message(NamedTuple):
    """One request: its type (RTM_*), its flags (NLM_F_* besides REQUEST and ACK) and its body."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal: which message of those given (from 0), the errno, and the kernel's own words for
    it.
    """

    index: int
    errno: int
    words: str


def add_rule(rule: Rule, *, exclusive: bool) -> Message:
    """Add a rule. ``exclusive`` refuses a second one of the same kind with EEXIST.

    The kernel's test for a twin is too strict: it takes an absent ``from`` or ``to`` for any, and
    looks neither at ``not`` nor at the target of ``goto``, so EEXIST can be false within one
    priority. It walks all rules, too: without it, and from the highest priority down, adding is ten
    times as fast.
    """
    return add_encoded_rule(_request(rule), exclusive=exclusive)


def add_encoded_rule(body: bytes, *, exclusive: bool) -> Message:
    """Add the rule that ``encode_rule`` gave this body for; its priority must not be 0."""
    flags = NLM_F_CREATE | NLM_F_EXCL if exclusive else NLM_F_CREATE
    return Message(RTM_NEWRULE, flags, body)


def delete_rule(rule: Rule) -> Message:
    """Delete the first rule that has all that this one has.

    The kernel takes what is absent for any: of two rules with one priority and protocol, that with
    a selector more (``iif``, ``dport``, ``suppress_prefixlength``) can go in place of the one
    meant, and ``not`` is not compared. Give such rules priorities of their own, and look again.
    """
    return Message(RTM_DELRULE, 0, _request(rule))


def delete_dumped_rule(body: bytes) -> Message:
    """Delete a rule that has ``beyond``: its key in a view is its body."""
    return Message(RTM_DELRULE, 0, body)


def put_route(route: Route, *, replace: bool) -> Message:
    """Add a route, or with ``replace`` take the place of what holds its identity, whoever put it
    there.

    Without ``replace`` a holder is EEXIST, on IPv6 too: no second nexthop is appended.
    """
    return Message(
        RTM_NEWROUTE, NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL), encode_route(route)
    )


def delete_route(route: Route) -> Message:
    """Delete this route: same protocol, type, nexthop and preferred source, else ESRCH."""
    return Message(RTM_DELROUTE, 0, encode_route(route))


def delete_dumped_route(body: bytes) -> Message:
    """Delete a route that has ``beyond``: its key in a view is its body."""
    return Message(RTM_DELROUTE, 0, body)


def add_address(put: PutAddress, *, replace: bool) -> Message:
    """Put an address on a NIC. One that is there already is EEXIST, or with ``replace`` gets our
    mark and lifetimes.
    """
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL)
    return Message(RTM_NEWADDR, flags, encode_new_address(put))


def delete_address(index: int, own: Interface) -> Message:
    """Take one address off a NIC. The kernel compares address and prefix length, not the mark."""
    return Message(RTM_DELADDR, 0, encode_old_address(index, own))


def set_up(index: int) -> Message:
    """Set a link up; one that is up stays so."""
    return Message(RTM_NEWLINK, 0, encode_link_up(index))


def _request(rule: Rule) -> bytes:
    """The body as a request: absence of a priority would mean "choose one", or "any" on delete."""
    body = encode_rule(rule)
    return body if rule.priority else body + u32_attribute(FRA_PRIORITY, 0)
