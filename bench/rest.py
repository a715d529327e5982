"""The daemon at rest: in sync, metadata read, nothing happening. Memory, wake-ups, CPU.

The full run watches for a minute, so that one periodic look at everything is in it.
"""

import time

from bench.inside import Stage
from bench.programs import Daemon, Metadata
from bench.world import SETTLE_S, cards, machine


def run(stage: Stage) -> None:
    """Watch a daemon that has nothing to do."""
    world = cards(2, 3)
    machine(world)
    window_s = stage.rounds(60, 20)
    with (
        Metadata(stage.folder, [card.facts() for card in world]),
        Daemon(stage.folder, 'provider = "aliyun"\n') as daemon,
    ):
        time.sleep(SETTLE_S)
        wakes, cpu_ms, began = daemon.wake_ups(), daemon.cpu_ms(), time.monotonic()
        for left_s in range(window_s, 0, -5):
            stage.progress(f"watching a daemon at rest, {left_s} s to go")
            time.sleep(5)
        wakes, cpu_ms = daemon.wake_ups() - wakes, daemon.cpu_ms() - cpu_ms
        spent_s = time.monotonic() - began
        rss_mib = daemon.rss_mib()
    note = "VmRSS with aiohttp loaded, two secondary NICs"
    stage.figure("memory", rss_mib, "MiB", target=50, note=note)
    note = f"voluntary context switches of all threads in {spent_s:.0f} s"
    stage.figure("wake-ups", wakes / spent_s, "/s", target=1, note=note)
    stage.figure(
        "CPU in 10 s",
        cpu_ms / spent_s * 10,
        "ms",
        target=1,
        note=f"{cpu_ms:.2f} ms in {spent_s:.0f} s",
    )
