"""When to ask the provider: at once for a new NIC, with growing pauses while one waits or the
provider fails, else slowly. A way to it that was not there before ends the growing.

One task reads, so there is never more than one read under way and all NICs share it (FIELD:
throttling).
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from random import random

from srcroutd.core.inventory import Reading, Unknown
from srcroutd.core.net import IP, Address, Link
from srcroutd.core.pacing import Backoff, Budget
from srcroutd.providers.base import Provider

READ_LIMIT_S = 30.0
"""No read lasts longer, whatever the provider does."""
FOLD_S = 0.05
"""A new NIC that appears on the heels of a read shares the next one with those that follow it."""


class MetadataWatch:
    """Reads the provider when there is reason to, and delivers each part as it comes."""

    def __init__(
        self, provider: Provider, deliver: Callable[[Reading | Unknown], None], refresh_s: float
    ) -> None:
        self._provider = provider
        self._deliver = deliver
        self._refresh_s = refresh_s
        self._wake = asyncio.Event()
        self._unexplained: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._budget = Budget(burst=20, refill_s=1.0)
        self._failing = Backoff(0.5, 60.0)
        self._waiting = Backoff(0.2, refresh_s)
        self._retry_after_s = 0.0
        self._luck = random()
        self._asking: list[asyncio.Future[None]] = []
        self._seen: tuple[tuple[Link, ...], tuple[Address, ...]] = ((), ())
        self._ways: frozenset[tuple[int, IP]] = frozenset()

    async def read_now(self) -> None:
        """Wait for a read that begins after this call; its parts have been delivered then.

        The service's own word on when to ask again (Retry-After) and the budget still hold.
        """
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.append(asked)
        self._wake.set()
        await asked

    def explain(self, unexplained: frozenset[str]) -> None:
        """Tell which MACs in the kernel have no facts yet; a new one is a reason to read now."""
        self._unexplained = unexplained
        self._asked &= unexplained
        if unexplained - self._asked:
            self._wake.set()

    def network(self, links: tuple[Link, ...], addresses: tuple[Address, ...]) -> None:
        """Tell what the host can talk by. Where reads fail, an address or carrier that was missing
        is a reason to try again soon: the lease may have come after minutes.
        """
        if links is self._seen[0] and addresses is self._seen[1]:
            return
        self._seen = (links, addresses)
        before, self._ways = self._ways, _ways(links, addresses)
        if self._failing.failures and self._ways - before:
            self._failing = Backoff(0.5, 60.0).failed()
            self._wake.set()

    async def run(self) -> None:
        """Read for ever."""
        ended_at = -1e9
        try:
            while True:
                await self._until_due(ended_at)
                self._budget, wait_s = self._budget.spend(time.monotonic())
                if wait_s:
                    await asyncio.sleep(wait_s)
                await self._read()
                ended_at = time.monotonic()
        finally:
            await self._provider.close()

    async def _until_due(self, ended_at: float) -> None:
        while (pause_s := self._pause_s(ended_at) - (time.monotonic() - ended_at)) > 0:
            self._wake.clear()
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue  # the reason to read may have gone while we waited

    def _pause_s(self, ended_at: float) -> float:
        """Seconds between the end of the last read and the next."""
        if ended_at < 0:
            return 0.0
        luck = self._luck
        if self._asking:
            return self._retry_after_s
        if self._unexplained - self._asked:
            return max(FOLD_S, self._retry_after_s)
        if self._failing.failures:
            return max(self._retry_after_s, self._failing.pause_s(luck))
        if self._unexplained:
            return self._waiting.pause_s(luck)
        return self._refresh_s * (0.9 + 0.2 * luck)

    async def _read(self) -> None:
        asking, self._asking = self._asking, []
        about = self._unexplained
        fresh = about - self._asked
        self._retry_after_s, self._luck = 0.0, random()
        failed = False
        try:
            async with asyncio.timeout(READ_LIMIT_S), aclosing(self._provider.read()) as parts:
                async for part in parts:
                    self._deliver(part)
                    if isinstance(part, Unknown):
                        failed = True
                        self._retry_after_s = part.retry_after_s or 0.0
        except TimeoutError:
            failed = True
            self._deliver(
                Unknown(
                    f"{self._provider.name}: no whole answer in {READ_LIMIT_S:.0f} s", "timeout"
                )
            )
        for asked in asking:
            if not asked.done():
                asked.set_result(None)
        self._asked |= about
        self._failing = self._failing.failed() if failed else Backoff(0.5, 60.0)
        self._waiting = Backoff(0.2, self._refresh_s).failed() if fresh else self._waiting.failed()


def _ways(links: tuple[Link, ...], addresses: tuple[Address, ...]) -> frozenset[tuple[int, IP]]:
    """The addresses that can be used now, each with its NIC."""
    usable = {link.index for link in links if link.up and link.carrier and not link.loopback}
    return frozenset(
        (address.index, address.ip)
        for address in addresses
        if address.index in usable and not address.tentative
    )
