"""A round that finds nothing to do at 3,200 rules: what it costs to look at everything, or at the
rules alone.

CPU time of the whole process, in this process with the daemon's own parts; then of the real daemon,
whom a stranger's rule has rung the bell for.
"""

import asyncio
import time
from pathlib import Path

from bench.bulk import ADDRESSES, NICS
from bench.engine import Engine
from bench.figures import median
from bench.inside import Stage
from bench.programs import Daemon
from bench.wires import Orders
from bench.world import SETTLE_S, cards, fresh_machine, static_config
from srcroutd.core.net import Family, Rule
from srcroutd.kernel.codec_rule import encode_rule
from srcroutd.kernel.wire import NLM_F_CREATE, RTM_DELRULE, RTM_NEWRULE

STRANGER = Rule(Family.V4, 30000, table=254, protocol=4)
PAUSE_S = 0.15


def run(stage: Stage) -> None:
    """Measure rounds without work."""
    world = cards(NICS, ADDRESSES)
    config = stage.folder / "srcroutd.toml"
    config.write_text(static_config(world))
    fresh_machine(world)
    stage.progress("rounds with nothing to do")
    asyncio.run(_rounds(stage, config, stage.rounds(50, 10)))
    stage.progress("the real daemon")
    folder = stage.folder / "real"
    folder.mkdir()
    with Daemon(folder, static_config(world)) as daemon:
        time.sleep(SETTLE_S)
        _bells(stage, daemon, stage.rounds(30, 8))


async def _rounds(stage: Stage, config: Path, rounds: int) -> None:
    engine = Engine(config, stage.folder / "state")
    await engine.start()
    await engine.round()
    everything_ms, rules_ms = [], []
    for _ in range(rounds):
        engine.eyes.distrust()
        everything_ms.append(await _cpu_ms(engine))
        engine.eyes.expect_changes(rules=True, routes=False)
        rules_ms.append(await _cpu_ms(engine))
    count = len(engine.eyes.picture.rules)
    engine.close()
    note = f"{rounds} rounds of {count} rules, CPU of the process"
    stage.figure(
        *("a look at everything, median", median(everything_ms), "ms"),
        target=15,
        note=note,
        samples=everything_ms,
    )
    stage.figure("a look at everything, worst", max(everything_ms), "ms")
    stage.figure("a rule's bell, median", median(rules_ms), "ms", target=15, samples=rules_ms)


async def _cpu_ms(engine: Engine) -> float:
    began = time.process_time()
    await engine.round()
    return (time.process_time() - began) * 1e3


def _bells(stage: Stage, daemon: Daemon, rounds: int) -> None:
    """A stranger adds or deletes a rule of his; the daemon looks and finds that it is none of its
    business.
    """
    orders = Orders()
    spent_ms = []
    for number in range(rounds):
        before = daemon.cpu_ms()
        if number % 2:
            orders.send(RTM_DELRULE, 0, encode_rule(STRANGER))
        else:
            orders.send(RTM_NEWRULE, NLM_F_CREATE, encode_rule(STRANGER))
        time.sleep(PAUSE_S)
        spent_ms.append(daemon.cpu_ms() - before)
    note = "a stranger's rule comes or goes"
    stage.figure(
        "the real daemon, CPU for one bell, median",
        median(spent_ms),
        "ms",
        note=note,
        samples=spent_ms,
    )
