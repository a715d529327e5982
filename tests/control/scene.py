"""A real server in a loop and a thread of its own, with a desk of values, and a ticker beside it
that notices whenever the loop is held.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from srcroutd.control.client import Client
from srcroutd.control.limits import Limits
from srcroutd.control.server import Server, control_server, metrics_server
from srcroutd.core.entries import once_done
from srcroutd.core.entry import Entry
from srcroutd.core.metrics import Metrics
from srcroutd.core.view import Cleaned, View
from srcroutd.daemon.meter import Meter
from tests.control.world import a_view, cleaned

TICK_S = 0.002


class Desk:
    """The daemon's side: serves what it is given, and remembers what it was asked to do."""

    def __init__(self, view: View) -> None:
        self.now = view
        self.meter = Meter()
        self.record: list[Entry] = []
        self.reconciled = 0
        self.round_s = 0.01
        self.cleanups: list[bool] = []
        self.tried: list[int] = []
        self.broken: Exception | None = None
        self.subscribers: list[Callable[[Entry], None]] = [self.meter.entry]

    def view(self) -> View:
        """The view that the test chose."""
        if self.broken:
            raise self.broken
        return self.now

    def metrics(self) -> Metrics:
        """Figures of that view."""
        return self.meter.metrics(self.now)

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """Take a subscriber."""
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def say(self, entry: Entry) -> None:
        """Keep an entry and hand it on."""
        self.record.append(entry)
        for subscriber in tuple(self.subscribers):
            subscriber(entry)

    def chatter(self) -> None:
        """Say a lot."""
        for _ in range(200):
            self.say(once_done("x" * 500))

    async def reconcile(self) -> View:
        """Take the time that a round takes."""
        await asyncio.sleep(self.round_s)
        self.reconciled += 1
        return self.now

    async def cleanup(self, *, dry_run: bool) -> Cleaned:
        """As if everything had been ours."""
        self.cleanups.append(dry_run)
        return cleaned(a_view(drift=True))

    async def try_config(self, seconds: int) -> View:
        """Remember for how long."""
        self.tried.append(seconds)
        return self.now

    async def keep_config(self) -> View:
        """Nothing to keep here."""
        return self.now

    async def reload(self) -> View:
        """Nothing to read here."""
        return self.now


class Scene:
    """The running server. ``path`` is its socket; ``held_s`` are the times the loop was held."""

    def __init__(self, path: Path, desk: Desk, limits: Limits | None, group: str) -> None:
        self.path = path
        self.desk = desk
        self.held_s: list[float] = []
        self.noise: list[str] = []
        """What asyncio had to complain about."""
        self.server = control_server(path, desk, group=group, limits=limits)
        self.metrics_server: Server | None = None
        self._limits = limits
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self.ended_after_s = 0.0

    def client(self) -> Client:
        """A client of it."""
        return Client(self.path)

    def connect(self) -> socket.socket:
        """A raw connection."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(20)
        connection.connect(str(self.path))
        return connection

    def raw(self, request: bytes) -> bytes:
        """What it answers to these bytes until it closes the connection."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            return read_all(connection)

    def get(self, target: str, method: str = "GET", headers: str = "") -> bytes:
        """The whole answer to a well-formed request."""
        return self.raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())

    def in_loop(self, what: Callable[[], None]) -> None:
        """Have something done in the server's loop, and wait for it."""
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(do)
        assert done.wait(10)

    def tasks(self) -> int:
        """How many tasks the loop has."""
        return len(asyncio.all_tasks(self._loop))

    def start(self, *, metrics: bool) -> None:
        """Begin to serve."""
        if metrics:
            self.metrics_server = metrics_server("127.0.0.1", 0, self.desk, limits=self._limits)
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        """End it, and measure how long that takes."""
        if self._thread.is_alive():
            began = time.monotonic()
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)
            self.ended_after_s = time.monotonic() - began
            assert not self._thread.is_alive()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _run(self) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, about: self.noise.append(repr(about))
        )
        ticker = asyncio.create_task(self._tick())
        servers = [server for server in (self.server, self.metrics_server) if server]
        serving = [asyncio.create_task(server.run()) for server in servers]
        self._started.set()
        await self._stop.wait()
        for task in (*serving, ticker):
            task.cancel()
        await asyncio.gather(*serving, ticker, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.held_s.append(time.perf_counter() - began - TICK_S)


@contextlib.contextmanager
def a_scene(
    folder: Path,
    desk: Desk | None = None,
    *,
    limits: Limits | None = None,
    group: str = "nobody-has-this-group",
    metrics: bool = False,
) -> Iterator[Scene]:
    """A server that serves until the end of the block, without a word of complaint by asyncio."""
    scene = Scene(folder / "control.sock", desk or Desk(a_view()), limits, group)
    scene.start(metrics=metrics)
    try:
        yield scene
    finally:
        scene.stop()
    assert scene.noise == []


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other end closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            found += block
    return found


def body(answer: bytes) -> bytes:
    """The body of a raw answer."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    whole = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return whole
        whole += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]


def descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(tuple(Path("/proc/self/fd").iterdir()))


def until(true: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Wait until something is so; whether it came to be."""
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
