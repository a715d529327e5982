"""Run a few jobs at a time and give each result as soon as it is there.

No job outlives the generator: leaving it early (close it, see ``contextlib.aclosing``) cancels and
awaits the rest. At the end of the time it just stops; what has no result by then never gets one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(
    jobs: Mapping[str, Callable[[], Coroutine[Any, Any, T]]], at_once: int, end: float
) -> AsyncGenerator[tuple[str, T], None]:
    """(name, result) of each job in order of completion; ``end`` is a time of the loop's clock."""
    waiting = deque(jobs.items())
    running: dict[asyncio.Task[T], str] = {}
    loop = asyncio.get_running_loop()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name, job = waiting.popleft()
                running[loop.create_task(job())] = name
            left_s = max(0.0, end - loop.time())
            done, _ = await asyncio.wait(
                running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return
            for task in done:
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
