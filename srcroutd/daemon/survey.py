"""A view of this host without the daemon: what it would find, and what it would do, now.

It reads what the daemon reads (configuration, numbers, remembered facts, metadata, kernel) and
writes nothing anywhere: the dry run on a production host before srcroutd was ever enabled.
"""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from srcroutd.core.config import Config
from srcroutd.core.inventory import Reading, Unknown
from srcroutd.core.view import View
from srcroutd.daemon.access_check import leave_out_dangerous
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.chores import Chores
from srcroutd.daemon.configfile import load
from srcroutd.daemon.eyes import Eyes
from srcroutd.daemon.facts import provider_of
from srcroutd.daemon.hands import Hands
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.places import Places
from srcroutd.daemon.reconciler import Kernel, Reconciler
from srcroutd.daemon.store import Store
from srcroutd.kernel.events import Events
from srcroutd.kernel.requests import Requests
from srcroutd.providers.base import Provider
from srcroutd.providers.registry import resolve

READ_LIMIT_S = 10.0
"""How long one read of the metadata may take before what is remembered has to do."""


def survey(places: Places, *, ask: bool = True) -> View:
    """Look at this host; without ``ask`` the metadata is left alone.

    Raises OperatorError (configuration, no provider, kernel).
    """
    config, *_ = leave_out_dangerous(load(places.config), {})
    provider = resolve(config.provider)
    return asyncio.run(_survey(places, config, provider, ask=ask))


async def _survey(places: Places, config: Config, name: str, *, ask: bool) -> View:
    audit = Audit()
    said: list[str] = []
    audit.subscribe(lambda entry: said.append(entry.message))
    requests = Requests()
    try:
        events = Events(config.domain.tables, requests.portid, main=config.main)
        chores = Chores(places.state, audit)
        try:
            knowledge = Knowledge(config, Store(places.state), audit)
            eyes = Eyes(requests, events)
            kernel = Kernel(eyes, Hands(requests, chores.keepers), chores)
            reconciler = Reconciler(config, kernel, knowledge, audit)
            await reconciler.start()
            if ask or name == "static":
                for part in await _read(provider_of(name, config, eyes)):
                    reconciler.deliver(part)
            await reconciler.foresee()
            view = reconciler.view(name, by_daemon=False)
        finally:
            chores.close()
            events.close()
    finally:
        requests.close()
    return replace(view, notes=("srcroutd is not running; this is what it would find and do.",))


async def _read(provider: Provider) -> list[Reading | Unknown]:
    parts: list[Reading | Unknown] = []
    try:
        async with asyncio.timeout(READ_LIMIT_S), aclosing(provider.read()) as reading:
            parts += [part async for part in reading]
    except TimeoutError:
        parts.append(
            Unknown(f"{provider.name}: no whole answer in {READ_LIMIT_S:.0f} s", "timeout")
        )
    finally:
        await provider.close()
    return parts
