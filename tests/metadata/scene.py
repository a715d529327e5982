"""The scene of these tests: a real metadata service on loopback, and a provider that reads it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from srcroutd.core.inventory import Eni, Inventory, Reading, Unknown
from srcroutd.core.learn import learn
from srcroutd.lab.metadata import MetadataService
from srcroutd.lab.metadata_facts import EniFacts, Facts, Fault
from srcroutd.providers.aliyun import AliyunProvider
from srcroutd.providers.imds import Limits

Host = Callable[..., Facts]
"""A kind of host: ``facts`` for newer ones, ``tree`` for older ones."""

QUICK = Limits(connect_s=1.0, answer_s=2.0, read_s=4.0)
"""Shorter than in earnest, so that a service that hangs does not hold up the tests."""


def mac(number: int) -> str:
    return f"00:16:3e:00:00:{number:02x}"


def eni(number: int, **changes: Any) -> EniFacts:
    sound: dict[str, Any] = {
        "mac": mac(number),
        "id": f"eni-{number}",
        "primary_ip": f"192.0.2.{number}",
        "cidr": "192.0.2.0/24",
        "gateway": "192.0.2.253",
    }
    return EniFacts.model_validate(sound | changes)


def facts(*enis: EniFacts, **changes: Any) -> Facts:
    """Two sound ENIs unless told otherwise. A ``fault`` may be a dictionary."""
    sound: dict[str, Any] = {"primary": mac(1), "enis": enis or (eni(1), eni(2))}
    return Facts.model_validate(sound | changes)


def tree(*enis: EniFacts, **changes: Any) -> Facts:
    """The same on an older host: no ``meta-data/all``."""
    return facts(*enis, all=False, **changes)


@dataclass(slots=True)
class Told:
    """What one read said: its parts, when each came, and what it amounts to."""

    parts: list[Reading | Unknown] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)

    @property
    def enis(self) -> dict[str, Eni]:
        """All ENIs that any part gave, by MAC."""
        found = {eni.mac: eni for part in self.readings for eni in part.enis}
        return dict(sorted(found.items()))

    @property
    def pending(self) -> dict[str, str]:
        """Why others wait, by MAC; the last word counts."""
        found = {mac: why for part in self.readings for mac, why in part.pending.items()}
        return dict(sorted(found.items()))

    @property
    def readings(self) -> list[Reading]:
        """The parts that are no failure."""
        return [part for part in self.parts if isinstance(part, Reading)]

    @property
    def summary(self) -> Reading:
        """The last part, which must be a reading: the read succeeded."""
        part = self.parts[-1]
        assert isinstance(part, Reading), part
        assert part.listed is not None
        return part

    @property
    def listed(self) -> AbstractSet[str]:
        """The MACs that a successful read found."""
        return self.summary.listed or frozenset()

    @property
    def failure(self) -> Unknown:
        """The last part, which must say why the read failed."""
        part = self.parts[-1]
        assert isinstance(part, Unknown), part
        return part

    def learnt(self, known: Inventory) -> Inventory:
        """What the daemon would know after this read."""
        for part in self.readings:
            known = learn(known, part)
        return known


@dataclass(slots=True)
class Scene:
    """A service, a provider that reads it, and a clock that both of them live by."""

    service: MetadataService
    provider: AliyunProvider
    port: int
    clock: list[float]

    async def read(self) -> Told:
        """One read, to its end."""
        told, loop = Told(), asyncio.get_running_loop()
        start = loop.time()
        async with aclosing(self.provider.read()) as parts:
            async for part in parts:
                told.parts.append(part)
                told.at_s.append(loop.time() - start)
        return told

    def asked(self, word: str = "") -> list[str]:
        """The requests so far whose line ("GET /latest/...") holds this word."""
        lines = [f"{each.method} {each.path}" for each in self.service.requests]
        return [line for line in lines if word in line]


@asynccontextmanager
async def scene(
    told: Facts,
    *,
    limits: Limits = QUICK,
    hosts: Sequence[str] = ("127.0.0.1",),
    endpoints: Sequence[str] = ("http://127.0.0.1:{port}",),
) -> AsyncIterator[Scene]:
    clock = [0.0]
    service = MetadataService(told, clock=lambda: clock[0])
    port = await service.start(hosts)
    await service.follow()
    bases = [endpoint.format(port=port) for endpoint in endpoints]
    provider = AliyunProvider(bases, limits, clock=lambda: clock[0])
    try:
        yield Scene(service, provider, port, clock)
    finally:
        await provider.close()
        await service.stop()


def play(told: Facts, story: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    """Run a story to its end. Whatever it waits for, it may not take more than 30 s."""

    async def stage() -> None:
        async with asyncio.timeout(30), scene(told, **options) as here:
            await story(here)

    asyncio.run(stage())


def read_once(told: Facts, **options: Any) -> Told:
    """What a fresh provider reads from a service that says this."""
    heard: list[Told] = []

    async def story(here: Scene) -> None:
        heard.append(await here.read())

    play(told, story, **options)
    return heard[0]


def fault(kind: str, **changes: Any) -> Fault:
    return Fault.model_validate({"kind": kind, **changes})
