"""The files of systemd/ that are no catalog: the units agree with each other and with the programs,
systemd takes them, the numbers and lines of the rest are the daemon's.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from srcroutd.core.config import Config
from srcroutd.core.entry import Level
from srcroutd.core.errors import Exit
from srcroutd.providers.aliyun import ENDPOINTS
from tests.pure.records import of_everything

SYSTEMD = Path(__file__).parents[2] / "systemd"
DAEMON, ONCE, ONLINE = (SYSTEMD / f"srcroutd{name}.service" for name in ("", "-once", "-online"))
EVERY_SERVICE = sorted(SYSTEMD.glob("*.service"))
WORST_SCORE = {"srcroutd": 1.5, "srcroutd-once": 1.5, "srcroutd-online": 0.8}
"""Of systemd 252, 0 to 10; docs/decisions/0012 tells what remains and why."""
PROGRAM = re.compile(r"(?m)^(ExecStart=-?)/usr/s?bin/srcrout\w+")
REMARK = re.compile(r"(?m)^(#.*)?\n")


def settings(unit: Path) -> list[str]:
    """The lines of [Service]."""
    text = unit.read_text().partition("[Service]\n")[2].partition("\n[")[0]
    return REMARK.sub("", text + "\n").splitlines()


def sandbox(unit: Path) -> list[str]:
    """The lines from User= on."""
    lines = settings(unit)
    return lines[[line.startswith("User=") for line in lines].index(True) :]


def one(unit: Path, key: str) -> str:
    """The only value of a key."""
    (value,) = (line.partition("=")[2] for line in settings(unit) if line.startswith(f"{key}="))
    return value


def test_the_temporary_form_lives_in_the_same_sandbox() -> None:
    assert sandbox(ONCE) == sandbox(DAEMON)
    assert len(sandbox(DAEMON)) > 35


def test_what_the_next_try_would_say_again_is_not_tried_again() -> None:
    final = {Exit.USAGE, Exit.NO_PROVIDER, Exit.KERNEL_LACKS, Exit.NOT_PERMITTED, Exit.CONFIG}
    said = {int(code) for code in one(DAEMON, "RestartPreventExitStatus").split()}
    assert said == {int(code) for code in final}


def test_the_sandbox_lets_the_metadata_services_in_and_nobody_else() -> None:
    hosts = {base.partition("//")[2].strip("[]") for base in ENDPOINTS}
    assert set(one(DAEMON, "IPAddressAllow").split()) == hosts
    assert one(DAEMON, "IPAddressDeny") == "any"


@pytest.mark.parametrize("unit", EVERY_SERVICE, ids=lambda unit: unit.name)
def test_systemd_reads_a_unit_without_a_word(unit: Path, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if not tool:
        pytest.skip("NOT TESTED: systemd-analyze is not installed")
    for file in EVERY_SERVICE:
        # The programs are not installed here; every other word of the unit is looked at.
        (tmp_path / file.name).write_text(PROGRAM.sub(r"\1/bin/true", file.read_text()))
    done = subprocess.run(
        [tool, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", EVERY_SERVICE, ids=lambda unit: unit.name)
def test_systemd_finds_little_to_expose(unit: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if not tool:
        pytest.skip("NOT TESTED: systemd-analyze is not installed")
    threshold = f"--threshold={WORST_SCORE[unit.stem] * 10:.0f}"
    done = subprocess.run(
        [tool, "security", "--offline=yes", threshold, str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if "✓" not in line]


def numbers(file: str) -> dict[int, str]:
    """What an rt_* file of iproute2 calls which number."""
    lines = (SYSTEMD / file).read_text().splitlines()
    pairs = [line.split("\t") for line in lines if not line.startswith("#")]
    return {int(number): name for number, name in pairs}


def test_the_names_of_tables_and_protocol_are_those_of_the_default_numbers() -> None:
    domain = Config().domain
    names = {domain.table(seat): f"srcroutd{seat}" for seat in range(1, 100)}
    assert numbers("rt_tables.conf") == names
    assert set(names) <= set(domain.tables)
    assert numbers("rt_protos.conf") == {domain.protocol: "srcroutd"}


def test_logcheck_passes_over_daily_work_and_nothing_else(tmp_path: Path) -> None:
    rules = (SYSTEMD / "logcheck").read_text().splitlines()
    (tmp_path / "rules").write_text("\n".join(rules[1:]) + "\n")
    heads = ("Nov 21 09:02:03", "Nov  1 09:02:03", "2026-11-21T09:02:03.123456+00:00")
    lines = {
        f"{head} host-1 srcroutd[812]: {entry.message}": entry.kind.level
        for head in heads
        for entry in of_everything()
    }
    left = subprocess.run(
        ["grep", "-Evf", str(tmp_path / "rules")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    reported = [line for line, level in lines.items() if level not in {Level.INFO, Level.NOTICE}]
    assert left.stdout.splitlines() == reported
