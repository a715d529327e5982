"""What the daemon's unit keeps it from, and who may ask the daemon what."""

import json
from functools import partial
from typing import Any

import pytest

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1, METADATA_V4
from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Layers, StartCloud
from tests.e2e.expect import assert_answers, entries, routing, until

CAP_NET_ADMIN = 1 << 12
EXPOSURE = 1.5
"""What is left when all is closed that the work does not need; ``COUNTED`` has each point."""
COUNTED = set(
    "RootDirectory=/RootImage= AmbientCapabilities= RestrictAddressFamilies=~AF_NETLINK"
    " RestrictAddressFamilies=~AF_UNIX RestrictAddressFamilies=~AF_(INET|INET6)"
    " CapabilityBoundingSet=~CAP_NET_ADMIN PrivateNetwork= PrivateUsers= DeviceAllow="
    " IPAddressDeny=".split()
)
PROBE_UNIT = "srcroutd-probe.service"
PROBE = f"""
import errno, json, os, socket
def says(act):
    try:
        return act() or "done"
    except OSError as error:
        return errno.errorcode.get(error.errno) or str(error)
def write(path):
    with open(path, "w") as file:
        file.write("x")
def connect(address, port):
    with socket.create_connection((address, port), timeout=2):
        pass
print(json.dumps({{
    "metadata": says(lambda: connect("{METADATA_V4}", 80)),
    "client": says(lambda: connect("{CLIENT_V4}", 7)),
    "localhost": says(lambda: connect("127.0.0.1", 7)),
    "/etc": says(lambda: write("/etc/srcroutd/x")),
    "/usr": says(lambda: write("/usr/x")),
    "/home": says(lambda: ",".join(os.listdir("/home")) or "empty"),
    "state": says(lambda: write("/var/lib/srcroutd/x")),
    "runtime": says(lambda: write("/run/srcroutd/x")),
    "packet": says(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "netlink": says(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
    "hostname": says(lambda: socket.sethostname("x")),
    "sysctl": says(lambda: write("/proc/sys/net/ipv4/ip_forward")),
    "others": says(lambda: os.listdir("/proc/1") and None),
    "setuid": says(lambda: os.setuid(0)),
    "chroot": says(lambda: os.chroot("/")),
}}), flush=True)
"""


@pytest.fixture
def probed(cloud: Cloud) -> dict[str, Any]:
    """What a program may do that runs under the daemon's own unit file, with another ExecStart=."""
    machine = cloud.machine
    cloud.client.echo()
    assert cloud.instance.probe(CLIENT_V4, kind="tcp")
    assert cloud.instance.probe("127.0.0.1", kind="tcp")
    machine.run("mkdir /home/somebody")
    machine.write("/opt/probe.py", PROBE)
    machine.run(f"cp /usr/lib/systemd/system/srcroutd.service /etc/systemd/system/{PROBE_UNIT}")
    lines = "Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=python3 /opt/probe.py"
    machine.write(f"/etc/systemd/system/{PROBE_UNIT}.d/probe.conf", f"[Service]\n{lines}\n")
    machine.run(f"systemctl daemon-reload; systemctl start {PROBE_UNIT}")
    said = machine.journal(f"_SYSTEMD_UNIT={PROBE_UNIT}", "_TRANSPORT=stdout")
    answers: dict[str, Any] = json.loads(said[-1]["MESSAGE"])
    return answers


def test_the_daemon_is_nobody_but_for_the_network(cloud: Cloud) -> None:
    pid = cloud.machine.unit("srcroutd", "MainPID")["MainPID"]
    lines = cloud.machine.run(f"cat /proc/{pid}/status").splitlines()
    status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    for held in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[held][0], 16) == CAP_NET_ADMIN, held
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    user = cloud.machine.run("id -u srcroutd").strip()
    assert user != "0"
    assert status["Uid"] == [user] * 4
    assert status["Gid"] == [cloud.machine.run("id -g srcroutd").strip()] * 4


