"""About 3,200 rules from nothing: the daemon's whole round against ``ip -batch`` with the same rules.

Every turn has a fresh namespace, and the two alternate. The loop's stalls are measured in rounds of their own,
for the probe costs time itself. At the end the real daemon does the same, told by SIGHUP.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from bench.engine import Engine, Watch, longest_turn_s, record_into
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
    """One round of the daemon: its stopwatches, its longest stall, its rules as you would type them."""

    watch: Watch
    stall_ms: float
    rules: tuple[str, ...]


def run(stage: Stage) -> None:
    """Measure the turns, then the stalls, then the real daemon."""
    record_into(stage.folder / "record")
    world = cards(NICS, ADDRESSES)
    config = stage.folder / "srcroutd.toml"
    config.write_text(static_config(world))
    turns, batches_ms, stalls_ms = [], [], []
    rounds = stage.rounds(11, 3)
    for number in range(rounds):
        stage.progress(f"turn {number + 1} of {rounds}")
        turns.append(_turn(world, config, stage.folder / f"state{number}", probe=False))
        batches_ms.append(_ip_batch_ms(world, stage.folder / "rules", turns[-1].rules))
    for number in range(stage.rounds(7, 2)):
        stage.progress("the loop's stalls")
        state = stage.folder / f"probed{number}"
        stalls_ms.append(_turn(world, config, state, probe=True).stall_ms)
    _report(stage, turns, batches_ms, stalls_ms)
    stage.progress("the real daemon")
    _real(stage, world)


def _turn(world: tuple[Card, ...], config: Path, state: Path, *, probe: bool) -> _Turn:
    fresh_machine(world)
    return asyncio.run(_one_round(config, state, probe=probe))


async def _one_round(config: Path, state: Path, *, probe: bool) -> _Turn:
    engine = Engine(config, state)
    await engine.start()
    over = asyncio.Event()
    probing = asyncio.create_task(longest_turn_s(over)) if probe else None
    await engine.round()
    over.set()
    stall_s = await probing if probing else 0.0
    rules = [rule for rule in engine.eyes.picture.rules.values() if rule.protocol == OURS]
    engine.close()
    return _Turn(engine.watch, stall_s * 1e3, tuple(_typed(rule) for rule in reversed(rules)))


def _typed(rule: Rule) -> str:
    priority, _, words = str(rule).partition(": ")
    return f"rule add priority {priority} {words} protocol {rule.protocol}"


def _ip_batch_ms(world: tuple[Card, ...], file: Path, rules: tuple[str, ...]) -> float:
    """The same rules in the same order, process start included."""
    file.write_text("\n".join(rules) + "\n")
    fresh_machine(world)
    began = time.monotonic()
    batch_file(file)
    return (time.monotonic() - began) * 1e3


def _report(
    stage: Stage, turns: list[_Turn], batches_ms: list[float], stalls_ms: list[float]
) -> None:
    count = len(turns[0].rules)
    stage.figure(f"ip -batch, {count} rules, median", median(batches_ms), "ms", samples=batches_ms)
    parts = {
        "round": "the whole round: facts to verified, recorded, saved",
        "apply": "... of which writing to the kernel",
        "look": "... of which looking, before and after",
        "record": "... of which the record, a line a rule",
        "save": "... of which saving to disk",
    }
    for part, name in parts.items():
        spent = [turn.watch.ms(part) for turn in turns]
        stage.figure(name, median(spent), "ms", samples=spent)
    rest = [_derived_ms(turn.watch) for turn in turns]
    stage.figure("... of which joining, deriving, planning", median(rest), "ms", samples=rest)
    for name, target, numerators in (
        ("writing alone, times ip -batch", None, [turn.watch.ms("apply") for turn in turns]),
        ("facts to verified, times ip -batch", 0.8, [_verified_ms(turn.watch) for turn in turns]),
        ("the whole round, times ip -batch", None, [turn.watch.ms("round") for turn in turns]),
    ):
        ratios = [own / other for own, other in zip(numerators, batches_ms, strict=True)]
        note = "median of the ratios of neighbouring turns" if target else ""
        stage.figure(name, median(ratios), "x", target=target, note=note, samples=ratios)
    note = f"the longest of {len(stalls_ms)} rounds; median {median(stalls_ms):.1f} ms"
    stage.figure(
        "longest stall of the loop", max(stalls_ms), "ms", target=15, note=note, samples=stalls_ms
    )


def _verified_ms(watch: Watch) -> float:
    """From facts to a verified kernel: what ``ip -batch`` has no counterpart for, log and disk, left out."""
    return watch.ms("round") - watch.ms("record") - watch.ms("save")


def _derived_ms(watch: Watch) -> float:
    return _verified_ms(watch) - watch.ms("apply") - watch.ms("look")


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
        recorder.wait(lambda seen: bool(seen), 10.0)
        recorder.settle(0.5, 10.0)
        made = [event.at for event in recorder.events if event.kind == RTM_NEWRULE]
        spent_ms = daemon.cpu_ms() - spent_before
    note = f"{len(made)} rules; reading the configuration included"
    stage.figure("the real daemon, SIGHUP to first rule", (made[0] - began) * 1e3, "ms", note=note)
    stage.figure("the real daemon, first rule to last", (made[-1] - made[0]) * 1e3, "ms")
    stage.figure("the real daemon, CPU for all of it", spent_ms, "ms")
