"""From starting the process to READY with remembered facts only, against an interpreter that
imports asyncio.

Each round is a reboot: a fresh namespace with the same ENIs, the state directory of before, nobody
at the metadata address. The two take turns.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import median
from bench.inside import Stage
from bench.programs import Daemon, Metadata
from bench.wires import OURS
from bench.world import Card, cards, fresh_machine

ALIYUN = 'provider = "aliyun"\n'


def run(stage: Stage) -> None:
    """Measure the turns."""
    world = cards(2, 3)
    state = _learnt(stage, world)
    ready_ms, asyncio_ms, ratios = [], [], []
    rounds = stage.rounds(15, 5)
    for number in range(rounds):
        stage.progress(f"boot {number + 1} of {rounds}")
        ready_ms.append(_boot_ms(stage.folder / f"boot{number}", state, world))
        asyncio_ms.append(_asyncio_ms())
        ratios.append(ready_ms[-1] / asyncio_ms[-1])
    stage.figure("process start to READY, median", median(ready_ms), "ms", samples=ready_ms)
    stage.figure(
        "python3 -c 'import asyncio', median", median(asyncio_ms), "ms", samples=asyncio_ms
    )
    note = f"{rounds} neighbouring turns; remembered facts only, READY with the rules in the kernel"
    stage.figure(
        "times an interpreter with asyncio",
        median(ratios),
        "x",
        target=5,
        note=note,
        samples=ratios,
    )


def _learnt(stage: Stage, world: tuple[Card, ...]) -> Path:
    """The state directory of a daemon that has read metadata once."""
    folder = stage.folder / "before"
    folder.mkdir()
    fresh_machine(world)
    with Metadata(folder, [card.facts() for card in world]), Daemon(folder, ALIYUN):
        deadline = time.monotonic() + 10
        while not (folder / "state" / "inventory.json").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("the daemon did not save its facts")
            time.sleep(0.05)
        time.sleep(0.3)
    return folder / "state"


def _boot_ms(folder: Path, state: Path, world: tuple[Card, ...]) -> float:
    folder.mkdir()
    shutil.copytree(state, folder / "state")
    fresh_machine(world)
    daemon = Daemon(folder, ALIYUN)
    try:
        began = daemon.start()
        ready = daemon.wait_ready()
        _check_routed()
    finally:
        daemon.stop()
    return (ready - began) * 1e3


def _check_routed() -> None:
    """READY has to mean that the rules stand."""
    shown = subprocess.run(["ip", "rule"], capture_output=True, text=True, check=True).stdout
    if f"proto {OURS}" not in shown:
        raise ValueError(f"READY without rules:\n{shown}")


def _asyncio_ms() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import asyncio"], check=True)
    return (time.monotonic() - began) * 1e3
