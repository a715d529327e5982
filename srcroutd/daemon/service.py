"""The service around the one loop: start, bells, signals, readiness, end.

Start: configuration, provider, lock, sockets, last-known-good facts, a first round, READY; only
then is the metadata service asked (promise 9). The end leaves the kernel as it is (promise 6).
"""

import asyncio
import os
import signal
import time

from srcroutd.core import entries, entries_config
from srcroutd.core.config import Config
from srcroutd.core.errors import Exit, NoProvider, OperatorError
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.chores import Chores
from srcroutd.daemon.configfile import load
from srcroutd.daemon.desk import Desk
from srcroutd.daemon.eyes import Eyes
from srcroutd.daemon.facts import provider_of
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.listening import Listening
from srcroutd.daemon.metadata_watch import MetadataWatch
from srcroutd.daemon.notify import Notify
from srcroutd.daemon.outcome import Outcome
from srcroutd.daemon.places import Places, lock
from srcroutd.daemon.reconciler import Kernel, Reconciler
from srcroutd.daemon.store import Store
from srcroutd.daemon.trial import Trial
from srcroutd.kernel.capability import require_net_admin
from srcroutd.kernel.events import Events
from srcroutd.kernel.requests import Requests
from srcroutd.providers.registry import resolve

FIRST_FACTS_S = 2.0
"""Without remembered facts, READY waits this long for metadata."""
GIVE_READY_S = 15.0
"""After this long READY is given even if something is not in sync, and the status says what."""
ONCE_S = 30.0
"""How long ``--once`` tries."""


