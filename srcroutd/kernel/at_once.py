"""A question to rtnetlink outside of the event loop, or inside a step of it that must not wait.

The kernel answers inside send and recv (``request_socket``), so what asks it never really waits: it
only gives others their turn. Here nobody gets one.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def at_once(asked: Coroutine[Any, Any, T]) -> T:
    """Run what asks the kernel to its end, now. Not for what waits for anything else."""
    try:
        while True:
            turn = asked.send(None)
            if turn is not None:  # a future: somebody else would have to finish it
                asked.close()
                raise RuntimeError(f"{asked!r} waits for {turn!r}")
    except StopIteration as end:
        answer: T = end.value
        return answer
