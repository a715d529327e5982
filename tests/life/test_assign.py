"""``addresses = "assign"``: the daemon puts what metadata lists, and takes away what it put."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.life.cloud import Cloud, fault
from tests.life.enis import ETH0, Eni
from tests.life.host import Host, same, until

ASSIGN = '[[nic]]\nname = "eth1"\naddresses = "assign"\n'
WIDE = Eni(1, (5, 6, 7), (5, 6))
FIRST = ("address add 172.16.1.5/24 dev eth1", "-6 address add fd00:1::5/64 dev eth1 nodad")
SECOND = ("172.16.1.6", "172.16.1.7", "fd00:1::6")
ALONE_S = 12.0
"""A NIC must have been alone for eight seconds before its first address is put."""


@pytest.fixture
def half(bare: Host) -> Host:
    """eth0 as always; on eth1 only its first addresses, put by hand."""
    bare.plug(ETH0)
    bare.plug(WIDE, addresses=False)
    bare.ip(*FIRST)
    bare.configure(ETH0, WIDE, extra=ASSIGN)
    return bare


def on(host: Host, nic: str = "eth1") -> set[str]:
    """The addresses of a NIC, with their prefix lengths."""
    lines = host.ip(f"-o address show dev {nic}").splitlines()
    return {line.split()[3] for line in lines}


def everything(host: Host) -> str:
    """All that the kernel tells of addresses, rules and routes."""
    words = ("-4 address", "-6 address", "-4 rule", "-6 rule", "-4 route show table all")
    return "\n".join(host.ip(one) for one in (*words, "-6 route show table all"))


def main(host: Host) -> str:
    """The routes of main."""
    return host.ip("-4 route show table main") + host.ip("-6 route show table main")


@contextmanager
def far_end(host: Host, address: str) -> Iterator[None]:
    """The other end of eth1's cable in a host of its own, which has this address."""
    box = ["unshare", "--net", "sh", "-c", "echo; read -r _"]
    with subprocess.Popen(box, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        host.ip(f"link set port1 netns {other.pid}")
        for words in ("link set port1 up", f"-6 address add {address}/64 dev port1 nodad"):
            inside = ["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", *words.split()]
            subprocess.run(inside, check=True)
        yield
        other.communicate(b"\n")


def has_rules(host: Host, *addresses: str) -> bool:
    """Whether each of them has its rules."""
    ours = host.ours()
    return all(f"from {address} lookup 18001" in ours for address in addresses)


def test_what_is_missing_is_put_and_has_its_rules_and_main_stays(half: Host) -> None:
    before, routes = on(half), main(half)
    daemon = half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    assert on(half) - before == {"172.16.1.6/32", "172.16.1.7/32", "fd00:1::6/128"}
    same(routes, main(half))
    assert daemon.said("+ ip address add 172.16.1.6/32 dev eth1 proto 83", "address of eni-1")
    daemon.wait_for(lambda: daemon.status.startswith("in sync"), "in sync", 1.0)
    assert on(half, "eth0") == {"172.16.0.10/24"}, "nobody asked for it there"


def test_a_restart_changes_nothing_and_leave_gives_everything_back(half: Host) -> None:
    before = everything(half)
    half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    full = everything(half)
    assert half.daemons[-1].stop() == 0
    same(full, everything(half))
    daemon = half.start()
    time.sleep(0.5)
    assert daemon.operations() == []
    same(full, everything(half))
    half.configure(ETH0, WIDE)
    daemon.send(signal.SIGHUP)
    until(lambda: not set(SECOND) & {one.split("/")[0] for one in on(half)}, 2.0, "ours are gone")
    assert daemon.stop() == 0
    assert half.cleanup()[0] == 0
    same(before, everything(half))


@pytest.mark.parametrize("running", [True, False], ids=["beside the daemon", "without it"])
def test_cleanup_leaves_the_host_as_it_was(half: Host, running: bool) -> None:
    half.ip("address add 172.16.1.99/32 dev eth1", "address add 172.16.1.98/24 dev eth1")
    before = everything(half)
    daemon = half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    if not running:
        assert daemon.stop() == 0
    dry = half.cleanup("--dry-run")[1]
    assert "- ip address del 172.16.1.6/32 dev eth1" in dry
    assert "172.16.1.99" not in "".join(line for line in dry.splitlines() if "address" in line)
    code, said = half.cleanup()
    assert code == 0, said
    same(before, everything(half))


def test_addresses_of_others_are_neither_put_twice_nor_taken(half: Host) -> None:
    half.ip("address add 172.16.1.6/24 dev eth1", "address add 172.16.1.7/32 dev lo")
    before = on(half)
    daemon = half.start()
    until(lambda: has_rules(half, "172.16.1.6", "fd00:1::6"), 4.0, "rules")
    assert on(half) - before == {"fd00:1::6/128"}
    half.ip("-6 address change fd00:1::6/128 dev eth1 valid_lft 900 preferred_lft 900")
    daemon.wait_said("eth1: somebody changed fd00:1::6/128", within_s=2.0)
    half.configure(ETH0, WIDE)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("reload:")
    time.sleep(0.5)
    assert on(half) == {*before, "fd00:1::6/128"}


@pytest.mark.long
def test_a_hot_plugged_nic_that_nobody_manages_comes_up_with_all_its_addresses(
    bare: Host,
) -> None:
    bare.plug(ETH0)
    bare.configure(ETH0, WIDE, extra=ASSIGN)
    daemon = bare.start()
    bare.ip(
        "link add eth1 address 00:16:3e:00:00:01 type veth peer name port1",
        "link set port1 up",
        "link set eth1 addrgenmode none",
    )
    full = {f"172.16.1.{host}/32" for host in (5, 6, 7)} | {"fd00:1::5/128", "fd00:1::6/128"}
    until(lambda: on(bare) == full, ALONE_S, "all addresses")
    until(lambda: has_rules(bare, "172.16.1.5", "fd00:1::6"), 4.0, "rules")
    assert len(daemon.said("+ ip link set eth1 up")) == 1
    assert main(bare).count("eth1") == 0
    bare.ip("link set eth1 down")
    time.sleep(1.0)
    assert "UP" not in bare.ip("link show dev eth1").split(">")[0], "whoever set it down means it"
    bare.ip("link set eth1 up")
    until(lambda: on(bare) == full, 3.0, "what went with the link is back")


@pytest.mark.long
def test_the_first_address_is_left_to_a_manager_and_the_others_are_not(bare: Host) -> None:
    bare.plug(ETH0)
    bare.plug(WIDE, addresses=False)
    bare.configure(ETH0, WIDE, extra=ASSIGN)
    index = bare.ip("-o link show dev eth1").split(":")[0]
    files = "mkdir -p /run/systemd/netif/links; echo OPER_STATE=up >/run/systemd/netif/state; "
    files += f"echo ADMIN_STATE=configuring >/run/systemd/netif/links/{index}; "
    box = ("unshare", "--mount", "sh", "-ec", f'mount -t tmpfs tmpfs /run; {files}exec "$@"', "sh")
    daemon = bare.start(below=box)
    until(lambda: has_rules(bare, "172.16.1.6", "fd00:1::5"), 4.0, "rules for the others")
    time.sleep(ALONE_S - 2)
    assert "172.16.1.5/32" not in on(bare)
    note = "172.16.1.5, the first address, is left to systemd-networkd"
    assert note in bare.ctl("status")[1]
    bare.ip("address add 172.16.1.5/24 dev eth1 valid_lft 900 preferred_lft 900")
    until(lambda: has_rules(bare, "172.16.1.5"), 2.0, "the lease is routed")
    assert note not in bare.ctl("status")[1]
    bare.ip("address delete 172.16.1.5/24 dev eth1")
    time.sleep(0.5)
    assert "172.16.1.5/32" not in on(bare)
    assert daemon.running


def test_an_address_that_another_host_has_is_told_once_and_not_tried_again(half: Host) -> None:
    half.ip("-6 address flush dev eth1 scope global")
    with far_end(half, "fd00:1::6"):
        half.ip("link set eth1 up", FIRST[1])
        daemon = half.start()
        line = daemon.wait_said("fd00:1::6 is not used", within_s=5.0)
        assert "another host on the wire answers for it" in line
        assert not has_rules(half, "fd00:1::6")
        time.sleep(2.0)
        assert len(daemon.said("+ ip -6 address add fd00:1::6/128")) == 1
        assert len(daemon.said("is not used")) == 1
        assert "fd00:1::6 is not used" in half.ctl("status")[1]
        assert daemon.status.startswith("in sync")


@pytest.mark.long
def test_somebody_who_takes_it_away_again_and_again_is_met_with_patience(half: Host) -> None:
    daemon = half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        if "172.16.1.6/32" in on(half):
            half.ip("address delete 172.16.1.6/32 dev eth1")
        time.sleep(0.02)
    assert daemon.said("contested", "172.16.1.6/32")
    assert len(daemon.said("+ ip address add 172.16.1.6/32")) < 30


def test_a_kill_at_any_moment_leaves_nothing_that_is_nobodys(half: Host) -> None:
    before = everything(half)
    luck = random.Random(83)
    for _ in range(8):
        daemon = half.start(ready=False)
        time.sleep(luck.uniform(0.2, 0.9))
        daemon.kill()
    half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    assert half.cleanup()[0] == 0
    same(before, everything(half))


def test_a_lost_state_directory_loses_no_address(half: Host) -> None:
    before = everything(half)
    half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    half.daemons[-1].kill()
    half.forget()
    assert half.cleanup()[0] == 0
    same(before, everything(half))


def test_another_protocol_number_takes_the_addresses_along(half: Host) -> None:
    before = everything(half)
    daemon = half.start()
    until(lambda: has_rules(half, *SECOND), 4.0, "rules for all")
    half.configure(ETH0, WIDE, more="protocol = 90", extra=ASSIGN)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("~ ip address add 172.16.1.6/32 dev eth1 proto 90", within_s=2.0)
    daemon.wait_said("nothing of ours is left under protocol 83", within_s=2.0)
    half.configure(ETH0, WIDE, more="protocol = 90")
    daemon.send(signal.SIGHUP)
    until(lambda: "172.16.1.6/32" not in on(half), 2.0, "ours are gone")
    assert half.cleanup()[0] == 0
    same(before, everything(half))


def test_where_the_kernel_has_not_told_yet_it_is_written_down_before(bare: Host) -> None:
    """Without IPv6 nothing shows that the kernel tells who put an address, until one was put."""
    for name in ("all", "default", "lo"):
        bare.sysctl(f"ipv6/conf/{name}/disable_ipv6", "1")
    v4 = replace(WIDE, hosts6=())
    bare.plug(ETH0)
    bare.plug(v4, addresses=False)
    bare.ip(FIRST[0])
    bare.configure(ETH0, v4, extra=ASSIGN)
    (bare.folder / "state").mkdir()
    (bare.folder / "state" / "addresses.new").mkdir()
    daemon = bare.start(ready=False)
    daemon.wait_said("kernel refused + ip address add 172.16.1.6/32", "cannot be written")
    assert "172.16.1.6/32" not in on(bare)
    (bare.folder / "state" / "addresses.new").rmdir()
    until(lambda: {"172.16.1.6/32", "172.16.1.7/32"} < on(bare), 8.0, "both are put")


# --- with metadata --------------------------------------------------------------------------------


@pytest.fixture
def told(bare: Host, cloud: Cloud) -> Cloud:
    """The metadata service lists 172.16.1.7 and fd00:1::6, which nobody has put."""
    bare.config.write_text(f'provider = "aliyun"\n{ASSIGN}')
    cloud.tell(ETH0.facts(), WIDE.facts())
    return cloud


@pytest.mark.parametrize("trouble", ["refuse", "hang", "cut"])
def test_a_hiccup_of_metadata_takes_no_address(bare: Host, told: Cloud, trouble: str) -> None:
    bare.start()
    until(lambda: has_rules(bare, "172.16.1.7", "fd00:1::6"), 4.0, "rules")
    full = on(bare)
    for facts in (
        (ETH0.facts(), replace(WIDE, hosts=(5, 6), hosts6=(5,)).facts(raw={"gateway": None})),
        (ETH0.facts(), WIDE.facts(raw={"private-ipv4s": "[]"})),
        (ETH0.facts(), WIDE.facts(listed=False)),
    ):
        told.tell(*facts)
        assert bare.ctl("reconcile")[0] in {0, 1}
        assert on(bare) == full
    told.tell(ETH0.facts(), replace(WIDE, hosts=(5, 6)).facts(), fault=fault(trouble))
    bare.ctl("reconcile")
    bare.daemons[-1].kill()
    bare.start()
    time.sleep(1.0)
    assert on(bare) == full, "remembered facts take nothing either"


@pytest.mark.long
def test_what_metadata_drops_goes_when_it_says_so_twice_and_what_moves_goes_at_once(
    bare: Host, told: Cloud
) -> None:
    bare.config.write_text('provider = "aliyun"\n[[nic]]\nname = "*"\naddresses = "assign"\n')
    bare.start()
    until(lambda: has_rules(bare, "172.16.1.7", "fd00:1::6"), 4.0, "rules")
    told.tell(ETH0.facts(), replace(WIDE, hosts6=(5,)).facts(private_ipv4s=["172.16.1.5"]))
    bare.ctl("reconcile")
    assert {"172.16.1.7/32", "fd00:1::6/128"} < on(bare)
    assert "172.16.1.7 stays until metadata says again" in bare.ctl("status")[1]
    time.sleep(5.5)
    bare.ctl("reconcile")
    until(lambda: not {"172.16.1.7/32", "fd00:1::6/128"} & on(bare), 2.0, "both are gone")
    assert {"172.16.1.5/24", "172.16.1.6/24"} < on(bare), "and nobody else's"
