"""Lets all its events happen to a neighbour, one after another, twice at the same time: on a
machine with srcroutd and on one without. The second tells what the neighbour alone leaves and says.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tests.e2e.cloud import Cloud
from tests.e2e.coexistence_losses import Losses
from tests.e2e.coexistence_measure import Healed, Left, Together, alone, first_start, together
from tests.e2e.coexistence_run import happen, settle, start_neighbour
from tests.e2e.neighbour_docker import DOCKER
from tests.e2e.neighbours import DHCLIENT, NETWORK_MANAGER, NETWORKD, NETWORKD_BARE, Neighbour
from tests.e2e.roots import PROJECT

NEIGHBOURS = (NETWORKD, NETWORKD_BARE, NETWORK_MANAGER, DHCLIENT, DOCKER)
RESULTS = PROJECT / "build" / "coexistence"
NewCloud = Callable[[], Cloud]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One event: ``with_us`` on a machine with srcroutd, ``alone`` without."""

    event: str
    with_us: Together
    alone: Left


@dataclass(frozen=True, slots=True)
class Story:
    """All events of a neighbour on a release, and how soon eth1 was routed when the neighbour first
    started. ``version`` is the neighbour's own word.
    """

    release: str
    neighbour: str
    version: str
    first_start_ms: float
    chapters: list[Chapter]

    def keep(self) -> None:
        """Write it down for the table."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1)
        (RESULTS / f"{self.release}-{self.neighbour}.json").write_text(text + "\n")


def live(release: str, neighbour: Neighbour, with_us: NewCloud, without: NewCloud) -> Story:
    """Let it all happen. The clouds are made with their machines off; they are closed here."""
    with ThreadPoolExecutor(1) as pool:
        alone_too = pool.submit(_alone, neighbour, without)
        version, first_ms, measured = _together(neighbour, with_us)
        left = alone_too.result()
    titles = [event.title for event in neighbour.events]
    chapters = [Chapter(*one) for one in zip(titles, measured, left, strict=True)]
    return Story(release, neighbour.name, version, first_ms, chapters)


def kept() -> list[Story]:
    """The stories that were written down last."""
    return [_read(path) for path in sorted(RESULTS.glob("*.json"))]


def _together(neighbour: Neighbour, make: NewCloud) -> tuple[str, float, Sequence[Together]]:
    with make() as cloud:
        first_ms = first_start(cloud, neighbour, _start)
        if first_ms is None:
            said = cloud.machine.attempt(
                "srcroutctl status; journalctl -u srcroutd --no-pager"
            ).said
            raise AssertionError(f"eth1 was never routed beside {neighbour.title}:\n{said}")
        version = cloud.machine.run(neighbour.version).strip()
        return (
            version,
            first_ms,
            [
                together(cloud, neighbour, partial(happen, event=event))
                for event in neighbour.events
            ],
        )


def _alone(neighbour: Neighbour, make: NewCloud) -> Sequence[Left]:
    with make() as cloud:
        _start(cloud, neighbour)
        return [alone(cloud, neighbour, partial(happen, event=event)) for event in neighbour.events]


def _start(cloud: Cloud, neighbour: Neighbour) -> float:
    start_neighbour(cloud, neighbour)
    return settle(cloud, neighbour)


def _read(path: Path) -> Story:
    told = json.loads(path.read_text())
    told["chapters"] = [
        Chapter(
            event=one["event"],
            with_us=Together(
                left=Left(**one["with_us"]["left"]),
                healed=Healed(**one["with_us"]["healed"]),
                losses=Losses(**one["with_us"]["losses"]),
                said=one["with_us"]["said"],
            ),
            alone=Left(**one["alone"]),
        )
        for one in told["chapters"]
    ]
    return Story(**told)
