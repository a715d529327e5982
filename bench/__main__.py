"""Run the groups of figures one after the other, show them as they come, and write the report.

    python -m bench [NAME...] [--quick] [--publish]

Results: build/bench.json, bench.md, bench.csv, bench.svg; ``--publish`` also writes
docs/bench/latest.md and latest.svg. The exit code says whether the figures could be measured, not
whether they are good.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure, figure_from
from bench.inside import GROUPS
from bench.plot import svg
from bench.report import csv_text, markdown, summary, terminal_line

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Measure what was asked for."""
    options = _options()
    # So that the group under way is ended with us, and ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = options.names or list(GROUPS)
    figures: list[Figure] = []
    broken: list[str] = []
    began, machine = time.monotonic(), _machine(quick=options.quick)
    for name in names:
        print(f"\n{GROUPS[name]:<54} {'value':>12}  {'target':>10}          of target", flush=True)
        with tempfile.TemporaryDirectory(prefix="srcroutd-bench-") as folder:
            if not _measure(name, folder, quick=options.quick, into=figures):
                broken.append(name)
    print(f"\n{summary(figures)}; {time.monotonic() - began:.0f} s")
    if broken:
        print(f"could not be measured: {', '.join(broken)}")
    _write(figures, machine, publish=options.publish)
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = ", ".join(GROUPS)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"groups to measure: {known}; all without"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--publish", action="store_true", help="also write docs/bench/latest.md")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in GROUPS]:
        parser.error(f"no group is called {unknown[0]}; there are {known}")
    return options


def _measure(name: str, folder: str, *, quick: bool, into: list[Figure]) -> bool:
    """Run one group in namespaces of its own; whether it came to its end."""
    words = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
    words += [sys.executable, "-m", "bench.inside", name, folder, *(["quick"] if quick else [])]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            _show(json.loads(line), into)
        return process.wait() == 0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _show(told: dict[str, object], into: list[Figure]) -> None:
    """A figure as a row that stays; progress as a line that the next one overwrites."""
    erase = "\r\033[K" if sys.stdout.isatty() else ""
    match told:
        case {"figure": dict() as content}:
            figure = figure_from(content)
            into.append(figure)
            print(f"{erase}{terminal_line(figure)}", flush=True)
        case {"progress": str() as words} if erase:
            print(f"{erase}  ... {words}", end="", flush=True)


def _write(figures: list[Figure], machine: dict[str, str], *, publish: bool) -> None:
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    content = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
    page, picture = markdown(figures, machine), svg(figures)
    (build / "bench.json").write_text(json.dumps(content, indent=1) + "\n")
    (build / "bench.md").write_text(page)
    (build / "bench.csv").write_text(csv_text(figures))
    (build / "bench.svg").write_text(picture)
    print("written: build/bench.json, bench.md, bench.csv, bench.svg")
    if publish:
        published = ROOT / "docs" / "bench"
        published.mkdir(parents=True, exist_ok=True)
        (published / "latest.md").write_text(
            f"{page}\n![each figure in parts of its target](latest.svg)\n"
        )
        (published / "latest.svg").write_text(picture)
        print("written: docs/bench/latest.md, latest.svg")


def _machine(*, quick: bool) -> dict[str, str]:
    """What the figures are measured on, and how busy it is with other things before that."""
    run = "--quick" if quick else "full"
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {run} run",
        "machine": f"{os.cpu_count()} CPUs, {_cpu()}, Linux {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f} in the last minute",
        "Python": platform.python_version(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
