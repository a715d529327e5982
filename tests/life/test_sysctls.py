"""The policy for sysctls, through the daemon: set what a NIC's mode needs, and give back what stood
there. eth1 has two addresses in one subnet: without promote_secondaries the first takes the second
along.
"""

import signal
from pathlib import Path

from tests.life.enis import ETH0, ETH1
from tests.life.host import Host, same, until

AUTO = '[[nic]]\nname = "eth1"\nsysctls = "auto"\n'
LEAVE = AUTO.replace("auto", "leave")
MARKS = '[[nic]]\nname = "eth1"\nmode = "connmark"\nsysctls = "auto"\n'
SETTINGS = ("ipv4/conf/eth1", "ipv6/conf/eth1", "ipv4/conf/eth0", "ipv4/conf/all")
FILES = (
    "rp_filter",
    "src_valid_mark",
    "arp_ignore",
    "arp_announce",
    "arp_filter",
    "promote_secondaries",
    "keep_addr_on_down",
)


def read(key: str) -> str:
    return (Path("/proc/sys/net") / key).read_text().strip()


def everything() -> str:
    found = []
    for folder in SETTINGS:
        for file in FILES:
            path = Path("/proc/sys/net") / folder / file
            if path.exists():
                found.append(f"{folder}/{file} {path.read_text().strip()}")
    return "\n".join(found)


def set_to(key: str, value: str) -> None:
    until(lambda: read(key) == value, 2.0, f"{key} = {value}, it is {read(key)}")


def test_what_is_needed_is_set_and_goes_back_with_the_policy(host: Host) -> None:
    before = everything()
    host.configure(ETH0, ETH1, extra=AUTO)
    daemon = host.start()
    set_to("ipv4/conf/eth1/promote_secondaries", "1")
    daemon.wait_said("sysctl -w net.ipv4.conf.eth1.promote_secondaries=1", "several addresses")
    assert read("ipv4/conf/all/promote_secondaries") == "0"
    host.configure(ETH0, ETH1, extra=LEAVE)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("sysctl -w net.ipv4.conf.eth1.promote_secondaries=0", 'sysctls = "leave"')
    set_to("ipv4/conf/eth1/promote_secondaries", "0")
    same(before, everything())
    until(lambda: not (host.state / "sysctls.json").exists(), 2.0, "nothing is remembered")


def test_configured_ipv6_addresses_are_kept_when_the_link_goes_down(host: Host) -> None:
    host.sysctl("ipv6/conf/all/keep_addr_on_down", "0")
    host.configure(ETH0, ETH1, extra=AUTO)
    host.start()
    set_to("ipv6/conf/eth1/keep_addr_on_down", "1")
    host.ip("link set eth1 down", "link set eth1 up")
    assert "fd00:1::5" in host.ip("-6 address show dev eth1")


def test_what_is_not_for_us_to_set_is_said_with_its_command(host: Host) -> None:
    host.sysctl("ipv4/conf/all/arp_ignore", "0")
    host.sysctl("ipv4/conf/eth0/arp_ignore", "0")
    host.ip("address add 172.16.1.10/24 dev eth0")
    host.configure(ETH0, ETH1, extra=AUTO)
    host.start()
    set_to("ipv4/conf/eth1/arp_ignore", "1")
    host.settled()
    _, said = host.ctl("status")
    assert "eth1: sysctls: eth0 shares a subnet with eth1" in said
    assert "sysctl -w net.ipv4.conf.eth0.arp_ignore=1" in said
    assert read("ipv4/conf/eth0/arp_ignore") == "0"


def test_leave_changes_nothing(host: Host) -> None:
    before = everything()
    host.configure(ETH0, ETH1, extra=LEAVE)
    host.start()
    host.settled()
    same(before, everything())


def test_a_cleanup_gives_back_what_stood_there_with_the_daemon_and_without(host: Host) -> None:
    before = everything()
    host.configure(ETH0, ETH1, extra=AUTO)
    daemon = host.start()
    set_to("ipv4/conf/eth1/promote_secondaries", "1")
    code, said = host.cleanup("--dry-run")
    assert "sysctl -w net.ipv4.conf.eth1.promote_secondaries=0" in said
    assert read("ipv4/conf/eth1/promote_secondaries") == "1"
    code, said = host.cleanup()
    assert code == 0, said
    same(before, everything())
    host.ctl("reconcile")
    set_to("ipv4/conf/eth1/promote_secondaries", "1")
    daemon.send(signal.SIGTERM)
    daemon.wait()
    assert read("ipv4/conf/eth1/promote_secondaries") == "1"
    code, said = host.cleanup()
    assert code == 0, said
    same(before, everything())


def test_a_daemon_that_was_killed_knows_what_stood_there(host: Host) -> None:
    before = everything()
    host.configure(ETH0, ETH1, extra=AUTO)
    daemon = host.start()
    set_to("ipv4/conf/eth1/promote_secondaries", "1")
    daemon.kill()
    host.configure(ETH0, ETH1, extra=LEAVE)
    host.start()
    set_to("ipv4/conf/eth1/promote_secondaries", "0")
    same(before, everything())


def test_strict_rp_filter_wants_the_mark_believed_and_is_noticed_at_once(host: Host) -> None:
    host.sysctl("ipv4/conf/all/rp_filter", "0")
    host.sysctl("ipv4/conf/eth1/rp_filter", "0")
    host.configure(ETH0, ETH1, more="look = 3600", extra=MARKS)
    host.start()
    assert read("ipv4/conf/eth1/src_valid_mark") == "0"
    host.sysctl("ipv4/conf/eth1/rp_filter", "1")
    set_to("ipv4/conf/eth1/src_valid_mark", "1")
    host.sysctl("ipv4/conf/eth1/rp_filter", "2")
    set_to("ipv4/conf/eth1/src_valid_mark", "0")


def test_what_somebody_changes_later_is_his(host: Host) -> None:
    host.configure(ETH0, ETH1, more="look = 1", extra=AUTO)
    daemon = host.start()
    set_to("ipv4/conf/eth1/promote_secondaries", "1")
    host.sysctl("ipv4/conf/eth1/promote_secondaries", "2")
    daemon.wait_said("somebody set net.ipv4.conf.eth1.promote_secondaries to 2")
    host.configure(ETH0, ETH1, extra=LEAVE)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("reload: ")
    host.settled()
    assert read("ipv4/conf/eth1/promote_secondaries") == "2"
