"""32 ENIs of 64 addresses attached at once: how long until all are routed, and that none waits for
another.

For the second question the metadata service has no ``meta-data/all``, as on older hosts, and one
key of one ENI takes four seconds to answer; the other 31 must be routed long before.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import median
from bench.inside import Stage
from bench.programs import Daemon, Metadata
from bench.wires import LINKS, RULES, Event, Recorder
from bench.world import Card, Pen, batch_file, fresh_machine
from srcroutd.core.net import Rule
from srcroutd.kernel.wire import RTM_NEWLINK, RTM_NEWRULE

PRIMARY = Card(0, 1)
ENIS, ADDRESSES = 32, 64
SLOW, SLOW_S = 7, 4.0
"""The ENI with the slow key, and how slow; above five seconds the daemon would not wait for the
answer.
"""

SETTLE_S = 1.0
"""Before the facts change, so that no read of the daemon's start learns them early."""


@dataclass(frozen=True, slots=True)
class _Storm:
    """Seconds from the first link's appearance: when all was attached, and when each NIC had its
    last rule.
    """

    attached_s: float
    routed_s: dict[int, float]
    rules: int


def run(stage: Stage) -> None:
    """Measure one storm each way."""
    stage.progress("one answer for all")
    storm = _storm(stage.folder / "whole", whole=True)
    last_s = max(storm.routed_s.values())
    note = f"{storm.rules} rules; ip -batch itself needs until the line above"
    stage.figure("attached: all moved in, addressed, up", storm.attached_s, "s")
    stage.figure("first link to the last rule of all", last_s, "s", note=note)
    stage.figure("... beyond the attaching itself", last_s - storm.attached_s, "s")
    stage.progress("the tree, with a slow key")
    slow = _storm(stage.folder / "tree", whole=False)
    others = [at_s for number, at_s in slow.routed_s.items() if number != SLOW]
    note = f"no meta-data/all; one key of one ENI takes {SLOW_S:g} s"
    stage.figure("tree: the other 31 routed, last", max(others), "s", target=SLOW_S, note=note)
    stage.figure("tree: the other 31 routed, median", median(others), "s", samples=others)
    stage.figure("tree: the slow one routed", slow.routed_s[SLOW], "s")


def _storm(folder: Path, *, whole: bool) -> _Storm:
    folder.mkdir()
    fresh_machine([PRIMARY])
    pen = Pen()
    world = [Card(number, ADDRESSES) for number in range(1, ENIS + 1)]
    pen.batch([line for card in world for line in card.device()])
    configure = folder / "configure"
    configure.write_text("\n".join(line for card in world for line in card.configured()) + "\n")
    indexes = [pen.index(card.name) for card in world]
    with (
        Metadata(folder, [PRIMARY.facts()], whole=whole) as metadata,
        Daemon(folder, 'provider = "aliyun"\n'),
        Recorder(LINKS, RULES) as recorder,
    ):
        time.sleep(SETTLE_S)
        slow = {} if whole else {SLOW: {"gateway": SLOW_S}}
        metadata.tell(
            [PRIMARY.facts(), *(card.facts(**slow.get(card.number, {})) for card in world)]
        )
        time.sleep(2 * metadata.LOOK_AGAIN_S)
        recorder.events.clear()
        for index in indexes:
            pen.orders.move(index, pen.instance)
        batch_file(configure)
        attached = time.monotonic()
        recorder.settle(1.5 if whole else SLOW_S + 1.5, 25.0)
        return _told(recorder.events, attached)


def _told(events: list[Event], attached: float) -> _Storm:
    began = next(event.at for event in events if event.kind == RTM_NEWLINK)
    routed_s = {number: at - began for number, at in _last_rules(events).items()}
    if len(routed_s) != ENIS:
        raise TimeoutError(f"only {len(routed_s)} of {ENIS} ENIs were routed")
    return _Storm(attached - began, routed_s, sum(event.kind == RTM_NEWRULE for event in events))


def _last_rules(events: list[Event]) -> dict[int, float]:
    """When each NIC's last rule came, by its number."""
    last: dict[int, float] = {}
    for event in events:
        rule = event.rule if event.kind == RTM_NEWRULE else None
        number = _number(rule) if rule else None
        if number is not None:
            last[number] = event.at
    return last


def _number(rule: Rule) -> int | None:
    """The NIC that a rule speaks of, by its source address or its device."""
    if rule.oif:
        return int(rule.oif.removeprefix("eth"))
    return rule.src.network_address.packed[1] if rule.src else None
