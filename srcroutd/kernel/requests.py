"""Questions to the kernel and orders for it: dumps in, windows of changes out.

Promises: an observation is whole or raises TornDump; answers are believed only with our sequence
number and port id and from the kernel; the loop gets its turn after each datagram of a dump and
each window of writes. Questions may overlap, each has a socket to itself while it lasts. Orders all
leave from one socket, whose port id the event filter knows, so that we are not woken by our own
changes.

A rule dump of more than one datagram is not atomic and the kernel does not say so (FIB rules set no
NLM_F_DUMP_INTR): whoever asks has to check that no rule event came meanwhile.
"""

import asyncio
import errno
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from struct import Struct

from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import IP, Address, Family, Link, Route
from srcroutd.kernel.answers import DumpEnd, read_dump, read_refusals, read_single
from srcroutd.kernel.codec_link import decode_address, decode_link
from srcroutd.kernel.codec_packet import encode_packet
from srcroutd.kernel.codec_route import RTA_TABLE, decode_route
from srcroutd.kernel.errors import KernelLacks, NotPermitted, TornDump
from srcroutd.kernel.messages import Failure, Message
from srcroutd.kernel.request_socket import RequestSocket
from srcroutd.kernel.wire import (
    MESSAGE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_GETRULE,
    u32_attribute,
)

WINDOW = 128
"""Writes in one send: larger ones are no faster and stall the loop in proportion."""

_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS = 29, 8
_ALL_LINKS = bytes(16) + u32_attribute(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
_ALL_ADDRESSES = bytes(8)
_FAMILY_ONLY = Struct("=B11x")
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)


class _Enough(Exception):
    """Nobody wants to know the rest."""


