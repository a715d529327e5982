"""Bad days: routing stands where it stood, and the journal says what is wrong.

Disks and configurations are really broken. What has to be faked, because the kernel is everybody's,
is said in the docstring of the test.
"""

import pytest

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e.cloud import Cloud
from tests.e2e.expect import (
    assert_answers,
    assert_gave_up,
    drop_in,
    entries,
    entry,
    in_sync,
    live,
    routing,
    until,
)
from tests.e2e.machine import Machine
from tests.e2e.roots import BOOKWORM

STATE = "/var/lib/srcroutd"

pytestmark = pytest.mark.parametrize("release", [BOOKWORM], ids=["bookworm"], indirect=True)
"""One release is enough: nothing here depends on the version of systemd or Python."""


def fill_the_disk(machine: Machine) -> None:
    """The state lies on a disk of its own, where not a byte is left."""
    machine.run(
        "systemctl stop srcroutd; mkdir /tmp/kept; cp -p /var/lib/srcroutd/* /tmp/kept;"
        " mount -t tmpfs -o size=16k,mode=0700,uid=srcroutd,gid=srcroutd tmpfs /var/lib/srcroutd;"
        " cp -p /tmp/kept/* /var/lib/srcroutd/;"
        " dd if=/dev/zero of=/var/lib/srcroutd/full bs=4k 2>/dev/null || true"
    )


def test_a_full_disk_holds_up_nothing(cloud: Cloud) -> None:
    machine = cloud.machine
    before = routing(machine)
    fill_the_disk(machine)
    with live(cloud, ETH1, 6):
        machine.run("systemctl start srcroutd")
        in_sync(machine)
    assert routing(machine) == before

    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)
    told = entry(machine, Kind.STATE_UNWRITABLE)
    assert (told["SRCROUTD_ERRNO"], told["PRIORITY"]) == ("28", "3")
    assert f"cannot write {STATE}/numbers.json: No space left on device" in told["MESSAGE"]
    assert len(entries(machine, Kind.STATE_UNWRITABLE)) <= 2

    machine.run(f"rm {STATE}/full")
    machine.run("srcroutctl reconcile")
    entry(machine, Kind.STATE_WRITABLE, limit_s=90)
    assert "eni-lab-0002" in machine.run(f"cat {STATE}/numbers.json")
    assert_answers(cloud, ETH1)


def test_a_full_disk_at_the_first_start_holds_up_nothing(cloud: Cloud) -> None:
    machine = cloud.machine
    fill_the_disk(machine)
    machine.run(f"rm {STATE}/*.json; dd if=/dev/zero of={STATE}/more bs=4k 2>/dev/null || true")
    machine.run("srcroutctl cleanup")
    machine.run("systemctl start srcroutd")
    assert_answers(cloud, ETH1)
    assert entry(machine, Kind.STATE_UNWRITABLE)["SRCROUTD_ERRNO"] == "28"


def test_a_state_directory_that_turns_read_only_holds_up_nothing(cloud: Cloud) -> None:
    """As after an error of the disk, which the kernel then mounts read-only."""
    machine = cloud.machine
    machine.run("systemctl stop srcroutd; mkdir /tmp/kept; cp -p /var/lib/srcroutd/* /tmp/kept")
    machine.run("mount -t tmpfs -o mode=0700,uid=srcroutd,gid=srcroutd tmpfs /var/lib/srcroutd")
    machine.run("cp -p /tmp/kept/* /var/lib/srcroutd/; mount -o remount,ro /var/lib/srcroutd")
    before = routing(machine)
    with live(cloud, ETH1, 5):
        machine.run("systemctl start srcroutd")
        in_sync(machine)
    assert routing(machine) == before
    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)
    assert entry(machine, Kind.STATE_UNWRITABLE)["SRCROUTD_ERRNO"] == "30"


def test_without_its_capability_it_says_so_and_leaves_routing_alone(cloud: Cloud) -> None:
    machine = cloud.machine
    before = routing(machine)
    drop_in(machine, "AmbientCapabilities=\nCapabilityBoundingSet=")
    with live(cloud, ETH1, 4):
        machine.attempt("systemctl restart srcroutd")
    assert_gave_up(machine, 77, "CAP_NET_ADMIN")
    assert routing(machine) == before


