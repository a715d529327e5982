"""Bytes to a descriptor whose reader may be slow or gone: nobody ever waits for it.

What it does not take yet is kept, up to a limit, and tried again while the loop runs. The
descriptor itself is not made non-blocking, because whoever started us may share it.
"""

import asyncio
import os
import select
import time
from contextlib import suppress

LIMIT = 1024 * 1024
"""Bytes kept for a reader that is slow."""
CHUNK = 4096
"""A pipe or socket that poll calls writable takes this much without blocking (pipe(7))."""
RETRY_S = 0.01


class Outlet:
    """Writes to one descriptor, in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._kept = bytearray()
        self._later = False

    @property
    def behind(self) -> bool:
        """Whether much is kept for a slow reader."""
        return len(self._kept) > LIMIT // 4

    def put(self, line: bytes) -> bool:
        """Write a line now or soon; False if there is no room for it, or no reader any more."""
        if len(self._kept) + len(line) > LIMIT:
            self._flush(0.0)
            if len(self._kept) + len(line) > LIMIT:
                return False
        self._kept += line
        return self._flush(0.0)

    def close(self, patience_s: float) -> None:
        """Write what is kept; gives up after a while."""
        end = time.monotonic() + patience_s
        while self._kept and (left_s := end - time.monotonic()) > 0:
            self._flush(left_s)

    def _flush(self, patience_s: float) -> bool:
        """Write as much as the reader takes. False if it is gone."""
        while self._kept and self._poll.poll(patience_s * 1000):
            try:
                del self._kept[: os.write(self._descriptor, self._kept[:CHUNK])]
            except BlockingIOError:
                break
            except OSError:
                self._kept.clear()
                return False
        if self._kept:
            self._try_later()
        return True

    def _try_later(self) -> None:
        if not self._later:
            with suppress(RuntimeError):  # without a loop the next line or the end tries again
                asyncio.get_running_loop().call_later(RETRY_S, self._try_now)
                self._later = True

    def _try_now(self) -> None:
        self._later = False
        self._flush(0.0)
