"""A metadata service with an optional token: a path into its text, "no such key" or why not.

Several base URLs may lead to the same service; the one that answered last is asked first, and
another one only where that one cannot be reached or says nothing. The token is kept in memory
only, renewed at half its life and once more when the service answers 401. A service that has no
token mode (404 or 405 on the PUT) is asked plainly, and asked again for a token after a while: it
may be hardened while we run. How long to wait between reads, and how often, is the caller's
business.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from srcroutd.core.inventory import Unknown

if TYPE_CHECKING:
    from srcroutd.providers.fetch import Answer, Fetcher

PLAIN_S = 300.0
"""How long it is remembered that a service has no token mode."""

RENEW_AGAIN_S = 30.0
"""How long an old but living token is used before its renewal is tried again."""

_NO_TOKEN_MODE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_SILENCE = ("unreachable", "timeout")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service may cost.

    ``answer_s`` is for one HTTP answer, ``read_s`` for a whole read.
    """

    connect_s: float = 1.0
    answer_s: float = 5.0
    read_s: float = 20.0
    body_bytes: int = 256 * 1024
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class TokenWords:
    """How a cloud spells its token: the path of the PUT, two header names, the life asked for."""

    path: str
    ttl_header: str
    header: str
    ttl_s: int = 21600


@dataclass(frozen=True, slots=True)
class _Token:
    """A token and its times on our clock; without ``value`` the service has no token mode."""

    value: str | None
    renew_at: float
    dies_at: float