def test_its_sandbox_lets_it_do_its_work_and_nothing_else(probed: dict[str, Any]) -> None:
    # The folder of the configuration is root's; whether the mount is read-only too does not matter.
    assert probed.pop("/etc") in {"EACCES", "EROFS"}
    assert probed == {
        "metadata": "done",
        "client": "timed out",
        "localhost": "timed out",
        "/usr": "EROFS",
        "/home": "EACCES",
        "state": "done",
        "runtime": "done",
        "packet": "EAFNOSUPPORT",
        "netlink": "done",
        "hostname": "EPERM",
        "sysctl": "ENOENT",
        "others": "ENOENT",
        "setuid": "EPERM",
        "chroot": "EPERM",
    }


@pytest.mark.parametrize("unit", ["srcroutd", "srcroutd-once", "srcroutd-online"])
def test_systemd_finds_nothing_to_say_against_the_units(cloud: Cloud, unit: str) -> None:
    done = cloud.machine.attempt(f"systemd-analyze verify --man=no {unit}.service")
    assert (done.code, done.said) == (0, "")


@pytest.mark.parametrize("unit", ["srcroutd", "srcroutd-once"])
def test_systemd_counts_as_exposure_what_the_work_needs(cloud: Cloud, unit: str) -> None:
    said = cloud.machine.run(f"systemd-analyze security --no-pager {unit}.service")
    counted = {line.split()[1] for line in said.splitlines() if line.startswith("✗")}
    assert counted <= COUNTED
    score = float(said.partition("Overall exposure level")[2].split(":")[1].split()[0])
    assert score <= EXPOSURE, said


def test_a_member_of_the_group_may_look_and_not_touch(cloud: Cloud) -> None:
    machine = cloud.machine
    machine.run("useradd --groups srcroutd reader; useradd stranger")
    before = routing(machine)

    assert machine.run("runuser -u reader srcroutctl status").startswith("in sync")
    assert machine.attempt("runuser -u reader srcroutctl plan").code == 0
    for forbidden in ("reconcile", "cleanup"):
        refused = machine.attempt(f"runuser -u reader srcroutctl {forbidden}")
        assert refused.code == 77
        assert "root" in refused.err
    assert routing(machine) == before
    stranger = machine.attempt("runuser -u stranger srcroutctl status")
    assert (stranger.code, stranger.out) == (77, "")
    assert "only for root and the group srcroutd" in stranger.err


def test_state_is_for_nobody_else(cloud: Cloud) -> None:
    look = "stat -c '%A %U %n'"
    assert cloud.machine.run(f"{look} /var/lib/srcroutd /var/lib/srcroutd/*.json").splitlines() == [
        "drwx------ srcroutd /var/lib/srcroutd",
        "-rw------- srcroutd /var/lib/srcroutd/inventory.json",
        "-rw------- srcroutd /var/lib/srcroutd/numbers.json",
    ]
    assert cloud.machine.run(f"{look} /run/srcroutd/control.sock").startswith("srw-rw----")


def test_metrics_are_let_out_by_the_drop_in_of_the_examples(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled)
    cloud.boot()
    machine = cloud.machine
    machine.write("/etc/srcroutd/srcroutd.toml.d/metrics.toml", "metrics = true\n")
    example = "/usr/share/doc/srcroutd/examples/metrics.conf"
    machine.run("mkdir -p /etc/systemd/system/srcroutd.service.d")
    machine.run(f"cp {example} /etc/systemd/system/srcroutd.service.d/; systemctl daemon-reload")
    machine.run("systemctl restart srcroutd")
    read = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9183/metrics').read())"
    assert "srcroutd_" in machine.run(f'python3 -c "{read}"')
    assert entries(machine, Kind.CANNOT_LISTEN) == []
    assert_answers(cloud, ETH1)


CONNMARK = '[[nic]]\nname = "eth1"\nmode = "connmark"\n'