class Requests:
    """The daemon's line to rtnetlink, in the network namespace of the thread that made it."""

    def __init__(self) -> None:
        """Open the socket of the orders. Raises KernelLacks before Linux 4.20."""
        self._orders = RequestSocket()
        self._idle: list[RequestSocket] = []
        self._numbers = itertools.count(1)

    @property
    def portid(self) -> int:
        """The port id that notifications of our own changes bear."""
        return self._orders.portid

    def close(self) -> None:
        """Close every socket."""
        for sock in (self._orders, *self._idle):
            sock.close()
        self._idle.clear()

    async def links(self) -> tuple[Link, ...]:
        """All NICs of this network namespace, by ifindex. Raises TornDump."""
        bodies, end = await self._dump(RTM_GETLINK, _ALL_LINKS)
        _expect_success(end, "dump of links")
        return tuple(filter(None, map(decode_link, bodies)))

    async def addresses(self) -> tuple[Address, ...]:
        """All addresses of both families. Raises TornDump."""
        bodies, end = await self._dump(RTM_GETADDR, _ALL_ADDRESSES)
        _expect_success(end, "dump of addresses")
        return tuple(filter(None, map(decode_address, bodies)))

    async def rules(self, family: Family) -> list[bytes]:
        """The bodies of all rules of a family, in the order of the RPDB. Raises TornDump,
        KernelLacks.

        A kernel without IPv6 holds no IPv6 rules: none is the answer, not an error.
        """
        bodies, end = await self._dump(RTM_GETRULE, _FAMILY_ONLY.pack(family))
        if end.errno in _NO_SUCH_FAMILY and family is Family.V6:
            return []
        _expect_success(end, f"dump of IP{family.name.lower()} rules")
        return [body for body in bodies if body[0] == family]

    async def routes(self, family: Family, table: int) -> list[bytes]:
        """The bodies of the routes of one table; a table that does not exist is empty. Raises
        TornDump.

        The kernel filters, so that a million routes in another table cost nothing.
        """
        question = _FAMILY_ONLY.pack(family) + u32_attribute(RTA_TABLE, table)
        bodies, end = await self._dump(RTM_GETROUTE, question)
        if end.errno == errno.ENOENT or (end.errno in _NO_SUCH_FAMILY and family is Family.V6):
            return []
        _expect_success(end, f"dump of IP{family.name.lower()} routes in table {table}")
        # Without IPv6 in the kernel, a question about it is answered with every other family's
        # routes.
        return [body for body in bodies if body[0] == family]

    async def sift_routes(self, question: bytes, sieve: Callable[[list[bytes]], bool]) -> None:
        """Give ``sieve`` the bodies of a dump of routes, datagram by datagram, until it says that
        it has enough; ``question`` is the body of the request. Raises TornDump.
        """
        with suppress(_Enough), self._borrowed() as sock:
            number = self._next_number()
            sock.send(
                _message(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, number, question) + question
            )
            while True:
                bodies: list[bytes] = []
                end = read_dump(sock.receive(), number, sock.portid, bodies)
                enough = not sieve(bodies)
                if end is not None:
                    break
                if enough:
                    raise _Enough  # the rest of the dump goes with its socket
                await asyncio.sleep(0)
            if end.errno != errno.ENOENT and end.errno not in _NO_SUCH_FAMILY:
                _expect_success(end, "dump of routes")

    async def route_to(self, dst: IP, src: IP | None = None, *, mark: int = 0) -> Route | Failure:
        """Ask where a packet of this host would go, as ``way_of`` does."""
        return await self.way_of(Packet(dst, src, mark=mark), {})

    async def way_of(self, packet: Packet, indexes: Mapping[str, int]) -> Route | Failure:
        """Ask where one packet would go; ``indexes`` are the ifindexes of its NICs. Raises
        TornDump.

        The route has the table it was found in, ``dst`` as a host prefix, the next hop and the
        source the kernel would choose. No route is a Failure on IPv4 (ENETUNREACH, or EACCES and
        the like for a rule or route that refuses); IPv6 may answer with a route whose type is the
        refusal. A packet that is not ``is_askable`` is refused with EOPNOTSUPP.
        """
        with self._borrowed() as sock:
            number = self._next_number()
            body = encode_packet(packet, indexes)
            sock.send(_message(RTM_GETROUTE, NLM_F_REQUEST, number, body) + body)
            answer = read_single(sock.receive(), number, sock.portid)
        if isinstance(answer, Failure):
            return answer
        route = decode_route(answer)
        if route is None:
            raise TornDump(f"route to {packet.dst}: the answer is of no known type; look again")
        # The answer repeats the question (mark, iif, uid): not content that our types lack.
        return replace(route, beyond=())

    async def execute(self, messages: Sequence[Message]) -> list[Failure]:
        """Carry out messages in order, each whatever became of the others; the refusals, in order.

        Raises NotPermitted without CAP_NET_ADMIN; TornDump if the answers of a window were lost:
        part of the messages was carried out, which part only a new look can tell.
        """
        failures: list[Failure] = []
        for start in range(0, len(messages), WINDOW):
            if start:
                await asyncio.sleep(0)
            failures += self._execute_window(messages[start : start + WINDOW], start)
        return failures

    def _execute_window(self, messages: Sequence[Message], start: int) -> list[Failure]:
        """One send, one ACK, on its last message; the others speak up only if they fail."""
        numbers = [self._next_number() for _ in messages]
        index_of = {number: start + place for place, number in enumerate(numbers)}
        last = numbers[-1]
        parts: list[bytes] = []
        for (kind, flags, body), number in zip(messages, numbers, strict=True):
            asked = NLM_F_REQUEST | NLM_F_ACK if number == last else NLM_F_REQUEST
            parts += (_message(kind, flags | asked, number, body), body)
        failures: list[Failure] = []
        try:
            self._orders.send(b"".join(parts))
            while not read_refusals(
                self._orders.receive(), index_of, last, self._orders.portid, failures
            ):
                pass
        except TornDump:
            self._reopen_orders()
            raise
        if any(failure.errno == errno.EPERM for failure in failures):
            raise NotPermitted(
                "the kernel refuses changes to its rules and routes; "
                "this process lacks CAP_NET_ADMIN; run it as root or grant the capability"
            )
        return failures

    def _reopen_orders(self) -> None:
        """A fresh socket under the same port id, which the event filter goes on to know."""
        portid = self._orders.portid
        self._orders.close()
        self._orders = RequestSocket(portid)

    async def _dump(self, kind: int, body: bytes) -> tuple[list[bytes], DumpEnd]:
        """All bodies of one dump and how it ended."""
        bodies: list[bytes] = []
        with self._borrowed() as sock:
            number = self._next_number()
            sock.send(_message(kind, NLM_F_REQUEST | NLM_F_DUMP, number, body) + body)
            while True:
                end = read_dump(sock.receive(), number, sock.portid, bodies)
                if end is not None:
                    return bodies, end
                await asyncio.sleep(0)

    @contextmanager
    def _borrowed(self) -> Iterator[RequestSocket]:
        """A socket for one question. Only one that was answered in full is used again."""
        sock = self._idle.pop() if self._idle else RequestSocket()
        try:
            yield sock
        except BaseException:
            sock.close()
            raise
        self._idle.append(sock)

    def _next_number(self) -> int:
        return next(self._numbers) & 0xFFFFFFFF


def _message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return MESSAGE.pack(MESSAGE.size + len(body), kind, flags, number, 0)


def _expect_success(end: DumpEnd, what: str) -> None:
    """Turn a refused dump into what the caller can act upon."""
    match end.errno:
        case 0:
            return
        case errno.EPERM | errno.EACCES:
            raise NotPermitted(f"{what}: {end.words}; the kernel lets this process look at nothing")
        case errno.EOPNOTSUPP | errno.EAFNOSUPPORT | errno.EINVAL:
            raise KernelLacks(
                f"{what}: {end.words}; this kernel is built without it; "
                "it needs CONFIG_IP_MULTIPLE_TABLES (and Linux 4.20 or later)"
            )
        case _:
            raise TornDump(f"{what}: {end.words}; look again")
