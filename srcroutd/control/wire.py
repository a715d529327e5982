"""As much of HTTP/1.1 as our own server speaks: one request, one answer, over a connected socket.

http.client would cost the command line 17 ms of imports (email, ssl), reads an answer of any size
and has no time limit for the whole. Anything that is not exactly as expected is ``Nonsense``.
Source: RFC 9112.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

HEAD_BYTES = 16 * 1024
BODY_BYTES = 256 * 1024 * 1024
"""The most that is read of an answer; a view of 100,000 rules is a fifth of this."""
_BLOCK = 64 * 1024


class Nonsense(Exception):
    """What came back is no answer of ours; says what it was."""


class CutOff(Nonsense):
    """The answer ended before its end."""


@dataclass(slots=True)
class Line:
    """A connected socket with what was read ahead. ``ends_at`` is on the monotonic clock, None: no
    limit.
    """

    connection: socket.socket
    ends_at: float | None
    ahead: bytes = b""

    def send(self, request: bytes) -> None:
        """Send a request. A server that has answered already need not take all of it."""
        self._limit()
        try:
            self.connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            return

    def more(self) -> bool:
        """Read some more; False at the end. Raises TimeoutError, OSError."""
        self._limit()
        try:
            block = self.connection.recv(_BLOCK)
        except ConnectionResetError:
            return False
        self.ahead += block
        return bool(block)

    def until(self, end: bytes, most: int) -> bytes:
        """Read up to ``end``, which is taken away. Raises CutOff, Nonsense."""
        while end not in self.ahead:
            if len(self.ahead) > most:
                raise Nonsense("a line without an end")
            if not self.more():
                raise CutOff("the connection was closed before the answer")
        found, _, self.ahead = self.ahead.partition(end)
        return found

    def exactly(self, number: int) -> Iterator[bytes]:
        """Read this number of bytes, in pieces as they come. Raises CutOff."""
        while number:
            if not self.ahead and not self.more():
                raise CutOff("the connection was closed in the middle of the answer")
            piece, self.ahead = self.ahead[:number], self.ahead[number:]
            number -= len(piece)
            yield piece

    def _limit(self) -> None:
        left_s = None if self.ends_at is None else self.ends_at - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise TimeoutError
        self.connection.settimeout(left_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is still to be read: ``length`` bytes, or None for chunks."""

    status: int
    line: Line
    length: int | None

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises CutOff, Nonsense, TimeoutError, OSError."""
        if self.length is not None:
            yield from self.line.exactly(self.length)
            return
        while size := _number(self.line.until(b"\r\n", 64), 16):
            yield from self.line.exactly(size)
            if b"".join(self.line.exactly(2)) != b"\r\n":
                raise Nonsense("a chunk without an end")

    def body(self) -> bytes:
        """The whole body."""
        pieces, size = [], 0
        for piece in self.pieces():
            size += len(piece)
            if size > BODY_BYTES:
                raise Nonsense(f"an answer of more than {BODY_BYTES} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def lines(self) -> Iterator[bytes]:
        """The body, line by line as they come; a last one without an end is dropped."""
        waiting = b""
        for piece in self.pieces():
            *whole, waiting = (waiting + piece).split(b"\n")
            if len(waiting) > BODY_BYTES:
                raise Nonsense("a line without an end")
            yield from whole


def ask(line: Line, method: str, target: str) -> Answer:
    """Send a request without a body and read the head of its answer."""
    line.send(
        f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    first, *rest = line.until(b"\r\n\r\n", HEAD_BYTES).split(b"\r\n")
    protocol, _, words = first.partition(b" ")
    if protocol not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Nonsense(f"it answers {first[:40]!a}")
    headers = {}
    for one in rest:
        name, colon, value = one.partition(b":")
        if not colon:
            raise Nonsense(f"it answers with a header {one[:40]!a}")
        headers[name.lower()] = value.strip()
    length: int | None = None
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        length = _number(headers.get(b"content-length", b"-"), 10)
    return Answer(_number(words[:3], 10), line, length)


def _number(digits: bytes, base: int) -> int:
    if not digits.isalnum():
        raise Nonsense(f"{digits[:20]!a} is no number")
    try:
        return int(digits, base)
    except ValueError:
        raise Nonsense(f"{digits[:20]!a} is no number") from None
