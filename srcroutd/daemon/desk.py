"""What the control socket gives to people: views, the record as it is written, and errands.

Nothing here touches the kernel or the state: a view is made of what the rounds left, an errand is
done in a round (one task owns the state).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from srcroutd.core.entry import Entry
from srcroutd.core.metrics import Metrics
from srcroutd.core.view import Cleaned, View
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.metadata_watch import MetadataWatch
from srcroutd.daemon.reconciler import Reconciler
from srcroutd.daemon.trial import Trial

FACTS_S = 10.0
"""How long ``reconcile`` waits for the metadata before it goes on with what is known."""


class Desk:
    """The daemon as the control socket sees it."""

    def __init__(
        self, reconciler: Reconciler, trial: Trial, reload: Callable[[], None], audit: Audit
    ) -> None:
        self._reconciler = reconciler
        self._trial = trial
        self._reload = reload
        self._audit = audit
        self.provider = ""
        self.watch: MetadataWatch | None = None

    def view(self) -> View:
        """The view of now."""
        view = self._reconciler.view(self.provider)
        note = self._trial.note()
        return replace(view, notes=(*view.notes, note)) if note else view

    def metrics(self) -> Metrics:
        """The figures of now."""
        return self._reconciler.meter.metrics(self.view())

    def say(self, entry: Entry) -> None:
        """Put an entry on the record."""
        self._audit.say(entry)

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Have ``callback`` called with each entry of the record; returns what ends that."""
        return self._audit.subscribe(callback)

    async def try_config(self, seconds: int) -> View:
        """Use the configuration on trial for so long. Raises ConfigError, NoTrial."""
        self._trial.begin(seconds, self._reconciler.outlook.config)
        await self._reconciler.reconcile()
        return self.view()

    async def keep_config(self) -> View:
        """What is on trial stays. Raises NoTrial."""
        self._trial.keep()
        return self.view()

    async def reload(self) -> View:
        """Use what the configuration file says now. Raises ConfigError, NoProvider."""
        self._reload()
        await self._reconciler.reconcile()
        return self.view()

    async def reconcile(self) -> View:
        """Read the metadata and look at everything again, now."""
        if self.watch:
            with suppress(TimeoutError):
                async with asyncio.timeout(FACTS_S):
                    await self.watch.read_now()
        await self._reconciler.reconcile()
        return self.view()

    async def cleanup(self, *, dry_run: bool) -> Cleaned:
        """Remove all that is ours and stand by; with ``dry_run`` only tell."""
        return await self._reconciler.cleanup(dry_run=dry_run)
