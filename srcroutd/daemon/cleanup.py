"""Taking away exactly ours, without the daemon: every rule and route with our protocol in our
bands.

Rules go before routes. What a stranger made stays, also inside our tables and among our priorities.
"""

import asyncio
from dataclasses import dataclass

from srcroutd.core.config import Config
from srcroutd.core.net import Family, Route
from srcroutd.core.numbering import Domain
from srcroutd.core.plan import Desired, Observed, Operation, Pruning, plan
from srcroutd.daemon.eyes import Seen
from srcroutd.daemon.hands import Hands, Refused
from srcroutd.daemon.places import Places
from srcroutd.daemon.store import Damaged, Store
from srcroutd.kernel.memo import RouteMemo, RuleMemo
from srcroutd.kernel.requests import Requests

KERNEL = 2
"""RTPROT_KERNEL: the rules that every network namespace begins with."""
PASSES = 5
"""Looks; more than one only if somebody changes things meanwhile."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was (or would be) deleted, what the kernel refused, and how many strangers' rules were
    left alone.
    """

    operations: tuple[Operation, ...]
    refused: tuple[Refused, ...]
    foreign_rules: int


def cleanup(config: Config, places: Places, *, dry_run: bool) -> Cleaned:
    """Delete all that is ours in this network namespace; with ``dry_run`` only tell.

    Raises NotPermitted without CAP_NET_ADMIN, TornDump if the kernel never holds still.
    """
    return asyncio.run(_cleanup(_domains(config, places), dry_run=dry_run))


def _domains(config: Config, places: Places) -> tuple[Domain, ...]:
    """The numbers of now and of every configuration of which something may be left."""
    try:
        numbers = Store(places.state).load_numbers()
    except Damaged:
        numbers = None
    earlier = (numbers.domain, *numbers.former) if numbers else ()
    return tuple(dict.fromkeys((config.domain, *earlier)))


async def _cleanup(domains: tuple[Domain, ...], *, dry_run: bool) -> Cleaned:
    requests = Requests()
    done: list[Operation] = []
    refused: list[Refused] = []
    try:
        for _ in range(PASSES):
            observed = await _observe(requests, domains)
            pruning = Pruning(domains, lambda _domain, _thing: "cleanup")
            operations = plan(Desired({}, {}), observed, pruning)
            if dry_run:
                done += operations
            if dry_run or not operations:
                break
            some, refused = await Hands(requests).apply(operations)
            done += some
        foreign = sum(
            rule.protocol != KERNEL and not any(d.owns_rule(rule) for d in domains)
            for rule in observed.rules.values()
        )
    finally:
        requests.close()
    return Cleaned(tuple(done), tuple(refused), foreign)


async def _observe(requests: Requests, domains: tuple[Domain, ...]) -> Observed[bytes]:
    rules = [RuleMemo().view(await requests.rules(family)) for family in Family]
    memo = RouteMemo()
    routes: list[Seen[Route]] = []
    for domain in domains:
        for table in domain.tables:
            routes += [memo.view(await requests.routes(family, table)) for family in Family]  # type: ignore[misc]
    duplicates = tuple(key for view in rules for key in view.duplicates)
    return Observed(Seen(rules), Seen(routes), duplicates)
