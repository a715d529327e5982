"""The package from ``apt install`` to ``apt purge``: what it brings, what it leaves alone, what it
leaves behind.
"""

from pathlib import Path

import pytest

from srcroutd.lab.topology import ETH0, ETH1
from tests.e2e.cloud import CONFIGURATION, Cloud
from tests.e2e.conftest import StartCloud
from tests.e2e.expect import assert_answers, assert_silent, live, routing
from tests.e2e.machine import Machine

# What apt, dpkg, systemd and the account tools keep for themselves, whatever the package.
_THEIR_OWN = (
    "/var/lib/dpkg/ /var/lib/apt/ /var/cache/ /var/log/ /var/lib/systemd/ /root/ /tmp/ /var/tmp/"
    " /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/.pwd.lock /etc/subuid- /etc/subgid-"
    " /etc/ld.so.cache /var/lib/ucf/ /.cache"
).split()


@pytest.fixture
def fresh(start_cloud: StartCloud, root: Path) -> Cloud:
    """A machine that never had srcroutd, on, with eth0 and eth1."""
    cloud = start_cloud([root])
    cloud.boot()
    return cloud


def disk(machine: Machine) -> list[str]:
    """Every file and folder of the disk but ``_THEIR_OWN``, files with their hashes."""
    listed = machine.run(
        "find / -xdev -type d -printf '%p/\\n' -o -xdev ! -type d ! -type f -printf '%p\\n';"
        " find / -xdev -type f -exec sha256sum {} +",
        timeout_s=120,
    ).splitlines()
    return sorted(line for line in listed if not _is_theirs(line[line.index("/") :]))


def _is_theirs(path: str) -> bool:
    return any(path.startswith(one) for one in _THEIR_OWN)


def install_and_start(machine: Machine, package: Path) -> None:
    machine.install(package)
    machine.write("/etc/srcroutd/srcroutd.toml.d/lab.toml", CONFIGURATION)
    machine.run("systemctl enable --now srcroutd")


def test_two_commands_are_enough(fresh: Cloud, package: Path) -> None:
    assert_silent(fresh, ETH1)
    install_and_start(fresh.machine, package)
    assert_answers(fresh, ETH1)
    assert_answers(fresh, ETH0)
    assert fresh.machine.run("srcroutctl --version").startswith("srcroutctl ")


def test_installing_starts_nothing_and_changes_no_routing(fresh: Cloud, package: Path) -> None:
    before = routing(fresh.machine)
    fresh.machine.install(package)
    state = fresh.machine.unit("srcroutd", "ActiveState", "UnitFileState")
    assert state == {"ActiveState": "inactive", "UnitFileState": "disabled"}
    assert routing(fresh.machine) == before


def test_iproute2_knows_the_names(cloud: Cloud) -> None:
    assert "proto srcroutd" in cloud.machine.run("ip rule")
    assert "via 172.16.1.253 dev eth1" in cloud.machine.run("ip route show table srcroutd1")


def test_removing_the_package_leaves_routing_and_configuration(fresh: Cloud, package: Path) -> None:
    install_and_start(fresh.machine, package)
    assert_answers(fresh, ETH1)
    before = fresh.machine.run("ip -N rule; ip -N -6 rule; ip -N route show table 18001")
    with live(fresh, ETH1, 10):
        fresh.machine.run("apt-get remove -y srcroutd")
    now = fresh.machine.run("ip -N rule; ip -N -6 rule; ip -N route show table 18001")
    assert now == before
    assert fresh.machine.attempt("systemctl cat srcroutd").code == 1
    assert fresh.machine.run("pgrep -u srcroutd || true") == ""
    kept = fresh.machine.run("cat /etc/srcroutd/srcroutd.toml.d/lab.toml")
    assert kept == CONFIGURATION
    assert fresh.machine.run("find /etc/systemd/system -name '*srcroutd*'") == ""


def test_a_package_that_was_removed_can_come_back(fresh: Cloud, package: Path) -> None:
    install_and_start(fresh.machine, package)
    fresh.machine.run("apt-get remove -y srcroutd")
    fresh.machine.install(package)
    fresh.machine.run("systemctl enable --now srcroutd")
    assert fresh.machine.run("srcroutctl status").startswith("in sync")
    assert_answers(fresh, ETH1)


@pytest.mark.parametrize("words", ["purge", "remove then purge"])
def test_purging_leaves_nothing_but_what_others_have_made(
    fresh: Cloud, package: Path, words: str
) -> None:
    machine = fresh.machine
    machine.run("ip rule add priority 18500 lookup 77; ip route add 192.0.2.0/24 dev eth0 table 77")
    before, rules = disk(machine), routing(machine)
    install_and_start(machine, package)
    assert_answers(fresh, ETH1)
    machine.run("srcroutctl status; srcroutctl doctor || true")

    for word in words.split(" then "):
        machine.run(f"apt-get {word} -y srcroutd")

    assert routing(machine) == rules
    assert disk(machine) == before
    assert machine.attempt("getent passwd srcroutd || getent group srcroutd").code == 2
    assert "srcroutd" not in machine.run("journalctl --list-catalog")
    assert "srcroutd" not in machine.run("systemctl list-units --all --no-legend")
    assert machine.run("ls /run").count("srcroutd") == 0