class Imds:
    """A client for one metadata service. All its limits hold for one call of ``get``, or a few."""

    def __init__(
        self,
        bases: Sequence[str],
        token: TokenWords,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        """HTTP requests sent so far, by method and result ("ok", "absent", "forbidden", ...)."""
        self._bases = tuple(base.rstrip("/") for base in bases)
        self._words = token
        self.limits = limits or Limits()
        self._clock = clock
        self._proven: str | None = None
        self._tokens: dict[str, _Token] = {}
        # Requests run side by side, and one of them renews for all: the only lock in the program.
        self._renewing = asyncio.Lock()
        self._fetcher: Fetcher | None = None

    async def get(self, path: str) -> str | Unknown | None:
        """The text at ``path`` ("/latest/..."), None for 404.

        At most four requests for each base.
        """
        silences: list[Unknown] = []
        for base in self._order():
            told = await self._ask(base, path)
            if not isinstance(told, Unknown) or told.kind not in _SILENCE:
                self._proven = base
                return told
            silences.append(told)
            if base == self._proven and told.kind == "timeout":
                # It answered before: one slow key is no reason to leave, but it must prove itself.
                break
        self._proven = None
        return Unknown("; ".join(silence.reason for silence in silences), silences[0].kind)

    async def close(self) -> None:
        """Give back the sockets."""
        if self._fetcher:
            await self._fetcher.close()

    def _order(self) -> tuple[str, ...]:
        return tuple(sorted(self._bases, key=lambda base: base != self._proven))

    async def _ask(self, base: str, path: str) -> str | Unknown | None:
        """One GET at one base, and one more with a new token where the first was turned away."""
        renewed = False
        while True:
            token = await self._token(base)
            if isinstance(token, Unknown):
                return token
            headers = {self._words.header: token.value} if token.value else {}
            answer = await self._send("GET", base + path, headers)
            if isinstance(answer, Unknown):
                return answer
            if renewed or not _turned_away(answer.status, token):
                return _judged(f"GET {base}{path}", answer)
            renewed = True
            if self._tokens.get(base) is token:
                del self._tokens[base]

    async def _token(self, base: str) -> _Token | Unknown:
        """The token for this base, new where the old one is half through its life."""
        async with self._renewing:
            token, now = self._tokens.get(base), self._clock()
            if token and now < token.renew_at:
                return token
            told = await self._new_token(base)
            if isinstance(told, Unknown):
                if not token or now >= token.dies_at or token.value is None:
                    return told
                told = _Token(token.value, now + RENEW_AGAIN_S, token.dies_at)
            self._tokens[base] = told
            return told

    async def _new_token(self, base: str) -> _Token | Unknown:
        url, ttl_s = base + self._words.path, self._words.ttl_s
        answer = await self._send("PUT", url, {self._words.ttl_header: str(ttl_s)})
        if isinstance(answer, Unknown):
            return answer
        now = self._clock()
        if answer.status in _NO_TOKEN_MODE:
            return _Token(None, now + PLAIN_S, now + PLAIN_S)
        if answer.status != HTTPStatus.OK:
            return _refused(f"PUT {url}", answer)
        value = answer.text.strip()
        if not _could_be_token(value):
            return Unknown(f"PUT {url}: what came back is not a token", "malformed")
        return _Token(value, now + ttl_s / 2, now + ttl_s)

    async def _send(
        self, method: Literal["GET", "PUT"], url: str, headers: Mapping[str, str]
    ) -> "Answer | Unknown":
        fetcher = self._fetcher or await self._opened()
        answer = await fetcher.fetch(method, url, dict(headers))
        result = answer.kind if isinstance(answer, Unknown) else _word(answer.status)
        self.requests[method, result] += 1
        return answer

    async def _opened(self) -> "Fetcher":
        """The HTTP client.

        Its import takes a good tenth of a second: the event loop runs on meanwhile.
        """
        fetcher = await asyncio.to_thread(_fetcher_type)
        if self._fetcher is None:
            self._fetcher = fetcher(
                connect_s=self.limits.connect_s,
                answer_s=self.limits.answer_s,
                body_bytes=self.limits.body_bytes,
                at_once=self.limits.at_once,
            )
        return self._fetcher


def _fetcher_type() -> "type[Fetcher]":
    from srcroutd.providers.fetch import Fetcher

    return Fetcher


def _turned_away(status: int, token: _Token) -> bool:
    """Whether a new token may help: it is bad or too old, or plain access was ended meanwhile."""
    return status == HTTPStatus.UNAUTHORIZED or (
        status == HTTPStatus.FORBIDDEN and token.value is None
    )


def _could_be_token(value: str) -> bool:
    """Whether this may stand in a header: a page of HTML, an empty body or line ends may not."""
    return 0 < len(value) <= 4096 and value.isascii() and value.isprintable() and " " not in value


def _judged(where: str, answer: "Answer") -> str | Unknown | None:
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        return _refused(where, answer)
    if answer.text.lstrip().startswith("<"):
        return Unknown(f"{where}: a page of HTML instead of a value", "malformed")
    return answer.text


def _refused(where: str, answer: "Answer") -> Unknown:
    """An HTTP status that is not an answer, in words: what, where, what next."""
    return Unknown(
        f"{where}: status {answer.status}, {_MEANS.get(_word(answer.status), 'unexpected')}",
        _word(answer.status),
        answer.retry_after_s,
    )


_MEANS = {
    "token": "the token is not accepted; asking for another one did not help",
    "forbidden": "metadata access is turned off for this instance, or a proxy is in between",
    "throttled": "too many requests; the next one has to wait",
    "redirect": "redirects are not followed; this may not be the metadata service",
    "server": "the service is in trouble; it will be asked again",
    "refused": "the service does not accept the request",
}


def _word(status: int) -> str:
    """A status as a bounded label for counters and ``Unknown.kind``."""
    match status:
        case HTTPStatus.OK:
            return "ok"
        case HTTPStatus.NOT_FOUND:
            return "absent"
        case HTTPStatus.UNAUTHORIZED:
            return "token"
        case HTTPStatus.FORBIDDEN:
            return "forbidden"
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return "throttled"
    return {3: "redirect", 4: "refused", 5: "server"}.get(status // 100, "unexpected")
