"""Alibaba Cloud ECS: its metadata service into readings of this instance's ENIs.

One request brings everything on newer hosts (``meta-data/all``). Elsewhere the tree is walked, a
few ENIs side by side, and each ENI is yielded as soon as its own record is complete: no ENI waits
for another's slow key. What is half there, contradictory or gone since the list was read is
pending and says why; a service in trouble is ``Unknown``. Formats: ``aliyun_record``; paths: the
vendor's page "Instance metadata".
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from srcroutd.core.inventory import Eni, Reading, Unknown
from srcroutd.core.refusals import clashes
from srcroutd.providers import parse
from srcroutd.providers.aliyun_record import ID, KEYS, Record, record
from srcroutd.providers.imds import Imds, Limits, TokenWords
from srcroutd.providers.side_by_side import side_by_side

NAME = "aliyun"
ENDPOINTS = ("http://100.100.100.200", "http://[fd00:100::100:200]")
VERSIONS = ("latest", "2016-01-01")
TOKEN = TokenWords(
    path="/latest/api/token",
    ttl_header="X-aliyun-ecs-metadata-token-ttl-seconds",
    header="X-aliyun-ecs-metadata-token",
)

MAX_ENIS = 64
"""ENIs read at most. No ECS instance type takes as many; a broken list might name thousands."""

TREE_S = 600.0
"""How long it is remembered that this host has no usable ``meta-data/all``."""

PRIMARY = "mac"
_MACS = "network/interfaces/macs/"
_WHOLE_READ = ("throttled", "forbidden", "token", "refused", "unreachable")
"""Failures that concern the service and not one key: they end a walk through the tree."""


class AliyunProvider:
    """The ``Provider`` for ECS. ``endpoints`` are base URLs, tried in this order."""

    name = NAME

    def __init__(
        self,
        endpoints: Sequence[str] = ENDPOINTS,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._imds = Imds(endpoints, TOKEN, limits, clock)
        self._tree_until: float | None = None
        self._versions: tuple[str, ...] = VERSIONS
        self._suspects: frozenset[str] = frozenset()

    @property
    def requests(self) -> Mapping[tuple[str, str], int]:
        """HTTP requests sent so far, by method and result."""
        return self._imds.requests

    async def read(self) -> AsyncGenerator[Reading | Unknown, None]:
        """Read everything once. Use ``contextlib.aclosing`` around it if you may leave it early."""
        end = asyncio.get_running_loop().time() + self._imds.limits.read_s
        if self._tree_until is None or self._clock() >= self._tree_until:
            told = await self._within(end, self._imds.get(f"/{VERSIONS[0]}/meta-data/all"))
            whole = _whole(told) if isinstance(told, str) else None
            if whole:
                yield await self._from_whole(*whole)
                return
            if not isinstance(told, Unknown):
                self._tree_until = self._clock() + TREE_S
            elif told.kind in (*_WHOLE_READ, "timeout"):
                yield told
                return
        async with aclosing(self._tree(end)) as parts:
            async for part in parts:
                yield part

    async def close(self) -> None:
        """Give back the sockets."""
        await self._imds.close()

    async def _tree(self, end: float) -> AsyncGenerator[Reading | Unknown, None]:
        """Walk the tree. Each part is one ENI; the last one sums up and has ``listed``."""
        listing = await self._listing(end)
        if isinstance(listing, Unknown):
            yield listing
            return
        spelled = dict(list(listing.items())[:MAX_ENIS])
        at_once = self._imds.limits.at_once
        lanes = max(1, at_once // len(spelled))
        jobs = {PRIMARY: partial(self._primary, end)} | {
            mac: partial(self._keys, spelling, lanes, end) for mac, spelling in spelled.items()
        }
        facts = _Facts(frozenset(listing))
        given: set[str] = set()
        claimed: set[object] = set()
        async with aclosing(side_by_side(jobs, at_once, end)) as results:
            async for name, told in results:
                if isinstance(told, Unknown) and told.kind in _WHOLE_READ:
                    yield told
                    return
                if name == PRIMARY:
                    facts.primary = None if isinstance(told, Unknown) else _primary(told)
                    continue
                found = facts.records[name] = _judged(name, told)
                # What may contradict another ENI waits until all are read: both would be refused.
                if found.eni and name not in self._suspects and claimed.isdisjoint(_own(found.eni)):
                    claimed |= _own(found.eni)
                    given.add(name)
                    pending = {name: found.why} if found.reasons else {}
                    yield Reading(NAME, (found.eni,), pending, primary=facts.primary)
        yield self._finish(facts, frozenset(given), frozenset(spelled))

    async def _from_whole(self, macs: Mapping[str, object], primary: str | None) -> Reading:
        """The only part where everything came in one answer."""
        facts = _Facts(frozenset(macs), primary)
        for mac, keys in macs.items():
            facts.records[mac] = _judged(mac, keys)
            # 64 addresses take half a millisecond; others want the loop between two ENIs.
            await asyncio.sleep(0)
        return self._finish(facts, frozenset(), facts.listed)

    def _finish(self, facts: "_Facts", given: frozenset[str], asked: frozenset[str]) -> Reading:
        """The last part: what was not given yet, what waits and why, and all that was listed."""
        complete = {mac: found.eni for mac, found in facts.records.items() if found.eni}
        contradictions = clashes(complete.values())
        self._suspects = frozenset(contradictions)
        late = dict.fromkeys(
            asked - facts.records.keys(), "not read: the time for one read is over"
        )
        late |= dict.fromkeys(
            facts.listed - asked, f"not read: more than {MAX_ENIS} ENIs are listed"
        )
        half = {mac: found.why for mac, found in facts.records.items() if found.reasons}
        used = given | contradictions.keys()
        enis = tuple(eni for mac, eni in sorted(complete.items()) if mac not in used)
        pending = dict(sorted((late | half | contradictions).items()))
        return Reading(NAME, enis, pending, facts.listed, facts.primary)

    async def _listing(self, end: float) -> "dict[str, str] | Unknown":
        """MAC to its spelling in the list.

        Tries the other version where the last good one is 404.
        """
        for version in self._versions:
            told = await self._within(end, self._imds.get(f"/{version}/meta-data/{_MACS}"))
            if told is None:
                continue
            if isinstance(told, Unknown):
                return told
            self._versions = tuple(sorted(VERSIONS, key=lambda each: each != version))
            return _macs(told)
        return Unknown(f"{_MACS} is 404 in {' and '.join(VERSIONS)}; is this ECS?", "absent")

    async def _primary(self, end: float) -> "_Answers | Unknown":
        told = await self._within(end, self._imds.get(f"/{self._versions[0]}/meta-data/{PRIMARY}"))
        return told if isinstance(told, Unknown) else {PRIMARY: told}

    async def _keys(self, spelling: str, lanes: int, end: float) -> "_Answers | Unknown":
        """The keys of one ENI, ``lanes`` at a time. The first failure ends the asking."""
        folder = f"/{self._versions[0]}/meta-data/{_MACS}{spelling}/"
        answers: dict[str, object] = {}
        for at in range(0, len(KEYS), lanes):
            some = KEYS[at : at + lanes]
            told = await asyncio.gather(
                *(self._within(end, self._imds.get(folder + key)) for key in some)
            )
            for key, value in zip(some, told, strict=True):
                if isinstance(value, Unknown):
                    return value
                if value is not None:
                    answers[key] = value
            if ID not in answers:
                break
        return answers

    async def _within(
        self, end: float, asked: Awaitable[str | Unknown | None]
    ) -> str | Unknown | None:
        """Wait for an answer, but not past the end of this read."""
        try:
            async with asyncio.timeout_at(end):
                return await asked
        except TimeoutError:
            limit_s = self._imds.limits.read_s
            return Unknown(f"metadata was not read within {limit_s:g} s", "timeout")


_Answers = dict[str, object]


@dataclass(slots=True)
class _Facts:
    """What one read has found so far, by MAC."""

    listed: frozenset[str]
    primary: str | None = None
    records: dict[str, Record] = field(default_factory=dict)


def _whole(text: str) -> tuple[dict[str, object], str | None] | None:
    """The keys by MAC and the primary MAC in an answer of ``meta-data/all``; None if not usable."""
    try:
        found = parse.tree(text)
        branch: object = found
        for word in ("network", "interfaces", "macs"):
            branch = branch.get(word) if isinstance(branch, dict) else None
        if not isinstance(branch, dict) or not 0 < len(branch) <= MAX_ENIS:
            return None
        return {parse.mac(spelling): keys for spelling, keys in branch.items()}, _primary(found)
    except parse.Malformed:
        return None


def _macs(text: str) -> dict[str, str] | Unknown:
    """The list of MACs.

    One line that is no MAC means that this is no list of MACs, or half of one.
    """
    try:
        found = {parse.mac(line): line.rstrip("/") for line in parse.several(text)}
    except parse.Malformed as error:
        return Unknown(f"{_MACS}: {error}; it will be asked again", "malformed")
    if not found:
        return Unknown(f"{_MACS} is empty; an instance has one NIC at least", "malformed")
    return found


def _primary(answers: _Answers) -> str | None:
    """The primary NIC's MAC. One that cannot be read is no reason to do without the rest."""
    told = answers.get(PRIMARY)
    try:
        return parse.mac(told) if isinstance(told, str) else None
    except parse.Malformed:
        return None


def _judged(mac: str, told: object) -> Record:
    """The record in what was told about one ENI: its keys, or why they could not be had."""
    if isinstance(told, Unknown):
        return Record(None, (told.reason,))
    return record(mac, told) if isinstance(told, dict) else Record(None, ("not a set of keys",))


def _own(eni: Eni) -> set[object]:
    """What no other ENI may have too."""
    halves = [half for half in (eni.v4, eni.v6) if half]
    return {eni.id}.union(*(half.addresses + half.prefixes for half in halves))
