"""Tells the virtual machine's story once and writes docs/vm.md.

python -m tests.e2e_vm
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from srcroutd.core.errors import OperatorError
from srcroutd.lab.topology import ETH0, ETH1
from tests.e2e.roots import PROJECT, CannotBuild
from tests.e2e_vm import measures
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.image import image
from tests.e2e_vm.measures import Story

PAGE = PROJECT / "docs" / "vm.md"
_TIMES = "## Times\n"


def main() -> int:
    """Measure and write."""
    try:
        disk = image()
    except CannotBuild as error:
        sys.stderr.write(f"{error}\n")
        return OperatorError.exit_code
    story = Story()
    with (
        tempfile.TemporaryDirectory(prefix="srcroutd-vm-") as base,
        VmCloud.start([ETH0, ETH1], base=Path(base)) as cloud,
    ):
        switched_on = cloud.switch_on(disk)
        measures.boot(cloud, story, switched_on)
        versions = cloud.vm.run("uname -r; srcroutd --version").split("\n")
        measures.hot_plug(cloud, story)
        measures.reboot(cloud, story)
        measures.power_cut(cloud, story)
    text = "".join(f"{line}\n" for line in (*_table(story), "", _where(versions)))
    words = PAGE.read_text().partition(_TIMES)[0]
    PAGE.write_text(f"{words}{_TIMES}\n{text}")
    sys.stdout.write(text)
    return 0


def _table(story: Story) -> Iterable[str]:
    yield "| seconds | times | median | from-to |"
    yield "|---|--:|--:|--:|"
    for row in story.rows():
        yield "| {} | {} | {} | {} |".format(*row)


def _where(versions: list[str]) -> str:
    said = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
    )
    qemu = said.stdout.split("\n")[0].removeprefix("QEMU emulator ").partition(" (")[0]
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    host = f"{os.cpu_count()} processors, Linux {platform.release()}, load at the end {load}"
    return f"{versions[1]}; in the machine Linux {versions[0]}; qemu {qemu}; host: {host}."


if __name__ == "__main__":
    sys.exit(main())
