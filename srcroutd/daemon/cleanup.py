"""Taking away exactly ours, with the daemon or without: what has our protocol inside our bands.

Rules go before routes, the addresses that we put last. What a stranger made stays, also inside our
tables and among our priorities.
"""

import asyncio

from srcroutd.core.config import Config
from srcroutd.core.main_table import MainInterest
from srcroutd.core.net import Family, Route
from srcroutd.core.numbering import Domain, is_foreign, merged
from srcroutd.core.operation import Operation
from srcroutd.core.plan import Desired, Observed, Pruning, in_order, plan, with_devs
from srcroutd.core.view import Cleaned, Refusal
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.chores import Chores
from srcroutd.daemon.eyes import Seen
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.places import Places
from srcroutd.daemon.store import Damaged, Store
from srcroutd.kernel.main_dump import MainReader
from srcroutd.kernel.memo import RouteMemo, RuleMemo
from srcroutd.kernel.requests import Requests

PASSES = 5
"""Looks; more than one only if somebody changes things meanwhile."""


def cleanup(config: Config, places: Places, *, dry_run: bool) -> Cleaned:
    """Delete all that is ours in this network namespace; with ``dry_run`` only tell.

    Raises NotPermitted without CAP_NET_ADMIN, TornDump if the kernel never holds still.
    """
    chores = Chores(places.state, Audit())
    try:
        return asyncio.run(clean(_domains(config, places), chores, dry_run=dry_run))
    finally:
        chores.close()


def _domains(config: Config, places: Places) -> tuple[Domain, ...]:
    """The numbers of now and of every configuration of which something may be left."""
    try:
        numbers = Store(places.state).load_numbers()
    except Damaged:
        numbers = None
    earlier = (numbers.domain, *numbers.former) if numbers else ()
    return merged((config.domain, *earlier))


async def clean(domains: tuple[Domain, ...], chores: Chores, *, dry_run: bool) -> Cleaned:
    """Delete all that bears the mark of these domains, or with ``dry_run`` only tell."""
    requests = Requests()
    done: list[Operation] = []
    refused: list[Refusal] = []
    try:
        for _ in range(PASSES):
            observed = await _observe(requests, domains)
            pruning = Pruning(domains, lambda _domain, _thing: "cleanup")
            links = await requests.links()
            kept = await chores.farewell(links, domains)
            operations = with_devs(
                in_order((*plan(Desired({}, {}), observed, pruning), *kept)),
                {link.index: link.name for link in links},
            )
            if dry_run:
                done += operations
            if dry_run or not operations:
                break
            some, refused = await Hands(requests, chores.keepers).apply(operations)
            done += some
        foreign = sum(is_foreign(rule, domains) for rule in observed.rules.values())
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
    if any(domain.main_metrics for domain in domains):
        bodies, _ = await MainReader(requests).read(MainInterest(defaults=True))
        routes.append(Seen([memo.view(bodies)]))
    duplicates = tuple(key for view in rules for key in view.duplicates)
    return Observed(Seen(rules), Seen(routes), duplicates)
