"""Requests and answers over HTTP by aiohttp: the only module that imports it, and itself imported
late.

A connection is one request, and at any time there is a moment by which something must have come of
it: else it is cut off, whatever its client does. A large answer is encoded in slices, so that the
loop, and with it a reconcile round, is never held for long.
"""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server as Manager

from srcroutd import __version__
from srcroutd.control.documents import Document, ErrorDocument
from srcroutd.control.encode import encode, to_line
from srcroutd.control.limits import Caller, Limits
from srcroutd.control.mailbox import Mailbox
from srcroutd.control.pages import Answer, Desk, Record, Refused, Site, Text, switches
from srcroutd.control.translate import entry_document
from srcroutd.core.entries import bug
from srcroutd.core.entry import Entry
from srcroutd.core.errors import Exit, OperatorError

GRACE_S = 0.3
"""At the end: for answers under way, and again for what has to be cancelled."""
_JSON = "application/json"
_LINES = "application/x-ndjson"


class Conversation(RequestHandler):
    """One connection. It is cut off at its deadline, which ``within`` moves."""

    __slots__ = ("_deadline", "_hall", "caller")

    def __init__(self, hall: "Hall", manager: Manager, caller: Caller, limits: Limits) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=0,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type] # so says aiohttp: no log
            max_line_size=limits.line_bytes,
            max_field_size=limits.line_bytes,
            max_headers=limits.headers,
            lingering_time=0,
            read_bufsize=limits.line_bytes,
            auto_decompress=False,
        )
        self._hall = hall
        self._deadline: asyncio.TimerHandle | None = None
        self.caller = caller
        self.within(limits.head_s)

    def within(self, seconds: float | None) -> None:
        """Something must have come of it by then; None: it may take for ever."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self.cut) if seconds else None

    def cut(self) -> None:
        """Close at once: closing politely waits until the client has read what was sent."""
        if self.transport:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self.within(None)
        self._hall.left(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002 - so aiohttp calls it
        status: int = 500,  # noqa: ARG002
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> StreamResponse:
        """What is no HTTP."""
        self.within(self._hall.limits.last_s)
        if isinstance(exc, LineTooLong):
            return error_response(431, "this request's head is too long")
        return error_response(
            400,
            "this is no request in HTTP; ask like: "
            "curl --unix-socket /run/srcroutd/control.sock http://localhost/v1/status",
        )

    def log_exception(self, *_args: Any, **about: Any) -> None:
        """What aiohttp did not expect."""
        error = about.get("exc_info")
        if isinstance(error, BaseException):
            self._hall.complain("control socket", error)


class Hall:
    """The open conversations of one server, and what they are told."""

    def __init__(self, site: Site, desk: Desk, limits: Limits) -> None:
        self.limits = limits
        self._site = site
        self._desk = desk
        self._manager: Manager | None = None
        self._open: dict[Conversation, Caller] = {}
        self._bells: dict[asyncio.Event, Caller] = {}
        self._encoders = 0
        self._closing = False

    @property
    def callers(self) -> Collection[Caller]:
        """Those who are here, once for each connection."""
        return self._open.values()

    def conversation(self, caller: Caller) -> Conversation:
        """A new one. To be called in the event loop."""
        if self._manager is None:
            self._manager = Manager(self._answer, handler_cancellation=True)
        conversation = Conversation(self, self._manager, caller, self.limits)
        self._open[conversation] = caller
        return conversation

    def left(self, conversation: Conversation) -> None:
        """That connection is closed."""
        self._open.pop(conversation, None)

    async def close(self) -> None:
        """End the watching, then what is under way, then everything."""
        self._closing = True
        for bell in self._bells:
            bell.set()
        if self._manager:
            await self._manager.shutdown(GRACE_S)
        for conversation in tuple(self._open):
            conversation.cut()
        await asyncio.sleep(0)

    def complain(self, where: str, error: BaseException) -> None:
        """Put an error of ours on the record."""
        told = "".join(traceback.format_exception(error))
        self._desk.say(bug(type(error).__name__, f"{where}: {error}", told))

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        """The answer to one request; nothing but a cancellation comes out of it."""
        conversation = request.protocol
        assert isinstance(conversation, Conversation)  # noqa: S101 - there are no others
        conversation.within(self.limits.answer_s)
        try:
            answer = await self._told(request, conversation.caller)
            return await self._sent(request, answer, conversation)
        except Refused as refused:
            return error_response(refused.status, str(refused), refused.exit_code)
        except OperatorError as error:
            return error_response(503, str(error), error.exit_code)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - a request never ends the daemon
            self.complain(f"{request.method} {request.path[:80]!a}", error)
            # After a part of the answer, only an end that cannot be mistaken for the whole is left.
            conversation.within(self.limits.last_s)
            if request.writer.output_size:
                conversation.cut()
                raise ConnectionResetError from None
            told = "this is a bug in srcroutd; next: journalctl -u srcroutd"
            return error_response(500, told, Exit.BUG)
        finally:
            conversation.within(self.limits.last_s)

    async def _told(self, request: BaseRequest, caller: Caller) -> Answer:
        # A web page that reaches the socket through some forwarding must not speak as its user.
        if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
            raise Refused(403, "this is not for web pages", Exit.NOT_PERMITTED)
        try:
            path, given = request.path, tuple(request.query.items())
        except ValueError:
            raise Refused(400, "this path cannot be read") from None
        page = self._site.admit(request.method, path, caller.peer)
        chosen = switches(page, path, given)
        if request.body_exists:
            raise Refused(413, f"{path} takes no body; options stand behind a question mark")
        return await page.answer(self._desk, chosen)

    async def _sent(
        self, request: BaseRequest, answer: Answer, conversation: Conversation
    ) -> StreamResponse:
        if isinstance(answer, Record):
            return await self._watched(request, conversation)
        if isinstance(answer, Text):
            return _whole(200, answer.text.encode(), answer.kind)
        await asyncio.sleep(0)
        return await self._written(request, answer)

    async def _written(self, request: BaseRequest, document: Document) -> StreamResponse:
        """A document: as a whole if it is small, else slice by slice."""
        slices = self._slices(document)
        first, second = next(slices), next(slices, None)
        if second is None:
            return _whole(200, first)
        response = await _begun(request, _JSON)
        self._encoders += 1
        try:
            await response.write(first)
            await response.write(second)
            for piece in slices:
                await response.write(piece)
                # Several at once leave the loop half of its time; one alone is served at once.
                await asyncio.sleep(2 * self.limits.slice_s * (self._encoders - 1))
        finally:
            self._encoders -= 1
        await response.write_eof()
        return response

    def _slices(self, document: Document) -> Iterator[bytes]:
        """The document in pieces that take ``slice_s`` each to make."""
        pieces: list[str] = []
        until = time.perf_counter() + self.limits.slice_s
        for piece in encode(document):
            pieces.append(piece)
            if time.perf_counter() >= until:
                yield "".join(pieces).encode()
                pieces.clear()
                until = time.perf_counter() + self.limits.slice_s
        yield ("".join(pieces) + "\n").encode()

    async def _watched(self, request: BaseRequest, conversation: Conversation) -> StreamResponse:
        """The record as it happens, until the client or the daemon ends."""
        caller = conversation.caller
        if Counter(one.key for one in self._bells.values())[caller.key] >= self.limits.watchers:
            raise Refused(
                503,
                f"{self.limits.watchers} connections of this user watch already",
                Exit.TEMPORARY,
            )
        mailbox, bell = Mailbox(self.limits.mail), asyncio.Event()

        def put(entry: Entry) -> None:
            mailbox.put(entry, time.time())
            bell.set()

        self._bells[bell] = caller
        forget = self._desk.subscribe(put)
        try:
            response = await _begun(request, _LINES)
            while not self._closing:
                conversation.within(None)
                await bell.wait()
                bell.clear()
                while mailbox:
                    conversation.within(self.limits.stall_s)
                    await response.write(self._lines(mailbox))
                    await asyncio.sleep(0)
            await response.write_eof()
            return response
        finally:
            forget()
            del self._bells[bell]

    def _lines(self, mailbox: Mailbox) -> bytes:
        """What waits, as far as it takes ``slice_s`` to encode."""
        lines: list[str] = []
        until = time.perf_counter() + self.limits.slice_s
        while time.perf_counter() < until and (waiting := mailbox.take()):
            at_s, entry = waiting
            lines.append(to_line(entry_document(entry, at_s)))
        return "".join(lines).encode()


async def _begun(request: BaseRequest, kind: str) -> StreamResponse:
    """An answer whose head is on its way."""
    response = StreamResponse(headers=_headers(kind))
    response.force_close()
    await response.prepare(request)
    return response


def _whole(status: int, body: bytes, kind: str = _JSON) -> Response:
    response = Response(status=status, body=body, headers=_headers(kind))
    response.force_close()
    return response


def _headers(kind: str) -> dict[str, str]:
    return {"Content-Type": kind, "Server": f"srcroutd/{__version__}"}


def error_response(status: int, sentence: str, exit_code: Exit = Exit.USAGE) -> Response:
    """An error as a document."""
    error = ErrorDocument(status=status, message=sentence, exit_code=int(exit_code))
    return _whole(status, to_line(error).encode())