def test_connections_are_marked_in_the_sandbox(start_cloud: StartCloud, enabled: Layers) -> None:
    cloud = start_cloud(enabled)
    cloud.boot()
    machine = cloud.machine
    machine.write("/etc/srcroutd/srcroutd.toml.d/mode.toml", CONNMARK)
    machine.run("systemctl reload srcroutd")
    machine.run("until nft list table inet srcroutd; do sleep 0.1; done", timeout_s=10)
    assert 'iifname "eth1"' in machine.run("nft list table inet srcroutd")
    assert "connmark" in machine.run("srcroutctl status")
    assert entries(machine, Kind.MARKS_UNAVAILABLE) == []
    machine.run("nft flush ruleset")
    machine.run("until nft list table inet srcroutd; do sleep 0.1; done", timeout_s=10)
    assert_answers(cloud, ETH1)
    machine.run("srcroutctl cleanup")
    assert machine.attempt("nft list table inet srcroutd").code


def test_sysctls_are_set_with_the_drop_in_of_the_examples(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled)
    cloud.boot()
    machine = cloud.machine
    knob = "/proc/sys/net/ipv4/conf/eth1"
    machine.run(f"echo 1 >{knob}/rp_filter; echo 0 >{knob}/src_valid_mark")
    machine.run(f"echo 0 >{knob}/../all/rp_filter")
    machine.write("/etc/srcroutd/srcroutd.toml.d/mode.toml", f'{CONNMARK}sysctls = "auto"\n')
    machine.run("systemctl reload srcroutd")
    said = "journalctl -u srcroutd | grep -q 'sysctls are left as they are'"
    machine.run(f"until {said}; do sleep 0.1; done; sleep 1", timeout_s=10)
    assert len(entries(machine, Kind.SYSCTLS_UNAVAILABLE)) == 1
    assert machine.run(f"cat {knob}/src_valid_mark").strip() == "0"
    example = "/usr/share/doc/srcroutd/examples/sysctls.conf"
    machine.run("mkdir -p /etc/systemd/system/srcroutd.service.d")
    machine.run(f"cp {example} /etc/systemd/system/srcroutd.service.d/; systemctl daemon-reload")
    machine.run("systemctl restart srcroutd")
    machine.run(f"until grep -q 1 {knob}/src_valid_mark; do sleep 0.1; done", timeout_s=10)
    assert_answers(cloud, ETH1)
    machine.run("srcroutctl cleanup")
    assert machine.run(f"cat {knob}/src_valid_mark").strip() == "0"


def test_whom_access_control_must_spare_is_seen_from_the_sandbox(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled)
    cloud.boot()
    machine = cloud.machine
    cloud.instance.echo()  # it stands for sshd
    machine.run("mkdir -p /etc/ssh; rm -f /etc/resolv.conf")
    machine.write("/etc/ssh/sshd_config", "Port 7\n")
    machine.write("/etc/resolv.conf", "nameserver 198.51.100.53\n")

    def take(text: str) -> None:
        machine.write("/etc/srcroutd/srcroutd.toml.d/access.toml", text)
        machine.run("systemctl reload srcroutd")

    def said(kind: Kind, words: str) -> bool:
        return any(words in entry["MESSAGE"] for entry in entries(machine, kind))

    session = cloud.client.begin(ETH0.v4[0], kind="tcp", every_ms=50, limit_s=10)
    entry = '[[access]]\naction = "prohibit"\nto = "{}"\n'.format
    for to, words in (
        (CLIENT_V4, f"the ssh session of {CLIENT_V4}"),
        ("198.51.100.0/24", "the DNS server 198.51.100.53"),
        ("100.64.0.0/10", f"the metadata service {METADATA_V4}"),
    ):
        take(entry(to))
        until(partial(said, Kind.RELOAD_REFUSED, words), words)
        assert "17000:" not in machine.run("ip rule")
    take(entry("100.64.0.0/10") + "force = true\n")
    until(lambda: "17000:" in machine.run("ip rule"), "the forced entry")
    told = session.result()
    assert (told.lost <= 1, told.answered > 10) == (True, True), told
    assert entries(machine, Kind.ACCESS_UNSURE) == []
    machine.run("chmod 600 /etc/ssh/sshd_config")
    take(entry("192.0.2.0/24"))
    words = "/etc/ssh/sshd_config is not for this user"
    until(lambda: said(Kind.ACCESS_UNSURE, words), words)
