"""How long an administrator waits: whole processes of srcroutctl, first call each, beside
``python3 -c 'import asyncio'`` in turns.

Three ENIs with a daemon that has read the metadata; then ``plan`` and ``explain`` without it, which
look at the host and ask the metadata themselves; then a host of 3,200 rules.
"""

import subprocess
import sys
import time
from pathlib import Path

from bench.bulk import ADDRESSES, NICS
from bench.figures import median
from bench.inside import Stage
from bench.programs import Daemon, Metadata
from bench.world import SETTLE_S, Card, cards, fresh_machine, static_config

ALIYUN = 'provider = "aliyun"\n'
TARGET_MS = 300.0
FAR = "203.0.113.9"


def run(stage: Stage) -> None:
    """Measure the turns."""
    rounds = stage.rounds(15, 5)
    world = cards(3, 2)
    folder = stage.folder / "three"
    folder.mkdir()
    fresh_machine(world)
    with Metadata(folder, [card.facts() for card in world]):
        with Daemon(folder, ALIYUN):
            time.sleep(SETTLE_S)
            for verb in (["status"], ["plan"], _explain(world), ["verify"]):
                _measure(stage, folder, verb, "", rounds)
        for verb in (["plan"], _explain(world)):
            _measure(stage, folder, verb, ", no daemon", rounds)
    _large(stage, stage.rounds(7, 3))


def _explain(world: tuple[Card, ...]) -> list[str]:
    return ["explain", FAR, "--from", world[1].addresses[0]]


def _large(stage: Stage, rounds: int) -> None:
    world = cards(NICS, ADDRESSES)
    folder = stage.folder / "large"
    folder.mkdir()
    fresh_machine(world)
    with Daemon(folder, static_config(world)):
        time.sleep(SETTLE_S)
        for verb in (["status"], ["plan"], _explain(world)):
            _measure(stage, folder, verb, ", 3,200 rules", rounds)


def _measure(stage: Stage, folder: Path, verb: list[str], where: str, rounds: int) -> None:
    words = [sys.executable, "-m", "srcroutd.cli.srcroutctl"]
    words += ["--config", str(folder / "srcroutd.toml"), "--state-dir", str(folder / "state")]
    words += ["--socket", str(folder / "run" / "control.sock"), *verb]
    took_ms, ratios = [], []
    for number in range(rounds):
        stage.progress(f"{verb[0]}{where}: {number + 1} of {rounds}")
        took_ms.append(_took_ms(words))
        ratios.append(took_ms[-1] / _took_ms([sys.executable, "-c", "import asyncio"]))
    note = f"{median(ratios):.1f} times python3 -c 'import asyncio'; {rounds} turns"
    name = f"srcroutctl {verb[0]}{where}, median"
    stage.figure(name, median(took_ms), "ms", target=TARGET_MS, note=note, samples=took_ms)


def _took_ms(words: list[str]) -> float:
    began = time.monotonic()
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    took_ms = (time.monotonic() - began) * 1e3
    if ran.returncode not in {0, 1} or "Traceback" in ran.stderr:
        raise ValueError(f"{words}: {ran.returncode}: {ran.stderr}")
    return took_ms