class Service:
    """One run of the daemon."""

    def __init__(self, places: Places, config: Config, audit: Audit) -> None:
        self._places = places
        self._config = config
        self._audit = audit
        self._notify = Notify(os.environ)
        self._requests = Requests()
        self._events = Events(config.domain.tables, self._requests.portid, main=config.main)
        self._eyes = Eyes(self._requests, self._events)
        self._knowledge = Knowledge(config, Store(places.state), self._audit)
        self._chores = Chores(places.state, audit, self._ring)
        hands = Hands(self._requests, self._chores.keepers)
        kernel = Kernel(self._eyes, hands, self._chores)
        self._reconciler = Reconciler(config, kernel, self._knowledge, self._audit)
        self._meter = self._reconciler.meter
        self._audit.subscribe(self._meter.entry)
        self._trial = Trial(places.config, self._check, self._use, self._audit)
        self._desk = Desk(self._reconciler, self._trial, self._take_file, self._audit)
        self._desk.provider = resolve(config.provider)
        self._listening: Listening | None = None
        self._watch: MetadataWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._began = time.monotonic()
        self._was_ready = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_reader(self._events.fileno(), self._heard)
        await self._reconciler.start()
        async with asyncio.TaskGroup() as group:
            self._group = group
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            self._listening = Listening(self._places.runtime, self._desk, self._audit, group)
            self._listening.open(self._config.metrics)
            keeping = group.create_task(self._keep(group))
            await stop.wait()
            self._notify.stopping()
            keeping.cancel()
            self._listening.close()
            if self._watching:
                self._watching.cancel()
        loop.remove_reader(self._events.fileno())
        self._chores.close()
        self._audit.say(entries.stopped())

    async def once(self) -> Exit:
        """Reconcile once with facts of now, or with remembered ones if the provider does not
        answer.
        """
        await self._reconciler.start()
        async with asyncio.TaskGroup() as group:
            self._start_watch(group)
            try:
                async with asyncio.timeout(ONCE_S):
                    await self._until_told()
            except TimeoutError:
                pass
            if self._watching:
                self._watching.cancel()
        self._chores.close()
        outcome = self._reconciler.outcome
        self._audit.say(entries.once_done(outcome.sentence()))
        if not self._knowledge.inventory.enis:
            unknown = self._knowledge.last_unknown
            why = unknown.reason if unknown else "the provider listed no ENI"
            raise NoProvider(f"nothing is known about this host's ENIs: {why}")
        return Exit.OK if outcome.in_sync else Exit.DRIFT

    async def _until_told(self) -> None:
        while True:
            outcome = await self._round()
            told = self._knowledge.confirmed and not outcome.joined.unexplained
            failed = self._knowledge.last_unknown is not None
            if outcome.in_sync and (told or (failed and self._knowledge.inventory.enis)):
                return
            await self._reconciler.wait(1.0)

    async def _keep(self, group: asyncio.TaskGroup) -> None:
        """The loop: a round when one is due, the watchdog fed in between."""
        if not self._knowledge.inventory.enis:
            self._start_watch(group)
        while True:
            outcome = await self._round()
            self._notify.feed()
            if not self._notify.ready_sent and self._may_be_ready(outcome):
                self._become_ready(outcome)
            if self._notify.ready_sent and self._watching is None:
                self._start_watch(group)
            while not await self._reconciler.wait(self._rest_s()):
                self._notify.feed()
                if not self._notify.ready_sent:
                    break

    def _become_ready(self, outcome: Outcome) -> None:
        self._notify.ready()
        if not self._was_ready:
            self._audit.say(entries.ready(_ms_since(self._began), outcome.sentence()))
        self._was_ready = True

    def _rest_s(self) -> float:
        return self._notify.feed_s if self._notify.ready_sent else 0.1

    async def _round(self) -> Outcome:
        outcome = await self._reconciler.round()
        if self._watch:
            self._watch.explain(outcome.joined.unexplained)
            self._watch.network(self._eyes.picture.links, self._eyes.picture.addresses)
        self._notify.status(outcome.sentence())
        return outcome

    def _may_be_ready(self, outcome: Outcome) -> bool:
        waited_s = time.monotonic() - self._began
        if waited_s > GIVE_READY_S:
            return True
        knowledge = self._knowledge
        told = knowledge.inventory.enis or knowledge.confirmed or knowledge.last_unknown
        return outcome.in_sync and (bool(told) or waited_s > FIRST_FACTS_S)

    def _ring(self) -> None:
        self._reconciler.bell.ring()

    def _heard(self) -> None:
        if self._eyes.drain():
            self._reconciler.bell.ring()

    def _start_watch(self, group: asyncio.TaskGroup) -> None:
        name = resolve(self._config.provider)
        provider = provider_of(name, self._config, self._eyes)
        self._desk.provider = name
        self._meter.follow_requests(lambda: provider.requests)
        self._watch = self._desk.watch = MetadataWatch(
            provider, self._reconciler.deliver, self._config.refresh_s
        )
        self._watching = group.create_task(self._watch.run())

    def _reload(self) -> None:
        """SIGHUP: take the new configuration if it is good, else say what is wrong and go on with
        the old.
        """
        self._notify.reloading()
        try:
            self._take_file()
        except OperatorError as error:
            self._audit.say(entries_config.reload_refused(str(self._places.config), str(error)))
        if self._was_ready:
            self._notify.ready()

    def _take_file(self) -> None:
        """Use what the configuration file says now. Raises OperatorError: all stays as it is."""
        config = load(self._places.config)
        self._check(config)
        self._audit.say(entries_config.reloaded(str(self._places.config)))
        self._trial.forget()
        self._use(config)

    def _check(self, config: Config) -> None:
        """Raise OperatorError for a configuration that this host cannot or must not use."""
        resolve(config.provider)
        if not config.access:
            return
        from srcroutd.daemon.access_check import refuse_dangerous

        enis = {mac: eni.id for mac, eni in self._knowledge.inventory.enis.items()}
        for unseen in refuse_dangerous(config, enis):
            self._audit.say(entries_config.access_unsure(unseen))

    def _use(self, config: Config) -> None:
        before = self._config
        if (config.domain.tables, config.main) != (before.domain.tables, before.main):
            self._listen_to(config)
        self._config = config
        self._reconciler.reconfigure(config)
        if self._listening:
            self._listening.open(config.metrics)
        if self._watching:
            self._watching.cancel()
            if self._group:
                self._start_watch(self._group)

    def _listen_to(self, config: Config) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._events.fileno())
        self._events.close()
        self._events = Events(config.domain.tables, self._requests.portid, main=config.main)
        self._eyes.listen_to(self._events)
        loop.add_reader(self._events.fileno(), self._heard)


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _spared(config: Config, audit: Audit) -> Config:
    """The configuration without the entries of access control that would cut the host off."""
    from srcroutd.daemon.access_check import leave_out_dangerous

    config, left_out, unsure = leave_out_dangerous(config, {})
    for danger in left_out:
        audit.say(entries_config.access_left_out(str(danger.entry), danger.why))
    for unseen in unsure:
        audit.say(entries_config.access_unsure(unseen))
    return config


def serve(places: Places, audit: Audit, *, once: bool) -> Exit:
    """Run the daemon in the foreground. Raises OperatorError with a sentence and an exit code."""
    config = load(places.config)
    resolve(config.provider)
    require_net_admin()
    with lock(places.runtime):
        if config.access:
            config = _spared(config, audit)
        return asyncio.run(_serve(places, config, audit, once=once))


async def _serve(places: Places, config: Config, audit: Audit, *, once: bool) -> Exit:
    service = Service(places, config, audit)
    found: OperatorError | None = None
    try:
        if once:
            return await service.once()
        await service.run()
    except* OperatorError as group:
        found = _first(group)
    if found:  # raised up there, it would come out wrapped in a group
        raise found
    return Exit.OK


def _first(group: BaseExceptionGroup[OperatorError]) -> OperatorError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
