"""Beside somebody else's routes: 200,000 events that are not about us, and a million routes in
main.

The flood must neither wake the daemon nor make it deaf: a rule of ours is deleted in the middle of
it. Of the million, a look at our own tables must not notice.
"""

import asyncio
import time
from collections.abc import Iterator
from struct import Struct

from bench.figures import median, quantile
from bench.inside import Stage
from bench.programs import Daemon
from bench.wires import RULES, Orders, Recorder
from bench.world import cards, fresh_machine, static_config
from srcroutd.core.config import Config
from srcroutd.core.net import Family
from srcroutd.kernel.codec_route import RTA_DST, RTA_OIF, RTMSG
from srcroutd.kernel.events import Events
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.wire import (
    MESSAGE,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_REQUEST,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    attribute,
    u32_attribute,
)

EVENTS, MILLION = 200_000, 1_000_000
WINDOW = 1000
FIRST = 0x30000000
"""48.0.0.0: the foreign routes are host routes from here on, on lo."""
_MAIN, _BIRD, _LINK, _UNICAST, _LO = 254, 12, 253, 1, 1
_DST = Struct(">I")


def run(stage: Stage) -> None:
    """First the flood, then the million."""
    world = cards(2, 50)
    fresh_machine(world)
    orders = Orders()
    with Daemon(stage.folder, static_config(world)) as daemon:
        time.sleep(1.0)
        alone_ms = asyncio.run(_own_state(stage.rounds(50, 10)))
        stage.progress("200,000 foreign route events")
        _flood(stage, daemon, orders)
        stage.progress("a million foreign routes")
        before_ms, began = daemon.cpu_ms(), time.monotonic()
        for start in range(0, MILLION, WINDOW):
            orders.pack(_window(RTM_NEWROUTE, start))
        made_s, heard_ms = time.monotonic() - began, daemon.cpu_ms() - before_ms
        beside_ms = asyncio.run(_own_state(stage.rounds(50, 10)))
    note = f"made in {made_s:.1f} s, at the cost of {heard_ms:.1f} ms of the daemon's CPU"
    stage.figure(
        "own tables read beside a million routes, median",
        median(beside_ms),
        "ms",
        target=5,
        note=note,
        samples=beside_ms,
    )
    stage.figure("the same without foreign routes", median(alone_ms), "ms", samples=alone_ms)
    stage.figure("the worst beside a million", quantile(beside_ms, 1.0), "ms")


def _flood(stage: Stage, daemon: Daemon, orders: Orders) -> None:
    """100,000 routes come and go; half-way somebody deletes a rule of ours."""
    requests = Requests()
    events = Events(Config().domain.tables, requests.portid)
    ours = asyncio.run(requests.rules(Family.V4))
    body = next(body for body in ours if bytes((5, 0, 21, 0, Config().domain.protocol)) in body)
    half = EVENTS // 2
    with Recorder(RULES) as recorder:
        before_ms, began = daemon.cpu_ms(), time.monotonic()
        for start in range(0, half, WINDOW):
            orders.pack(_window(RTM_NEWROUTE, start))
        deleted = time.monotonic()
        orders.send(RTM_DELRULE, 0, body)
        for start in range(0, half, WINDOW):
            orders.pack(_window(RTM_DELROUTE, start))
        spent_s = time.monotonic() - began
        recorder.settle(0.5, 5.0)
        cpu_s = (daemon.cpu_ms() - before_ms) / 1e3
        healed = [
            event.at
            for event in recorder.events
            if event.kind == RTM_NEWRULE and event.body == body
        ]
    bells = events.drain()
    events.close()
    requests.close()
    note = f"{EVENTS:,} events in {spent_s:.1f} s, the repair of one rule included"
    stage.figure("foreign events: the daemon's CPU", cpu_s, "s", target=0.2, note=note)
    stage.figure(
        "... a rule of ours deleted meanwhile, not restored", float(not healed), "rules", target=0
    )
    if healed:
        stage.figure("... restored after", (healed[0] - deleted) * 1e3, "ms")
    deaf = float(bells.lost or not bells.rules)
    stage.figure("... events lost to an undrained socket of ours", deaf, "times", target=0)


def _window(kind: int, start: int) -> Iterator[bytes]:
    """Messages for WINDOW host routes; the last one asks for an answer."""
    tail = u32_attribute(RTA_OIF, _LO)
    head = (
        RTMSG.pack(2, 32, 0, 0, _MAIN, _BIRD, _LINK, _UNICAST, 0) + attribute(RTA_DST, bytes(4))[:4]
    )
    size = MESSAGE.size + len(head) + 4 + len(tail)
    quiet = MESSAGE.pack(size, kind, NLM_F_REQUEST | NLM_F_CREATE, 1, 0) + head
    asking = MESSAGE.pack(size, kind, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 1, 0) + head
    pack = _DST.pack
    for place in range(start, start + WINDOW - 1):
        yield quiet + pack(FIRST + place) + tail
    yield asking + pack(FIRST + start + WINDOW - 1) + tail


async def _own_state(rounds: int) -> list[float]:
    """Milliseconds for reading all routes of ours: two NICs' tables, both families."""
    requests = Requests()
    tables = Config().domain.tables
    spent_ms = []
    for _ in range(rounds):
        began = time.monotonic()
        found = [
            await requests.routes(family, tables[seat]) for seat in (1, 2) for family in Family
        ]
        spent_ms.append((time.monotonic() - began) * 1e3)
    requests.close()
    if not any(found):
        raise ValueError("none of our routes were there to be read")
    return spent_ms
