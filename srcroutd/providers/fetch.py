"""One bounded HTTP request: an ``Answer`` or the reason why there is none, and never an exception.

This is the only module among the providers that imports aiohttp, and so it is itself imported late:
aiohttp costs 160 ms and 9 MiB, and a host that boots from remembered facts needs its routing first.
Bounded means: time to connect, time for the whole answer, bytes, requests at once. No redirect is
followed, no proxy of the environment is used, no cookie is kept, no compressed body is unpacked.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from srcroutd import __version__
from srcroutd.core.inventory import Unknown

LONGEST_WAIT_S = 600.0
"""The longest Retry-After that is honoured: a slip there must not blind us for a day."""

KEEP_OPEN_S = 2.0
"""A connection serves one read. Between reads a NIC may flap, and an old connection would hang."""

_CHUNK = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever the status.

    ``retry_after_s`` is Retry-After in seconds, if given.
    """

    status: int
    text: str
    retry_after_s: float | None = None


class Fetcher:
    """A set of HTTP connections with limits. To be made inside a running event loop."""

    def __init__(self, *, connect_s: float, answer_s: float, body_bytes: int, at_once: int) -> None:
        self._body_bytes = body_bytes
        # The connector could limit this too, but waiting there would count as time to answer.
        self._slots = asyncio.Semaphore(at_once)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=at_once, keepalive_timeout=KEEP_OPEN_S),
            timeout=aiohttp.ClientTimeout(total=answer_s, sock_connect=connect_s),
            headers={"User-Agent": f"srcroutd/{__version__}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )

    async def fetch(self, method: str, url: str, headers: dict[str, str]) -> Answer | Unknown:
        """Send one request.

        Kinds of failure: unreachable, timeout, cut, oversize, encoding, malformed.
        """
        where = f"{method} {url}"
        async with self._slots:
            try:
                return await self._exchange(method, url, headers)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                return _failure(where, error)
            except UnicodeDecodeError:
                return Unknown(f"{where}: the answer is not text", "malformed")

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _exchange(self, method: str, url: str, headers: dict[str, str]) -> Answer | Unknown:
        async with self._session.request(
            method, url, headers=headers, allow_redirects=False
        ) as response:
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding.lower() not in ("", "identity"):
                response.close()
                return Unknown(f"{method} {url}: refused a body in {encoding[:20]!a}", "encoding")
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > self._body_bytes:
                    response.close()
                    return Unknown(
                        f"{method} {url}: refused a body of more than {self._body_bytes} bytes",
                        "oversize",
                    )
            return Answer(response.status, body.decode(), _retry_after(response.headers))


def _failure(where: str, error: Exception) -> Unknown:
    # Order matters: a time limit while connecting is both a connection error and a time limit.
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Unknown(f"{where}: no connection in time", "unreachable")
        case TimeoutError():
            return Unknown(f"{where}: no whole answer in time", "timeout")
        case aiohttp.ClientConnectorError():
            # asyncio puts the address into strerror; the errno has the plain words.
            return Unknown(f"{where}: {os.strerror(error.errno or 0)}", "unreachable")
        case aiohttp.ClientResponseError():
            return Unknown(f"{where}: not an answer in HTTP", "malformed")
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | OSError():
            return Unknown(f"{where}: the answer was cut off", "cut")
        case _:
            return Unknown(f"{where}: {type(error).__name__}", "error")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3); a date is counted from the answer's own Date."""
    asked = headers.get("Retry-After", "")[:64].strip()
    try:
        seconds = float(asked) if asked.isdecimal() else _between(headers.get("Date", ""), asked)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def _between(start: str, end: str) -> float:
    return (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
