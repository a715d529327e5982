"""The control socket's server: one coroutine that takes connections in, one at a time, by turns
with the rest of the loop.

It listens from the moment it is made. The pages and aiohttp are imported, in a thread, when the
first client has come: a daemon that nobody asks does not pay for them, and no round waits for them.
"""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from srcroutd.control.doors import Door, control_door, metrics_door
from srcroutd.control.limits import Caller, Limits, has_room
from srcroutd.control.peers import GROUP, rights
from srcroutd.core.errors import Exit

if TYPE_CHECKING:
    from srcroutd.control.conversation import Hall
    from srcroutd.control.pages import Desk

PAUSE_S = 0.01
"""After a connection for which there was no place: a flood of them costs next to nothing."""
POOR_S = 0.5
"""After the kernel had no file descriptor or memory for a connection."""


def control_server(
    path: Path, desk: "Desk", *, group: str = GROUP, limits: Limits | None = None
) -> "Server":
    """Listen on the control socket. Raises AlreadyRunning, CannotListen."""
    return Server(control_door(path, rights(group)), desk, limits)


def metrics_server(host: str, port: int, desk: "Desk", *, limits: Limits | None = None) -> "Server":
    """Listen on a TCP address for GET /metrics, and nothing else. Raises CannotListen."""
    return Server(metrics_door(host, port), desk, limits)


class Server:
    """A listening socket and those who came in by it. ``run`` serves until it is cancelled."""

    def __init__(self, door: Door, desk: "Desk", limits: Limits | None = None) -> None:
        self._door = door
        self._desk = desk
        self._limits = limits or Limits()
        self._hall: Hall | None = None

    @property
    def address(self) -> str | tuple[str, int]:
        """Where it listens: the path, or host and port."""
        name = self._door.listener.getsockname()
        return name if isinstance(name, str) else (name[0], name[1])

    async def run(self) -> None:
        """Serve. When cancelled, listens no more and ends all conversations within a second."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection = await _accepted(loop, self._door.listener)
                except OSError:
                    await asyncio.sleep(POOR_S)
                    continue
                pause_s = await self._take_in(loop, connection)
                # A connection that waits already is accepted without any turn of the loop.
                await asyncio.sleep(pause_s)
        finally:
            self._door.close()
            if self._hall:
                await self._hall.close()

    def close(self) -> None:
        """Listen no more, where ``run`` was never started."""
        self._door.close()

    async def _take_in(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> float:
        """Begin a conversation, or turn the connection away; returns how long to rest then."""
        try:
            caller = _caller(self._door, connection)
            if self._hall is None:
                self._hall = await asyncio.to_thread(self._make_hall)
            hall = self._hall
            if not has_room(self._limits, hall.callers, caller):
                _turn_away(connection)
                return PAUSE_S
            await loop.connect_accepted_socket(lambda: hall.conversation(caller), connection)
        except OSError:
            connection.close()  # it was gone before we looked
            return PAUSE_S
        except BaseException:
            connection.close()
            raise
        return 0.0

    def _make_hall(self) -> "Hall":
        from srcroutd.control.conversation import Hall
        from srcroutd.control.pages import CONTROL, METRICS, Site

        known = self._door.rights
        return Hall(Site(CONTROL if known else METRICS, known), self._desk, self._limits)


async def _accepted(loop: asyncio.AbstractEventLoop, listener: socket.socket) -> socket.socket:
    """The next connection. Raises OSError.

    Not ``loop.sock_accept``: cancelled in the very turn in which somebody comes, that one takes him
    in all the same, loses him, and has the loop print a traceback.
    """
    while True:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError):
            somebody = loop.create_future()
            loop.add_reader(listener.fileno(), _ring, somebody)
            try:
                await somebody
            finally:
                loop.remove_reader(listener.fileno())
        else:
            connection.settimeout(0.0)
            return connection


def _ring(somebody: "asyncio.Future[None]") -> None:
    if not somebody.done():
        somebody.set_result(None)


def _caller(door: Door, connection: socket.socket) -> Caller:
    peer = door.who(connection)
    return Caller(peer) if peer else Caller(None, str(connection.getpeername()[0]))


def _turn_away(connection: socket.socket) -> None:
    """Say that there is no place, without a conversation."""
    from srcroutd.control.documents import ErrorDocument
    from srcroutd.control.encode import to_line

    sentence = "too many connections at once; next: try again in a moment"
    error = ErrorDocument(status=503, message=sentence, exit_code=int(Exit.TEMPORARY))
    body = to_line(error).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    # He may be gone. asyncio made the socket non-blocking.
    with connection, suppress(OSError):
        connection.send(head.encode() + body)
