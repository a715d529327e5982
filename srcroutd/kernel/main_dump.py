"""As much of table main as somebody asks about, though it may hold a million routes.

The kernel sifts by protocol, we by prefix, comparing bytes and decoding only what is kept. IPv4
routes come in the order of their destinations (leaf_walk_rcu in net/ipv4/fib_trie.c), the default
first, so the dump is left as soon as nothing more can be wanted; IPv6 has its default at the end.
Promise: a default in whatever form is seen, with all its NICs; a copy is only of what a ``Route``
can say.
"""

from collections.abc import Iterator
from dataclasses import replace

from srcroutd.core.main_table import MIRROR_LIMIT, MainDefault, MainInterest, MainRoutes
from srcroutd.core.net import MAIN_TABLE, Family, Network, Route, RouteType
from srcroutd.kernel.codec_route import RTA_EXPIRES, RTA_PREF, RTA_TABLE, RTMSG, decode_route
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.wire import ATTRIBUTE, S32, attributes, u32_attribute

_RTA_METRICS, _RTA_MULTIPATH, _RTA_FLOW, _RTA_NH_ID = 8, 9, 11, 30
_LEFT_OUT = frozenset((_RTA_METRICS, _RTA_FLOW, RTA_PREF, RTA_EXPIRES, _RTA_NH_ID))
"""What a copy does without: hints for TCP, realms, preference and lifetime (the copy goes with the
route), and the number of a nexthop whose content is told beside it."""
_DST_LEN, _SRC_LEN, _TYPE = 1, 2, 7
"""Bytes of rtmsg."""
_DST_AT = 24
"""Where the destination stands in a dumped route: behind the table and its own attribute header."""
_RTNEXTHOP = 8


class MainReader:
    """Reads main again and again; what a body means is kept while dumps contain it."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._known: dict[bytes, Route | None] = {}

    async def read(self, interest: MainInterest) -> tuple[list[bytes], MainRoutes]:
        """The bodies of main's defaults, and what was asked for as values. Raises TornDump."""
        sieves = [await self._sifted(family, interest) for family in Family]
        defaults = [body for sieve in sieves for body in sieve.defaults]
        copied = dict.fromkeys(body for sieve in sieves for body in sieve.copies)
        known = self._known
        self._known = {body: known[body] if body in known else _copied(body) for body in copied}
        seen = MainRoutes(
            tuple(_defaults(defaults)),
            tuple(route for route in self._known.values() if route),
            frozenset(sieve.family for sieve in sieves if sieve.is_full),
        )
        return defaults, seen

    async def _sifted(self, family: Family, interest: MainInterest) -> "_Sieve":
        sieve = _Sieve(family, interest)
        if interest.defaults or sieve.prefixes:
            await self._requests.sift_routes(_question(family, 0, 0), sieve.take)
        for protocol in interest.protocols:
            question = _question(family, protocol, RouteType.UNICAST)
            await self._requests.sift_routes(question, sieve.take_all)
        return sieve


class _Sieve:
    """What is kept of one family; ``take`` says false once nothing more can be wanted."""

    def __init__(self, family: Family, interest: MainInterest) -> None:
        self.family = family
        self.prefixes = interest.within(family)
        self.defaults: list[bytes] = []
        self.copies: list[bytes] = []
        self._wants_defaults = interest.defaults
        self._spans = [_span(prefix) for prefix in self.prefixes]
        ends = [prefix.broadcast_address.packed for prefix in self.prefixes]
        self._last = max(ends, default=bytes(family_size(family)))

    @property
    def is_full(self) -> bool:
        return len(self.copies) > MIRROR_LIMIT

    def take(self, bodies: list[bytes]) -> bool:
        for body in bodies:
            if body[0] != self.family:
                continue  # a kernel without IPv6 answers with every other family's routes
            if body[_DST_LEN] == 0:
                self._take_default(body)
            elif self._is_within(body):
                self.copies.append(body)
        past = self.family is Family.V4 and bodies and _destination(bodies[-1]) > self._last
        return not (past or (self.is_full and not self._wants_defaults))

    def take_all(self, bodies: list[bytes]) -> bool:
        self.copies += (body for body in bodies if body[0] == self.family and body[_DST_LEN])
        return not self.is_full

    def _take_default(self, body: bytes) -> None:
        if body[_SRC_LEN]:
            return  # for some sources only: it competes with nobody
        if self._wants_defaults:
            self.defaults.append(body)
        if body[_TYPE] == RouteType.UNICAST and any(
            not prefix.prefixlen for prefix in self.prefixes
        ):
            self.copies.append(body)

    def _is_within(self, body: bytes) -> bool:
        if body[_TYPE] != RouteType.UNICAST or self.is_full:
            return False
        destination = int.from_bytes(_destination(body), "big")
        length = body[_DST_LEN]
        return any(
            length >= shortest and destination >> shift == start
            for shortest, shift, start in self._spans
        )


def family_size(family: Family) -> int:
    """Bytes in an address of the family."""
    return 4 if family is Family.V4 else 16


def _span(prefix: Network) -> tuple[int, int, int]:
    """The length of a prefix, the bits behind it, and the bits that it is."""
    shift = prefix.max_prefixlen - prefix.prefixlen
    return prefix.prefixlen, shift, int(prefix.network_address) >> shift


def _destination(body: bytes) -> bytes:
    size = 4 if body[0] == Family.V4 else 16
    return body[_DST_AT : _DST_AT + size] if body[_DST_LEN] else bytes(size)


def _question(family: Family, protocol: int, kind: int) -> bytes:
    header = RTMSG.pack(family, 0, 0, 0, 0, protocol, 0, kind, 0)
    return header + u32_attribute(RTA_TABLE, MAIN_TABLE)


def _defaults(bodies: list[bytes]) -> Iterator[MainDefault]:
    for body in bodies:
        if route := decode_route(body):
            multipath = attributes(body, RTMSG.size).get(_RTA_MULTIPATH, b"")
            oifs = {route.oif, *_oifs(multipath)} - {0}
            yield MainDefault(route, frozenset(oifs))


def _oifs(multipath: bytes) -> Iterator[int]:
    """The NICs of rtnexthops: length, flags, hops, ifindex."""
    start = 0
    while start + _RTNEXTHOP <= len(multipath):
        length, _ = ATTRIBUTE.unpack_from(multipath, start)
        if length < _RTNEXTHOP:
            return
        yield S32.unpack_from(multipath, start + 4)[0]
        start += (length + 3) & ~3


def _copied(body: bytes) -> Route | None:
    """The route, if a copy can say it."""
    route = decode_route(body)
    if route is None or not route.oif or not _LEFT_OUT.issuperset(route.beyond):
        return None
    return replace(route, beyond=())
