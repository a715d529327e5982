"""The lab itself: its source check drops, its counts count, it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.lab import folder
from srcroutd.lab.calls import LabError
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1, eni

StartCloud = Callable[..., Cloud]
ROOT = Path(__file__).parents[2]
NOBODY = 65534

BY_HAND = (
    "rule add from 172.16.1.10 lookup 1001",
    "route add default via 172.16.1.253 dev eth1 table 1001",
)


@pytest.mark.parametrize("address", [ETH1.v4[0], ETH1.v6[0]], ids=["ipv4", "ipv6"])
def test_a_reply_by_the_wrong_nic_dies_in_the_source_check(
    bare_cloud: Cloud, address: object
) -> None:
    wire = bare_cloud.wire
    bare_cloud.attach(ETH1)
    pings = bare_cloud.client.ping(str(address), 10)
    assert pings.answered == 0
    assert wire.count("eth1", "down", "ping") == 10
    assert wire.count("eth0", "up", "pong") == 10
    assert wire.count("client", "down", "pong") == 0


def test_a_reply_by_the_right_nic_passes_and_is_counted_once_a_wire(bare_cloud: Cloud) -> None:
    bare_cloud.attach(ETH1)
    bare_cloud.instance.ip_batch(BY_HAND)
    bare_cloud.wire.reset()
    assert bare_cloud.client.ping(ETH1.v4[0], 10).answered == 10
    assert bare_cloud.wire.answered_by(ETH1.v4[0]) == {"eth1": 10}
    assert bare_cloud.wire.count("client", "down", "pong", ETH1.v4[0], CLIENT_V4) == 10
    assert bare_cloud.wire.count("eth0") == 0


@pytest.mark.parametrize("kind", ["icmp", "udp", "tcp"])
@pytest.mark.parametrize("address", [ETH0.v4[0], ETH0.v6[0]], ids=["ipv4", "ipv6"])
def test_the_primary_answers_every_kind_of_probe(
    standing_cloud: Cloud, kind: str, address: object
) -> None:
    assert standing_cloud.client.probe(str(address), kind=kind)


def test_a_probe_without_an_answer_says_why(standing_cloud: Cloud) -> None:
    lost = standing_cloud.client.probe("172.16.0.99", timeout_s=0.2)
    assert not lost
    assert lost.reason


def test_a_live_tcp_connection_is_followed_packet_by_packet(standing_cloud: Cloud) -> None:
    stream = standing_cloud.client.stream(ETH0.v4[0], kind="tcp", times=50, every_ms=2)
    assert (stream.sent, stream.lost) == (50, 0)


def test_the_source_of_a_probe_can_be_chosen(bare_cloud: Cloud) -> None:
    bare_cloud.attach(ETH1)
    bare_cloud.instance.ip_batch(BY_HAND)
    assert bare_cloud.instance.probe(CLIENT_V4, src=ETH1.v4[0])
    bare_cloud.instance.ip("route del default table 1001")
    assert not bare_cloud.instance.probe(CLIENT_V4, src=ETH1.v4[0], timeout_s=0.2)


def test_two_hosts_of_one_vswitch_meet_though_each_has_a_port_of_its_own(
    bare_cloud: Cloud,
) -> None:
    bare_cloud.attach(ETH1)
    neighbour = bare_cloud.neighbour("172.16.1.77")
    assert neighbour.ping(ETH1.v4[0], 3).answered == 3
    assert bare_cloud.instance.probe("172.16.1.77", kind="tcp")


def test_a_container_reaches_the_outside_only_in_the_instances_name(bare_cloud: Cloud) -> None:
    container = bare_cloud.container(masquerade=True)
    assert container.probe(ETH0.v4[0])
    assert container.probe(CLIENT_V4)
    bare_cloud.instance.run("nft", "flush", "ruleset")
    assert not container.probe(CLIENT_V4, timeout_s=0.2)


def test_an_eni_keeps_its_mac_and_addresses_under_whatever_name_it_comes_back(
    bare_cloud: Cloud,
) -> None:
    bare_cloud.attach(ETH1)
    bare_cloud.detach(ETH1)
    assert "eth1" not in bare_cloud.instance.ip("-brief link")
    bare_cloud.attach(ETH1, "ens7")
    link = bare_cloud.instance.ip_json("address show dev ens7")[0]
    assert link["address"] == ETH1.mac
    assert [one["local"] for one in link["addr_info"] if one["scope"] == "global"] == [
        str(ETH1.v4[0]),
        str(ETH1.v6[0]),
    ]


def test_a_storm_of_enis_is_attached_in_one_go(bare_cloud: Cloud) -> None:
    enis = [eni(number) for number in range(1, 17)]
    bare_cloud.attach_all(enis)
    links = bare_cloud.instance.ip("-brief link")
    assert [nic.name for nic in enis if nic.mac not in links] == []


def test_a_kept_cloud_can_be_taken_up_by_another_process(bare_cloud: Cloud, base: Path) -> None:
    bare_cloud.attach(ETH1, "ens7")
    other = Cloud.open(bare_cloud.name, base)
    assert (other.enis, other.attached) == (bare_cloud.enis, bare_cloud.attached)
    other.detach(ETH1)
    assert "ens7" not in bare_cloud.instance.ip("-brief link")


def test_an_added_address_is_routed_and_a_removed_one_is_not(bare_cloud: Cloud) -> None:
    extra = ETH0.vswitch.v4[11]
    bare_cloud.add_address(ETH0, extra)
    assert bare_cloud.client.probe(extra)
    assert str(extra) in bare_cloud.metadata.path.read_text()
    bare_cloud.remove_address(ETH0, extra)
    assert not bare_cloud.client.probe(extra, timeout_s=0.2)
    assert str(extra) not in bare_cloud.metadata.path.read_text()


def test_a_reboot_loses_rules_and_processes_and_keeps_nics_and_disk(bare_cloud: Cloud) -> None:
    bare_cloud.attach(ETH1)
    fresh = bare_cloud.instance.ip("rule"), bare_cloud.instance.ip("route show table all")
    bare_cloud.instance.ip_batch(BY_HAND)
    bare_cloud.instance.run("sh", "-c", "sleep 1000 >/dev/null 2>&1 &")
    (bare_cloud.daemon.state_dir / "kept").touch()
    (bare_cloud.daemon.runtime_dir / "lost").touch()
    bare_cloud.reboot_instance()
    assert "sleep" not in bare_cloud.instance.run("ps", "ax").out
    after = bare_cloud.instance.ip("rule"), bare_cloud.instance.ip("route show table all")
    assert after == fresh
    assert (bare_cloud.daemon.state_dir / "kept").exists()
    assert not (bare_cloud.daemon.runtime_dir / "lost").exists()
    assert bare_cloud.client.probe(ETH0.v4[0])


def test_the_instance_says_that_it_is_an_ecs_instance_and_the_others_do_not(
    standing_cloud: Cloud,
) -> None:
    vendor = "/sys/class/dmi/id/sys_vendor"
    assert standing_cloud.instance.run("cat", vendor).out == "Alibaba Cloud\n"
    assert "Alibaba" not in standing_cloud.router.run("cat", vendor, check=False).out
    nics = standing_cloud.instance.run("ls", "/sys/class/net").out.split()
    assert nics == ["eth0", "lo"]


def test_two_clouds_side_by_side_know_nothing_of_each_other(start_cloud: StartCloud) -> None:
    one, other = start_cloud(metadata=False), start_cloud(metadata=False)
    other.wire.reset()
    assert one.client.ping(ETH0.v4[0], 5).answered == 5
    assert one.wire is not other.wire
    assert not other.wire.counts()
    one.close()
    assert other.client.ping(ETH0.v4[0], 5).answered == 5


def test_nothing_of_the_host_is_touched(start_cloud: StartCloud) -> None:
    before = _host()
    cloud = start_cloud(metadata=False)
    cloud.attach(ETH1)
    assert _host() == before
    cloud.close()
    assert _host() == before
    assert not cloud.folder.exists()


def test_what_a_crashed_lab_leaves_is_removed_by_the_next_and_no_running_lab_is(
    start_cloud: StartCloud, base: Path
) -> None:
    crashed, running = start_cloud(metadata=False), start_cloud(metadata=False)
    instance = crashed.instance.pid
    assert crashed._holder is not None
    crashed._holder.kill()
    crashed._holder.wait()
    _wait_until_gone(instance)
    assert crashed.folder.exists()
    start_cloud(metadata=False)
    assert not crashed.folder.exists()
    assert running.client.probe(ETH0.v4[0])
    assert running.folder in folder.running(base)


def test_a_lab_ends_with_the_process_that_started_it(base: Path) -> None:
    script = (
        "import sys, pathlib; from srcroutd.lab.cloud import Cloud\n"
        "cloud = Cloud.start(base=pathlib.Path(sys.argv[1]), metadata=False)\n"
        "print(cloud.name, cloud.instance.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(base)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as owner:
        assert owner.stdout is not None
        name, instance = owner.stdout.readline().split()
        owner.send_signal(signal.SIGKILL)
    _wait_until_gone(int(instance))
    assert name in folder.sweep(base)


def test_a_lab_works_without_root(base: Path) -> None:
    python = _python_for_nobody()
    script = (
        "import sys, pathlib; from srcroutd.lab.cloud import Cloud\n"
        "from srcroutd.lab.topology import ETH0, ETH1\n"
        "with Cloud.start((ETH0, ETH1), base=pathlib.Path(sys.argv[1])) as cloud:\n"
        "    wire = cloud.wire\n"
        "    print(cloud.client.ping(ETH0.v4[0], 3).answered)\n"
        "    print(cloud.client.ping(ETH1.v4[0], 3).answered, wire.answered_by(ETH1.v4[0]))\n"
    )
    home = base / "nobody"
    base.chmod(0o711)
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    done = _as_nobody(python, script, str(home))
    if "forbid" in done.stderr:
        pytest.skip(f"NOT TESTED without root: {done.stderr.splitlines()[-1]}")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["3", "0 {'eth0': 3}"]


def test_a_second_lab_of_the_same_name_is_refused(start_cloud: StartCloud) -> None:
    start_cloud(name="twin", metadata=False)
    with pytest.raises(LabError, match="lab down"):
        start_cloud(name="twin", metadata=False)


def _host() -> str:
    """What the machine's own namespace looks like."""
    questions = ("-brief link", "-brief address", "rule", "route show table all", "netns")
    return "".join(
        subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=True).stdout
        for words in questions
    )


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


def _python_for_nobody() -> str:
    """A Python that an ordinary user may run: this one, or the system's of the same version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split()[2] != "4294967295":
        pytest.skip("NOT TESTED without root: only the host's root can become somebody else")
    for candidate in (sys.executable, f"/usr/bin/python{version}"):
        try:
            tried = _as_nobody(candidate, "import aiohttp")
        except OSError:
            continue
        if tried.returncode == 0:
            return candidate
    pytest.skip("NOT TESTED without root: nobody may run no Python that has aiohttp")


def _as_nobody(python: str, script: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [python, "-c", script, *words],
        capture_output=True,
        text=True,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        cwd="/",
    )
