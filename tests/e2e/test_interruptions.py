"""Whatever happens to the daemon, connections through eth1 do not notice: not one packet is lost.

Each test exchanges a packet every few ms with both addresses of eth1, over TCP and UDP, while the
daemon is reloaded, restarted, upgraded, stopped, crashes or hangs.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH1
from tests.e2e.cloud import Cloud
from tests.e2e.expect import (
    assert_answers,
    drop_in,
    entries,
    entry,
    in_sync,
    live,
    routing,
    until,
)
from tests.e2e.machine import Machine

HIGHER = "+e2e1"


@pytest.fixture(scope="session")
def next_package(package: Path, scratch: Path) -> Path:
    """The package with a higher version and a file more."""
    tree, built = scratch / "next", scratch / "next.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    raised = [line + HIGHER if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join(raised) + "\n")
    (tree / "usr/share/doc/srcroutd/news").write_text("higher\n")
    subprocess.run(["dpkg-deb", "-b", tree, built], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return built


def main_pid(machine: Machine) -> str:
    return machine.unit("srcroutd", "MainPID")["MainPID"]


def restarted(machine: Machine, before: str) -> bool:
    seen = machine.unit("srcroutd", "MainPID", "ActiveState")
    return seen["ActiveState"] == "active" and seen["MainPID"] not in {before, "0"}


def test_a_reload_loses_nothing(cloud: Cloud) -> None:
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    with live(cloud, ETH1, 3):
        cloud.machine.run("systemctl reload srcroutd")
        entry(cloud.machine, Kind.RELOADED)
    assert main_pid(cloud.machine) == pid
    assert routing(cloud.machine) == before


def test_a_restart_loses_nothing_and_changes_nothing(cloud: Cloud) -> None:
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    added = len(entries(cloud.machine, Kind.RULE_ADDED))
    with live(cloud, ETH1, 4):
        cloud.machine.run("systemctl restart srcroutd")
        in_sync(cloud.machine)
    assert main_pid(cloud.machine) != pid
    assert routing(cloud.machine) == before
    assert len(entries(cloud.machine, Kind.RULE_ADDED)) == added
    assert entries(cloud.machine, Kind.RULE_DELETED) == []


def test_stopping_leaves_routing_as_it_stands(cloud: Cloud) -> None:
    before = routing(cloud.machine)
    with live(cloud, ETH1, 3):
        cloud.machine.run("systemctl stop srcroutd")
    assert cloud.machine.unit("srcroutd", "ActiveState") == {"ActiveState": "inactive"}
    assert entry(cloud.machine, Kind.STOPPED)
    assert routing(cloud.machine) == before


def test_an_upgrade_replaces_the_daemon_and_loses_nothing(cloud: Cloud, next_package: Path) -> None:
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    with live(cloud, ETH1, 12):
        cloud.machine.install(next_package)
        until(lambda: restarted(cloud.machine, pid), "the daemon of the new version runs")
        in_sync(cloud.machine)
    version = cloud.machine.run("dpkg-query --show --showformat='${Version}' srcroutd")
    assert version.endswith(HIGHER)
    assert routing(cloud.machine) == before
    assert cloud.machine.unit("srcroutd", "UnitFileState") == {"UnitFileState": "enabled"}
    assert_answers(cloud, ETH1)


def test_a_crash_is_followed_by_a_start_that_changes_nothing(cloud: Cloud) -> None:
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    added = len(entries(cloud.machine, Kind.RULE_ADDED))
    with live(cloud, ETH1, 8):
        cloud.machine.run(f"kill -KILL {pid}")
        until(lambda: restarted(cloud.machine, pid), "systemd has started it again")
        in_sync(cloud.machine)
    assert cloud.machine.unit("srcroutd", "NRestarts") == {"NRestarts": "1"}
    assert routing(cloud.machine) == before
    assert len(entries(cloud.machine, Kind.RULE_ADDED)) == added


def test_what_was_lost_while_it_was_dead_is_repaired_after_a_crash(cloud: Cloud) -> None:
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    cloud.machine.run(f"kill -KILL {pid}; ip rule flush; ip rule add priority 32766 lookup main")
    until(lambda: restarted(cloud.machine, pid), "systemd has started it again")
    in_sync(cloud.machine)
    cloud.machine.run("ip rule add priority 32767 lookup default")
    assert cloud.machine.run("ip rule | grep -c srcroutd") == "6\n"
    assert "from 172.16.1.10 lookup srcroutd1" in before
    assert_answers(cloud, ETH1)


def test_a_daemon_that_hangs_is_killed_and_started_again(cloud: Cloud) -> None:
    """The unit's own watchdog is a minute; here it is 2 s, and nothing else of it is changed."""
    drop_in(cloud.machine, "WatchdogSec=2s")
    cloud.machine.run("systemctl restart srcroutd")
    before, pid = routing(cloud.machine), main_pid(cloud.machine)
    with live(cloud, ETH1, 20):
        cloud.machine.run(f"kill -STOP {pid}")
        until(lambda: restarted(cloud.machine, pid), "systemd has started it again", 18)
        in_sync(cloud.machine)
    said = cloud.machine.run("journalctl -b -u srcroutd -o cat")
    assert "Watchdog timeout" in said
    assert routing(cloud.machine) == before


def test_a_daemon_that_works_keeps_its_watchdog_content(cloud: Cloud) -> None:
    drop_in(cloud.machine, "WatchdogSec=2s")
    cloud.machine.run("systemctl restart srcroutd")
    pid = main_pid(cloud.machine)
    cloud.machine.run("sleep 6")
    assert main_pid(cloud.machine) == pid
