"""Taking over what people made by a recipe: look, make ours stand, then delete theirs one by one.

Promises: nothing of theirs goes before ours stand and were seen standing; what is deleted is named
by the kernel's own bytes and was shown before; after each deletion the kernel is asked whether the
address still leaves by its NIC, and if not the rule is put back at once.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from srcroutd.core.adoption import Adoption, TakenRoute, TakenRule, adoption, ip_words
from srcroutd.core.adoption_sight import Found, Sighting, tables_to_see
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.net import Family, Route
from srcroutd.core.view import View
from srcroutd.daemon.adopt_probe import Ways, connections, ways
from srcroutd.daemon.hands import GONE, Hands
from srcroutd.kernel.codec_route import decode_route, encode_route
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.messages import (
    Message,
    add_encoded_rule,
    delete_dumped_route,
    delete_dumped_rule,
)
from srcroutd.kernel.requests import Requests

LOOKS = 8
"""Dumps of the rules until two in a row agree: one alone may lack some (FIELD 3b)."""


class Unsteady(OperatorError):
    """The rules change all the time: what refers to a table cannot be told."""

    exit_code = Exit.TEMPORARY


@dataclass(slots=True)
class Report:
    """What was done, a line each, how much of it was to put in ours, and what went wrong (empty:
    nothing).
    """

    done: list[str] = field(default_factory=list)
    first: int = 0
    trouble: str = ""


def foresee(view: View, only: Collection[str] = ()) -> Adoption:
    """What can be taken over now; nothing is changed. Raises OperatorError."""

    async def look() -> Adoption:
        requests = Requests()
        try:
            return adoption(view, await _look(requests, view), only)
        finally:
            requests.close()

    return asyncio.run(look())


def carry_out(view: View, shown: Adoption, only: Collection[str] = ()) -> Report:
    """Take over what was shown, as far as it still stands. Raises OperatorError (not permitted)."""

    async def act() -> Report:
        requests = Requests()
        try:
            taker = _Taker(requests, view, shown, only)
            taker.report.trouble = await taker.take_over()
            return taker.report
        finally:
            requests.close()

    return asyncio.run(act())


class _Taker:
    """One run, with the report that it writes."""

    def __init__(
        self, requests: Requests, view: View, shown: Adoption, only: Collection[str]
    ) -> None:
        self._requests = requests
        self._view = view
        self._shown = shown
        self._only = only
        self.report = Report()

    async def take_over(self) -> str:
        """Everything, in order; returns why it stopped, empty if it did not."""
        now = adoption(self._view, await _look(self._requests, self._view), self._only)
        try:
            done, refused = await Hands(self._requests).apply(now.first)
        except TornDump as error:
            return f"{error}; nothing of theirs was touched"
        self.report.done += [str(operation) for operation in done]
        self.report.first = len(done)
        if refused:
            return (
                f"the kernel refused {refused[0].operation}: {refused[0].words}; nothing of "
                "theirs was touched"
            )
        before = await _look(self._requests, self._view)
        if missing := await self._missing(before):
            return f"ours do not stand: {missing} is missing; nothing of theirs was touched"
        now = adoption(self._view, before, self._only)
        allowed = {one.body for one in self._shown.rules}
        if trouble := await self._delete_rules([r for r in now.rules if r.body in allowed]):
            return trouble
        return await self._delete_routes()

    async def _missing(self, seen: Sighting) -> str:
        """The first object of ours that the shown rules need and that is not in the kernel."""
        rules = {found.thing for found in seen.rules}
        for one in self._shown.rules:
            if gone := next((tier for tier in one.tiers if tier not in rules), None):
                return f"rule {gone}"
            family, nic = one.rule.family, one.nic
            # By bytes: a route that was seen does not know its device's name.
            held = {
                encode_route(found.thing)
                for found in seen.routes(family, nic.table)
                if found.thing and not found.thing.beyond
            }
            wanted = (want.thing for want in nic.desired.routes if want.thing.family is family)
            for route in wanted:
                if isinstance(route, Route) and encode_route(route) not in held:
                    return f"route {route}"
        return ""

    async def _delete_rules(self, rules: Sequence[TakenRule]) -> str:
        """One after the other, each checked; the first that does harm is put back and ends it."""
        peers = await asyncio.to_thread(connections)
        for one in rules:
            before = await ways(self._requests, one, peers)
            if words := await self._order(delete_dumped_rule(one.body)):
                return f"the kernel refused to delete rule {one.rule}: {words}"
            after = await ways(self._requests, one, peers)
            if (peer := after.wrong(before, one.nic.link.index)) is not None:
                return await self._put_back(one, peer, before)
            self.report.done.append(f"- {ip_words(one.rule)} rule {one.rule}")
        return ""

    async def _put_back(self, one: TakenRule, peer: object, before: Ways) -> str:
        words = await self._order(add_encoded_rule(one.body, exclusive=False))
        was = f"without rule {one.rule}, {one.ip} does not reach {peer} by {one.nic.link.name}"
        if words:
            return f"{was}, and the kernel refused to take it back ({words}): add it by hand, now"
        after = await ways(self._requests, one, {one.ip: tuple(ip for ip, _ in before.ways[1:])})
        stands = "all is as before" if after == before else "but not all is as before"
        return (
            f"{was}: it was put back at once, {stands}; "
            f"next: srcroutctl explain {peer} --from {one.ip}"
        )

    async def _delete_routes(self) -> str:
        """The routes of the tables that no rule looks up any more, by a new look."""
        tables = {(one.route.family, one.route.table) for one in self._shown.routes}
        seen = await _look(self._requests, self._view, tables)
        looked_up = {(f.thing.family, f.thing.table) for f in seen.rules if f.thing}
        for one in self._shown.routes:
            key = (one.route.family, one.route.table)
            held = [found.body for found in seen.routes(*key)]
            if key in looked_up or one.body not in held:
                continue
            if trouble := await self._delete_route(one):
                return trouble
        return ""

    async def _delete_route(self, one: TakenRoute) -> str:
        if words := await self._order(delete_dumped_route(one.body)):
            return f"the kernel refused to delete route {one.route}: {words}"
        self.report.done.append(f"- {ip_words(one.route)} route {one.route}")
        return ""

    async def _order(self, message: Message) -> str:
        """Have one message carried out; the kernel's words if it refuses, empty if not.

        What is to be deleted and is not there is well. An answer that was lost counts as done: the
        look that follows tells.
        """
        try:
            failures = await self._requests.execute([message])
        except TornDump:
            return ""
        return next((one.words for one in failures if one.errno not in GONE), "")


async def _look(
    requests: Requests, view: View, more: Collection[tuple[Family, int]] = ()
) -> Sighting:
    """The kernel as it is, with ``more`` tables. Raises Unsteady where it never holds still."""
    before: list[bytes] = []
    for attempt in range(LOOKS):
        try:
            bodies = [body for family in Family for body in await requests.rules(family)]
            if attempt and bodies == before:
                return await _around(requests, view, bodies, more)
            before = bodies
        except TornDump:
            before = []
        await asyncio.sleep(0.002 * attempt)
    raise Unsteady(
        "the kernel's rules change all the time, so that nobody can tell what refers to a table; "
        "nothing was changed; next: ip monitor rule shows who does it"
    )


async def _around(
    requests: Requests, view: View, bodies: list[bytes], more: Collection[tuple[Family, int]]
) -> Sighting:
    rules = tuple(Found(body, decode_rule(body)) for body in bodies)
    tables = {}
    for family, table in sorted({*tables_to_see(view, (found.thing for found in rules)), *more}):
        routes = await requests.routes(family, table)
        tables[family, table] = tuple(Found(body, decode_route(body)) for body in routes)
    links = await requests.links()
    return Sighting(rules, tables, vrf=any(link.kind == "vrf" for link in links))
