"""A rule of ours is deleted by somebody else: how long until it stands again, at two sizes and
against a floor.

No rule is deleted more often than the daemon's patience lasts, so it has no reason to give way in a
quarrel. The rules that the daemon leaves standing when it ends are then looked after by the bare
program.
"""

import random
import sys
import time
from pathlib import Path

from bench.figures import median, quantile
from bench.inside import Stage
from bench.programs import PATIENCE_S, Daemon, Program
from bench.wires import RULES, Listener, Orders
from bench.world import SETTLE_S, cards, fresh_machine, static_config
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.wire import RTM_DELRULE, RTM_NEWRULE

PAUSE_S = 0.03
"""Between two deletions: beyond the time in which the daemon folds news into one round."""
TIMES_A_RULE = 9
"""Deletions of one rule at most; the daemon's patience is ten."""


def run(stage: Stage) -> None:
    """Measure both sizes."""
    for addresses in (100, 2):
        folder = stage.folder / f"{addresses}"
        folder.mkdir()
        _measure(stage, addresses, folder)


def _measure(stage: Stage, addresses: int, folder: Path) -> None:
    world = cards(2, addresses)
    fresh_machine(world)
    listener = Listener(RULES)
    with Daemon(folder, static_config(world)):
        bodies = _made(listener)
        size = f"2 NICs of {addresses}, {len(bodies)} rules"
        rounds = min(stage.rounds(200, 40), TIMES_A_RULE * len(bodies))
        time.sleep(SETTLE_S)
        stage.progress(f"{size}: the daemon repairs")
        healed = _deletions(bodies, rounds)
    floor = Program(folder, "bare")
    try:
        floor.spawn([sys.executable, "-m", "bench.bare"])
        _wait_ready(floor)
        stage.progress(f"{size}: the bare program repairs")
        bare = _deletions(bodies, rounds)
    finally:
        floor.stop()
    _report(stage, size, healed, bare)


def _made(listener: Listener) -> list[bytes]:
    """The bodies of all rules that the daemon has just made."""
    bodies = []
    while event := listener.next(0.5):
        if event.rule:
            bodies.append(event.body)
    listener.close()
    return bodies


def _deletions(bodies: list[bytes], rounds: int) -> list[float]:
    """Milliseconds from the kernel's word of each deletion to its word of the rule's return.

    The order itself is not counted: it may wait for the lock of all of the machine's namespaces.
    """
    listener, orders = Listener(RULES), Orders()
    queue = bodies * TIMES_A_RULE
    random.Random(1).shuffle(queue)
    spent_ms = []
    for body in queue[:rounds]:
        time.sleep(PAUSE_S)
        listener.drain()
        orders.send(RTM_DELRULE, 0, body)
        deleted = _heard(listener, RTM_DELRULE, body)
        spent_ms.append((_heard(listener, RTM_NEWRULE, body) - deleted) * 1e3)
    listener.close()
    orders.close()
    return spent_ms


def _heard(listener: Listener, kind: int, body: bytes) -> float:
    while (event := listener.next(5.0)) is not None:
        if event.kind == kind and event.body == body:
            return event.at
    raise TimeoutError(f"not heard of in 5 s, message {kind}: {decode_rule(body)}")


def _wait_ready(program: Program) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while "ready" not in program.log.read_text():
        if time.monotonic() > deadline:
            raise program.failed("the bare program did not start")
        time.sleep(0.02)


def _report(stage: Stage, size: str, healed: list[float], bare: list[float]) -> None:
    note = f"{len(healed)} deletions; the bare program's tells how busy the machine was"
    stage.figure(f"{size}: restored, median", median(healed), "ms", samples=healed)
    worst = quantile(healed, 0.99)
    stage.figure(f"{size}: 99th percentile", worst, "ms", target=2, note=note, samples=healed)
    stage.figure(f"{size}: bare program, median", median(bare), "ms", samples=bare)
    stage.figure(f"{size}: bare program, 99th percentile", quantile(bare, 0.99), "ms")
    stage.figure(f"{size}: median, times the bare program", median(healed) / median(bare), "x")
