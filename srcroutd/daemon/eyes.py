"""Looking at the kernel: which parts must be looked at again, and a view that can be believed.

A rule dump of several datagrams is not atomic and the kernel does not say so: it counts only if no
rule event came while it ran; where events never pause, a rule is missing only if two dumps agree
(FIELD 3b).
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from srcroutd.core.main_table import NO_INTEREST, MainInterest, MainRoutes
from srcroutd.core.net import Address, Family, Link, Route, Rule
from srcroutd.core.plan import Observed
from srcroutd.kernel.errors import TornDump
from srcroutd.kernel.events import Bells, Events
from srcroutd.kernel.main_dump import MainReader
from srcroutd.kernel.memo import RouteMemo, RuleMemo, View
from srcroutd.kernel.requests import Requests

ATTEMPTS = 4
"""Dumps of one thing in one look before half-believed ones are taken together."""
ONE_DATAGRAM = 100
"""A dump of no more rules than this fits into one datagram and is atomic."""

T = TypeVar("T", Rule, Route)


class Seen(Mapping[bytes, T]):
    """Several dumps as one mapping from key to value; values are decoded when asked for."""

    def __init__(self, views: Iterable[Mapping[bytes, T]] = ()) -> None:
        self._where: dict[bytes, Mapping[bytes, T]] = {}
        for view in views:
            self._where.update(dict.fromkeys(view.keys(), view))

    def __getitem__(self, key: bytes) -> T:
        return self._where[key][key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, key: object) -> bool:
        return key in self._where

    def keys(self) -> KeysView[bytes]:
        """The keys, as a set at the speed of dict."""
        return self._where.keys()


@dataclass(slots=True)
class Picture:
    """The kernel as last seen: all links, addresses and rules, and the routes of our tables; of
    main, what somebody asks about, its defaults among ``routes``.
    """

    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    rules: Seen[Rule] = field(default_factory=Seen)
    duplicates: tuple[bytes, ...] = ()
    routes: Seen[Route] = field(default_factory=Seen)
    main: MainRoutes = MainRoutes()

    @property
    def names(self) -> dict[int, str]:
        """The NICs' names by ifindex."""
        return {link.index: link.name for link in self.links}

    @property
    def observed(self) -> Observed[bytes]:
        """What the planner compares with."""
        return Observed(self.rules, self.routes, self.duplicates)


class Eyes:
    """Keeps a ``Picture`` up to date, part by part."""

    def __init__(self, requests: Requests, events: Events) -> None:
        self._requests = requests
        self._events = events
        self._rule_memo = {family: RuleMemo() for family in Family}
        self._route_memo = RouteMemo()
        self._main = MainReader(requests)
        self._main_memo = RouteMemo()
        self._main_interest = NO_INTEREST
        self._ours: Seen[Route] = Seen()
        self._defaults: Seen[Route] = Seen()
        self._pending = Bells(lost=True)
        self._heard = False
        self.disturbed = False
        """The last look was asked for by a change of links or addresses, or by lost events."""
        self.picture = Picture()
        self.expected_rules: Collection[bytes] = ()
        """Keys of rules that are probably there: they are recognised without being decoded."""

    def listen_to(self, events: Events) -> None:
        """Take the bells from another socket; what came in between counts as lost."""
        self._events = events
        self.distrust()

    def drain(self) -> Bells:
        """Take in the events that have come; they stay pending until a look has answered them."""
        bells = self._events.drain()
        self._pending |= bells
        self._heard |= bool(bells)
        return bells

    def unanswered(self) -> bool:
        """Whether an event came that no look has answered yet: it will not make the socket ring
        again.
        """
        return self._heard

    def distrust(self) -> None:
        """Believe nothing seen before: the next look looks at everything."""
        self._pending |= Bells(lost=True)

    def expect_changes(self, *, rules: bool, routes: bool) -> None:
        """We have written: the next look must see it, for our own echo rings no bell."""
        self._pending |= Bells(rules=rules, routes=routes, main=routes)

    def watch_main(self, interest: MainInterest) -> None:
        """What has to be looked at in main from now on."""
        if interest != self._main_interest:
            self._main_interest = interest
            self._pending |= Bells(main=True)

    def look_at_routes(self) -> None:
        """Tables have been added to those that matter: the next look looks at all of them."""
        self._pending |= Bells(routes=True)

    async def look(self, tables: Collection[int]) -> Picture:
        """Look again at every part for which a bell has rung. Raises TornDump if the kernel never
        holds still.
        """
        for attempt in range(ATTEMPTS):
            self.drain()
            bells, self._pending, self._heard = self._pending, Bells(), False
            self.disturbed = bells.links or bells.lost
            try:
                await self._look(bells, tables)
                break
            except BaseException as error:
                self._pending |= bells
                if not isinstance(error, TornDump) or attempt == ATTEMPTS - 1:
                    raise
            await asyncio.sleep(0.005 * 2**attempt)
        return self.picture

    async def look_at(self, table: int) -> Seen[Route]:
        """The routes of one table, both families."""
        return Seen(
            [self._route_memo.view(await self._requests.routes(family, table)) for family in Family]
        )

    async def _look(self, bells: Bells, tables: Collection[int]) -> None:
        picture = self.picture
        if bells.lost or bells.links:
            picture.links = _same(picture.links, await self._requests.links())
            picture.addresses = _same(picture.addresses, await self._requests.addresses())
            await asyncio.sleep(0)
        if bells.lost or bells.links or bells.routes:
            self._ours = Seen([await self.look_at(table) for table in sorted(tables)])
        if bells.lost or bells.links or bells.main:
            await self._look_at_main()
        if bells.lost or bells.links or bells.routes or bells.main:
            picture.routes = Seen([self._ours, self._defaults])
        if bells.lost or bells.rules:
            await self._look_at_rules()

    async def _look_at_main(self) -> None:
        """Dump what is asked about; where defaults are, until no event of main came meanwhile, a
        bounded number of times: one that was not seen must not count as absent.
        """
        interest = self._main_interest
        if not interest:
            self.picture.main, self._defaults = MainRoutes(), Seen()
            return
        for _ in range(ATTEMPTS):
            bodies, seen = await self._main.read(interest)
            rang = self.drain()
            if not interest.defaults or not (rang.main or rang.lost):
                break
        self._defaults = Seen([self._main_memo.view(bodies)])
        self.picture.main = self.picture.main if seen == self.picture.main else seen

    async def _look_at_rules(self) -> None:
        """Dump the rules until no rule event came meanwhile; failing that, two dumps must agree on
        an absence.
        """
        views = await self._dump_rules()
        for _ in range(ATTEMPTS):
            rang = self.drain()
            if not (rang.rules or rang.lost) or all(len(view) <= ONE_DATAGRAM for view in views):
                self.picture.rules = Seen(views)
                break
            before, views = views, await self._dump_rules()
            self.picture.rules = Seen([*before, *views])
        self.picture.duplicates = tuple(key for view in views for key in view.duplicates)

    async def _dump_rules(self) -> list[View[Rule]]:
        return [
            self._rule_memo[family].view(await self._requests.rules(family), self.expected_rules)
            for family in Family
        ]


S = TypeVar("S")


def _same(old: tuple[S, ...], new: tuple[S, ...]) -> tuple[S, ...]:
    """The old object where the new one is equal, so that identity tells what changed."""
    return old if old == new else new
