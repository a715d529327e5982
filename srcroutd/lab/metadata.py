"""The lab's ECS metadata service: a real HTTP server that tells facts and fails on demand.

    python -m srcroutd.lab.metadata --listen ADDRESS --port 80 --facts FILE.json [--log FILE]

The facts file (``metadata_facts`` describes it) is read again as soon as it changes, so an ENI can
be attached, or a fault switched on, while the service runs; a file that does not parse is reported
and the older facts stay. ``--listen`` may be given several times. "ready on port N" on standard
output means that it listens. ``--log`` gets one JSON line a request. Tests use ``MetadataService``
in their own process.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from aiohttp import web

from srcroutd.lab import metadata_facts
from srcroutd.lab.metadata_facts import Facts
from srcroutd.lab.metadata_faults import page, spoil

LOOK_S = 0.05
"""How often the facts file is looked at."""

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TTL_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name
LONGEST_TTL_S = 21600


@dataclass(frozen=True, slots=True)
class Request:
    """One request and its answer. ``at_s`` is on the service's clock, ``status`` 0: no answer."""

    at_s: float
    method: str
    path: str
    status: int
    headers: dict[str, str]


class MetadataService:
    """The service. ``facts`` may be assigned while it runs; ``requests`` is what it was asked."""

    def __init__(
        self,
        facts: Facts,
        clock: Callable[[], float] = time.monotonic,
        log: TextIO | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.peak = 0
        """The most requests that were being answered at the same time."""
        self.tokens: dict[str, float] = {}
        """Tokens given out, with the time on ``clock`` when each one dies."""
        self.clock = clock
        self._log = log
        self._in_flight = 0
        self._attached: dict[str, float] = {}
        self._hits = 0
        self.facts = facts
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        self._places: list[tuple[str, int]] = []
        self._sites: list[web.TCPSite] = []

    @property
    def facts(self) -> Facts:
        """What it says and does. A MAC that is new in here counts as attached at this moment."""
        return self._facts

    @facts.setter
    def facts(self, facts: Facts) -> None:
        now = self.clock()
        self._attached = {eni.mac: self._attached.get(eni.mac, now) for eni in facts.enis}
        self._facts = facts
        self._hits = 0

    async def start(self, hosts: Sequence[str] = ("127.0.0.1",), port: int = 0) -> int:
        """Listen, and return the port: with 0 the kernel chooses one, the same for all hosts."""
        await self._runner.setup()
        for host in hosts:
            self._places.append((host, port))
            await self._listen(host, port)
            port = port or int(self._runner.addresses[0][1])
        self._places = [(host, port) for host, _ in self._places]
        return port

    async def follow(self) -> None:
        """Open or close the ports, as the facts say (fault ``refuse``)."""
        refusing = self.facts.fault is not None and self.facts.fault.kind == "refuse"
        if refusing and self._sites:
            for site in self._sites:
                await site.stop()
            self._sites.clear()
        elif not refusing and not self._sites:
            for host, port in self._places:
                await self._listen(host, port)

    async def stop(self) -> None:
        """Close everything, hanging answers too."""
        await self._runner.cleanup()

    async def _listen(self, host: str, port: int) -> None:
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
        await site.start()
        self._sites.append(site)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status, at_s = 0, self.clock()
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            response = await self._spoiled(request) or await self._told(request)
            status = response.status
            return response
        finally:
            self._in_flight -= 1
            done = Request(at_s, request.method, request.path, status, dict(request.headers))
            self.requests.append(done)
            if self._log:
                print(json.dumps(asdict(done)), file=self._log, flush=True)

    async def _spoiled(self, request: web.BaseRequest) -> web.StreamResponse | None:
        fault = self.facts.fault
        if not fault or fault.path not in request.path or fault.method not in request.method:
            return None
        self._hits += 1
        if fault.times is not None and self._hits > fault.times:
            return None
        return await spoil(fault, request)

    async def _told(self, request: web.BaseRequest) -> web.Response:
        """The answer of a healthy service."""
        if "X-Forwarded-For" in request.headers:
            return page(403)
        if request.path == TOKEN_PATH:
            return self._token(request)
        if refused := self._turned_away(request):
            return page(refused)
        version, _, below = request.path.lstrip("/").partition("/meta-data")
        if request.method != "GET" or version not in self.facts.versions:
            return page(404)
        await asyncio.sleep(metadata_facts.slowness_s(self.facts, below))
        # The facts are looked at after the wait: they may have changed meanwhile.
        now = self.clock()
        ages_s = {mac: now - since for mac, since in self._attached.items()}
        if below == "/all":
            text = metadata_facts.whole(self.facts, ages_s) if self.facts.all else None
        else:
            text = metadata_facts.look_up(self.facts, ages_s, below)
        return page(404) if text is None else web.Response(text=text)

    def _token(self, request: web.BaseRequest) -> web.Response:
        if request.method != "PUT" or self.facts.token_mode == "absent":  # noqa: S105
            return page(404)
        ttl = request.headers.get(TTL_HEADER, "")
        if not ttl.isdecimal() or not 1 <= int(ttl) <= LONGEST_TTL_S:
            return page(400)
        token = secrets.token_urlsafe(32)
        self.tokens[token] = self.clock() + int(ttl)
        return web.Response(text=token)

    def _turned_away(self, request: web.BaseRequest) -> int:
        """The status for a request without the right token, 0 if it may pass."""
        token = request.headers.get(TOKEN_HEADER)
        if self.facts.token_mode == "absent":  # noqa: S105 - a mode
            return 0
        if token is None:
            return 403 if self.facts.token_mode == "required" else 0  # noqa: S105 - a mode
        return 0 if self.clock() < self.tokens.get(token, 0.0) else 401


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="srcroutd.lab.metadata", description=__doc__)
    parser.add_argument("--listen", action="append", metavar="ADDR", required=True)
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(options.log.open("a")) if options.log else None
        asyncio.run(_serve(options.listen, options.port, options.facts, log))
    return 0


async def _serve(hosts: Sequence[str], port: int, path: Path, log: TextIO | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    seen = _stamp(path)
    service = MetadataService(_read(path), log=log)
    port = await service.start(hosts, port)
    print(f"ready on port {port}", flush=True)  # noqa: T201 - for the program that started this one
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK_S)
        if (stamp := _stamp(path)) != seen:
            seen = stamp
            try:
                service.facts = _read(path)
            except (OSError, ValueError) as error:
                sys.stderr.write(f"{path}: {error}; the older facts stay\n")
        await service.follow()
    await service.stop()


def _read(path: Path) -> Facts:
    return Facts.model_validate_json(path.read_bytes())


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when the file does, also when it is replaced by a rename."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


if __name__ == "__main__":
    sys.exit(main())
