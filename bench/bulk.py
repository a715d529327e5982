"""About 3,200 rules from nothing: the daemon's whole round against ``ip -batch`` with the same
rules.

Every turn has a fresh namespace and, as the daemon has, a fresh interpreter. ``ip -batch`` gets the
rules in two orders: as ``ip rule`` lists them, which is how a person or a script writes them, and
in ours, highest priority first, which spares the kernel half its work. The loop's stalls are
measured in rounds of their own, for the probe costs time itself. At the end the real daemon does
the same, told by SIGHUP.
"""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from bench.engine import Engine, Watch, longest_turn_s
from bench.figures import median
from bench.inside import Stage
from bench.programs import Daemon
from bench.wires import OURS, RULES, Recorder
from bench.world import Card, batch_file, cards, fresh_machine, static_config
from srcroutd.core.net import Rule
from srcroutd.kernel.wire import RTM_NEWRULE

NICS, ADDRESSES = 16, 65
"""Three rules an address, three for the device and two to pass it by, on each NIC: 3,200."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One round: its stopwatches, its longest stall (clock, CPU), its rules as typed."""

    watch: Watch
    stall_s: tuple[float, float]
    rules: tuple[str, ...]


def run(stage: Stage) -> None:
    """Measure the turns, then the stalls, then the real daemon."""
    world = cards(NICS, ADDRESSES)
    (stage.folder / "srcroutd.toml").write_text(static_config(world))
    turns, listed_ms, ordered_ms = [], [], []
    rounds = stage.rounds(11, 3)
    for number in range(rounds):
        stage.progress(f"turn {number + 1} of {rounds}")
        turns.append(_turn(stage.folder / f"turn{number}", probe=False))
        rules = turns[-1].rules
        listed_ms.append(_ip_batch_ms(world, stage.folder / "rules", rules))
        ordered_ms.append(_ip_batch_ms(world, stage.folder / "rules", rules[::-1]))
    stalls = []
    for number in range(stage.rounds(9, 2)):
        stage.progress("the loop's stalls")
        stalls.append(_turn(stage.folder / f"probed{number}", probe=True).stall_s)
    _report(stage, turns, listed_ms, ordered_ms)
    _report_stalls(stage, [stall * 1e3 for stall, _ in stalls], [cpu * 1e3 for _, cpu in stalls])
    stage.progress("the real daemon")
    _real(stage, world)


def _turn(folder: Path, *, probe: bool) -> _Turn:
    """One round in a process of its own: one that has done it before has its memory and its garbage
    sorted.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_first_round, folder, probe=probe).result()


def _first_round(folder: Path, *, probe: bool) -> _Turn:
    folder.mkdir()
    fresh_machine(cards(NICS, ADDRESSES))
    return asyncio.run(_one_round(folder, probe=probe))


async def _one_round(folder: Path, *, probe: bool) -> _Turn:
    engine = Engine(folder.parent / "srcroutd.toml", folder / "state")
    await engine.start()
    over = asyncio.Event()
    probing = asyncio.create_task(longest_turn_s(over)) if probe else None
    await engine.round()
    over.set()
    stall_s = await probing if probing else (0.0, 0.0)
    rules = [rule for rule in engine.eyes.picture.rules.values() if rule.protocol == OURS]
    engine.close()
    return _Turn(engine.watch, stall_s, tuple(_typed(rule) for rule in rules))


def _typed(rule: Rule) -> str:
    priority, _, words = str(rule).partition(": ")
    return f"rule add priority {priority} {words} protocol {rule.protocol}"


def _ip_batch_ms(world: tuple[Card, ...], file: Path, rules: tuple[str, ...]) -> float:
    """The same rules, process start included."""
    file.write_text("\n".join(rules) + "\n")
    fresh_machine(world)
    began = time.monotonic()
    batch_file(file)
    return (time.monotonic() - began) * 1e3


def _report(
    stage: Stage, turns: list[_Turn], listed_ms: list[float], ordered_ms: list[float]
) -> None:
    count = len(turns[0].rules)
    stage.figure(
        *(f"ip -batch, {count} rules as ip rule lists them, median", median(listed_ms), "ms"),
        samples=listed_ms,
    )
    stage.figure(
        "ip -batch, highest priority first, median", median(ordered_ms), "ms", samples=ordered_ms
    )
    parts = {
        "round": "the whole round: facts to verified, recorded, saved",
        "look": "... of which looking, before and after",
        "apply": "... of which writing to the kernel",
        "record": "... of which the record, a line a rule",
        "save": "... of which saving to disk",
    }
    for part, name in parts.items():
        spent = [turn.watch.ms(part) for turn in turns]
        stage.figure(name, median(spent), "ms", samples=spent)
    rest = [_verified_ms(turn) - turn.watch.ms("apply") - turn.watch.ms("look") for turn in turns]
    stage.figure("... of which joining, deriving, planning", median(rest), "ms", samples=rest)
    verified = [_verified_ms(turn) for turn in turns]
    writing = [turn.watch.ms("apply") for turn in turns]
    note = "median of the ratios of neighbouring turns; recording and saving left out"
    for name, numerators, others, target in (
        ("facts to verified, times ip -batch as listed", verified, listed_ms, 0.8),
        ("facts to verified, times ip -batch highest first", verified, ordered_ms, None),
        ("writing alone, times ip -batch as listed", writing, listed_ms, None),
        ("writing alone, times ip -batch highest first", writing, ordered_ms, None),
    ):
        ratios = [own / other for own, other in zip(numerators, others, strict=True)]
        told = note if target else ""
        stage.figure(name, median(ratios), "x", target=target, note=told, samples=ratios)


def _report_stalls(stage: Stage, clock_ms: list[float], cpu_ms: list[float]) -> None:
    note = f"median of the longest stalls of {len(clock_ms)} rounds; worst {max(clock_ms):.1f} ms"
    middle = median(clock_ms)
    stage.figure(
        "longest stall of the loop in a round", middle, "ms", target=15, note=note, samples=clock_ms
    )
    note = "the longest in any round, other processes' time left out"
    stage.figure(
        "... in CPU time, the worst", max(cpu_ms), "ms", target=15, note=note, samples=cpu_ms
    )


def _verified_ms(turn: _Turn) -> float:
    """From facts to a kernel that was looked at again: what follows, log and disk, waits for
    nobody.
    """
    return turn.watch.ms("round") - turn.watch.ms("record") - turn.watch.ms("save")


def _real(stage: Stage, world: tuple[Card, ...]) -> None:
    """The real daemon learns of all NICs by a reload."""
    folder = stage.folder / "real"
    folder.mkdir()
    fresh_machine(world)
    with Daemon(folder, static_config(world[:1])) as daemon, Recorder(RULES) as recorder:
        time.sleep(0.3)
        daemon.configure(static_config(world))
        spent_before, began = daemon.cpu_ms(), time.monotonic()
        daemon.reload()
        recorder.wait(bool, 10.0)
        recorder.settle(0.5, 10.0)
        made = [event.at for event in recorder.events if event.kind == RTM_NEWRULE]
        spent_ms = daemon.cpu_ms() - spent_before
    note = f"{len(made)} rules; reading the configuration included"
    stage.figure("the real daemon, SIGHUP to first rule", (made[0] - began) * 1e3, "ms", note=note)
    stage.figure("the real daemon, first rule to last", (made[-1] - made[0]) * 1e3, "ms")
    stage.figure("the real daemon, CPU for all of it", spent_ms, "ms")
