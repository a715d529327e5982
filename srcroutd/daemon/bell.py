"""The bell that asks for a round: rung by whoever has news; rings that come close are folded."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bell:
    """``first`` and ``last`` are the times (monotonic) of the first ring not yet answered and of
    the last one.
    """

    first: float = 0.0
    last: float = 0.0
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        """Ask for a round."""
        self.last = time.monotonic()
        if not self.event.is_set():
            self.first = self.last
            self.event.set()
