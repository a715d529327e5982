"""What people ask the reconciler for: done in its own round, because one task owns the state."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from srcroutd.core.view import Cleaned
from srcroutd.daemon.outcome import Outcome


@dataclass(slots=True)
class Errands:
    """The cleanups that were asked for, and those who wait for the end of a round."""

    cleanups: list[tuple[bool, asyncio.Future[Cleaned]]] = field(default_factory=list)
    waiting: list[asyncio.Future[Outcome]] = field(default_factory=list)

    def cleanup(self, *, dry_run: bool) -> "asyncio.Future[Cleaned]":
        """Ask for a cleanup in the next round."""
        future: asyncio.Future[Cleaned] = asyncio.get_running_loop().create_future()
        self.cleanups.append((dry_run, future))
        return future

    def end_of_round(self) -> "asyncio.Future[Outcome]":
        """What the next round that begins comes to."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future

    def take_waiting(self) -> "list[asyncio.Future[Outcome]]":
        """Those who wait for the round that begins now."""
        waiting, self.waiting = self.waiting, []
        return waiting

    async def clean(self, clean: Callable[[bool], Awaitable[Cleaned]]) -> list[Cleaned]:
        """Do the cleanups that were asked for and answer each; returns those that changed anything.

        What goes wrong is told to the one who asked.
        """
        asked, self.cleanups = self.cleanups, []
        done: list[Cleaned] = []
        for dry_run, future in asked:
            try:
                cleaned = await clean(dry_run)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked, not to the round
                if not future.done():
                    future.set_exception(error)
                continue
            if not future.done():
                future.set_result(cleaned)
            if not dry_run:
                done.append(cleaned)
        return done
