"""The interface between the daemon and whatever knows the ENIs: ask, and get readings or a reason
why not.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from srcroutd.core.inventory import Reading, Unknown


class Provider(Protocol):
    """Something that knows this host's ENIs."""

    name: str
    """The word for it in configuration, status and journal: "aliyun", "static"."""

    @property
    def requests(self) -> Mapping[tuple[str, str], int]:
        """Requests sent so far, by method and result; empty where none are ever sent."""
        ...

    def read(self) -> AsyncGenerator[Reading | Unknown, None]:
        """One read of everything, yielded in parts as they become complete.

        Each part is usable by itself, so that no ENI waits for another's record. The last part of a
        successful read has ``listed`` set. A failure is yielded as ``Unknown``; nothing is raised
        but ``asyncio.CancelledError``. One call costs a bounded number of requests and a bounded
        time.
        """
        ...

    async def close(self) -> None:
        """Give back sockets. The provider is not used after this."""
        ...