def test_a_kernel_without_rtnetlink_is_named(cloud: Cloud) -> None:
    """Fake: the sandbox refuses the address family as a kernel would that does not have it."""
    machine = cloud.machine
    before = routing(machine)
    families = "AF_UNIX AF_INET AF_INET6"
    drop_in(machine, f"RestrictAddressFamilies=\nRestrictAddressFamilies={families}")
    machine.attempt("systemctl restart srcroutd")
    assert_gave_up(machine, 71, "netlink")
    assert routing(machine) == before


def test_a_second_daemon_gives_way_to_the_first(cloud: Cloud) -> None:
    machine = cloud.machine
    before, pid = routing(machine), machine.unit("srcroutd", "MainPID")
    with live(cloud, ETH1, 4):
        second = machine.attempt("srcroutd")
    assert second.code == 75
    assert "another srcroutd runs already" in second.err
    assert "systemctl stop srcroutd" in second.err
    assert machine.unit("srcroutd", "MainPID") == pid
    assert routing(machine) == before
    in_sync(machine)


def test_a_unit_beside_a_daemon_started_by_hand_waits_for_it_to_end(cloud: Cloud) -> None:
    machine = cloud.machine
    machine.run("systemctl stop srcroutd")
    machine.run("systemd-run --unit=by-hand --collect /usr/sbin/srcroutd")
    in_sync(machine)
    before = routing(machine)
    machine.attempt("systemctl start srcroutd")
    assert "another srcroutd runs already" in entry(machine, Kind.CANNOT_RUN)["MESSAGE"]
    assert routing(machine) == before
    machine.run("systemctl stop by-hand")
    until(lambda: machine.attempt("systemctl is-active srcroutd").code == 0, "its turn comes")
    in_sync(machine)


@pytest.mark.parametrize("clock", ["1970-01-01 00:00:10", "2024-01-01 00:00:00"])
def test_a_clock_that_stands_in_the_past_does_not_matter(cloud: Cloud, clock: str) -> None:
    """As a machine boots whose clock has lost its battery. Fake: only srcroutd sees that clock
    (libfaketime).
    """
    cloud.kill_metadata()
    _set_clock(cloud.machine, f"@{clock}")
    before = cloud.machine.run("ip rule; ip -6 rule")
    cloud.reboot()
    assert _sees(cloud.machine, clock[:4])
    assert_answers(cloud, ETH1)
    assert cloud.machine.run("ip rule; ip -6 rule") == before
    assert entries(cloud.machine, Kind.STATE_DAMAGED) == []


def test_facts_that_are_too_old_by_a_wrong_clock_are_not_used_and_nothing_is_deleted(
    cloud: Cloud,
) -> None:
    """Fake: only srcroutd sees that clock (libfaketime)."""
    machine = cloud.machine
    before = routing(machine)
    cloud.kill_metadata()
    _set_clock(machine, "@2099-01-01 00:00:00")
    with live(cloud, ETH1, 20):
        machine.run("systemctl restart srcroutd")
        assert _sees(machine, "2099")
        told = entry(machine, Kind.STATE_DAMAGED)
    assert "older than max_age" in told["MESSAGE"]
    assert routing(machine) == before

    cloud.revive_metadata()
    entry(machine, Kind.METADATA_ANSWERS, limit_s=60)
    in_sync(machine)
    assert routing(machine) == before


def _set_clock(machine: Machine, at: str) -> None:
    library = machine.run("find /usr/lib -name libfaketime.so.1").split()[0]
    drop_in(
        machine, f'Environment=LD_PRELOAD={library} "FAKETIME={at}" FAKETIME_DONT_FAKE_MONOTONIC=1'
    )


def _sees(machine: Machine, year: str) -> bool:
    """Whether the daemon's own process lives in that year: its process was started with the
    library.
    """
    pid = machine.unit("srcroutd", "MainPID")["MainPID"]
    return f"@{year}" in machine.run(f"tr '\\0' '\\n' </proc/{pid}/environ") and (
        "libfaketime" in machine.run(f"cat /proc/{pid}/maps")
    )


def test_damaged_state_is_told_and_routing_stands(cloud: Cloud) -> None:
    machine = cloud.machine
    before = routing(machine)
    machine.run(f"systemctl stop srcroutd; echo '{{' >{STATE}/inventory.json")
    machine.run(f"head -c 100 /dev/urandom >{STATE}/numbers.json")
    with live(cloud, ETH1, 4):
        machine.run("systemctl start srcroutd")
        in_sync(machine)
    assert len(entries(machine, Kind.STATE_DAMAGED)) == 2
    assert routing(machine) == before
