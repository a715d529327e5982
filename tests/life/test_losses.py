"""Whatever is lost comes back within a second of the event, and at the next start at the latest."""

import re
import time

import pytest

from tests.life.enis import ETH0, ETH1, Eni
from tests.life.host import Host, same, until
from tests.life.losses import LOSSES, V6_OF_ETH1, Loss, without
from tests.life.witness import Witness

ONE_NIC = """\
ip rule 18010: from all oif eth1 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18011: from all oif eth1 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18012: from all oif eth1 lookup 18001 proto 83
ip rule 18014: from 172.16.1.5 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18014: from 172.16.1.6 lookup 18001 suppress_prefixlength 0 proto 83
ip rule 18015: from 172.16.1.5 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18015: from 172.16.1.6 lookup 254 suppress_prefixlength 0 proto 83
ip rule 18016: from 172.16.1.5 lookup 18001 proto 83
ip rule 18016: from 172.16.1.6 lookup 18001 proto 83
ip -6 rule 18010: from all oif eth1 lookup 18001 suppress_prefixlength 0 proto 83
ip -6 rule 18011: from all oif eth1 lookup 254 suppress_prefixlength 0 proto 83
ip -6 rule 18012: from all oif eth1 lookup 18001 proto 83
ip -6 rule 18014: from fd00:1::5 lookup 18001 suppress_prefixlength 0 proto 83
ip -6 rule 18015: from fd00:1::5 lookup 254 suppress_prefixlength 0 proto 83
ip -6 rule 18016: from fd00:1::5 lookup 18001 proto 83
ip route 172.16.0.0/24 via 172.16.1.253 dev eth1 table 18001 proto 83 scope 0 src 172.16.1.5
ip route 172.16.1.0/24 dev eth1 table 18001 proto 83 scope 253 src 172.16.1.5
ip route default via 172.16.1.253 dev eth1 table 18001 proto 83 scope 0 src 172.16.1.5
ip route unreachable default table 18001 proto 83 scope 0 metric 4278198272
ip -6 route default via fd00:1::253 dev eth1 table 18001 proto 83 scope 0 src fd00:1::5 metric 1024
ip -6 route fd00:1::/64 dev eth1 table 18001 proto 83 scope 0 src fd00:1::5 metric 1024
ip -6 route unreachable default dev lo table 18001 proto 83 scope 0 metric 4278198272"""
MANY = Eni(1, (5, 6, 7, 8, 9), (5, 6, 7, 8, 9))
"""So many addresses that the pair of rules comes with them that lets strangers' packets pass."""


def test_what_stands_for_one_nic_is_this_and_nothing_more(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    bare.configure(ETH0, ETH1)
    bare.start()
    same(ONE_NIC, bare.ours())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_is_healed_within_a_second_after_the_loss_of(loss: Loss, host: Host) -> None:
    host.ip(*loss.before)
    daemon = host.start()
    full, theirs = host.ours(), host.theirs()
    host.ip(*loss.happens)
    host.healed(loss.stands(full))
    assert not host.dangling()
    if loss.back:
        host.ip(*loss.back)
        host.healed(full)
    if "address" not in " ".join(loss.happens) and "link" not in " ".join(loss.happens):
        same(theirs, host.theirs())
    daemon.wait_for(lambda: daemon.status.startswith("in sync"), "in sync", 1.0)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_is_healed_at_the_next_start_after_the_loss_of(loss: Loss, host: Host) -> None:
    host.ip(*loss.before)
    host.start().kill()
    full = host.ours()
    host.ip(*loss.happens)
    host.start()
    host.healed(loss.stands(full))


def test_a_link_that_flaps_and_flaps_is_nobodys_rival(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    flap = ["link set eth1 down", "link set eth1 up", "-6 address add fd00:1::5/64 dev eth1 nodad"]
    for _ in range(15):
        host.ip(*flap)
        host.healed(full)
    assert not daemon.said("contested")


def test_ipv6_that_is_switched_off_and_on_again_on_a_link(host: Host) -> None:
    host.start()
    full = host.settled()
    host.sysctl("ipv6/conf/eth1/disable_ipv6", "1")
    host.healed(without(*V6_OF_ETH1)(full))
    host.sysctl("ipv6/conf/eth1/disable_ipv6", "0")
    host.ip("-6 address add fd00:1::5/64 dev eth1 nodad")
    host.healed(full)


def test_is_healed_after_the_loss_of_any_single_rule(bare: Host) -> None:
    bare.plug(ETH0, MANY)
    bare.configure(ETH0, MANY)
    bare.start()
    full = bare.ours()
    rules = [line for line in full.splitlines() if "rule" in line]
    assert len(rules) == 2 * (3 + 2 + 3 * 5)
    with Witness() as witness:
        for line in rules:
            found = re.match(r"ip (-6 )?rule (\d+): (.*) proto 83", line)
            assert found
            bare.ip(f"{found[1] or ''}rule del pref {found[2]} {found[3]} protocol 83")
            bare.healed(full)
        signs = [line[0] for line in witness.ours()]
    assert signs == ["-", "+"] * len(rules)


def test_is_healed_after_the_loss_of_any_single_route(host: Host) -> None:
    host.start()
    full = host.ours()
    for line in full.splitlines():
        if found := re.match(r"ip (-6 )?route ((?:unreachable )?\S+) .*?(table \d+)", line):
            metric = re.search(r"metric \d+", line)
            host.ip(
                f"{found[1] or ''}route del {found[2]} {found[3]} {metric[0] if metric else ''}"
            )
            host.healed(full)


def test_a_promoted_secondary_becomes_the_source_of_our_routes(host: Host) -> None:
    host.sysctl("ipv4/conf/eth1/promote_secondaries", "1")
    host.start()
    full = host.ours()
    host.ip("address del 172.16.1.5/24 dev eth1")
    expected = without(r"from 172\.16\.1\.5 ")(full)
    host.healed(expected.replace("src 172.16.1.5", "src 172.16.1.6"))
    host.ip("address add 172.16.1.5/24 dev eth1")
    host.healed(full)


def test_a_link_that_keeps_its_ipv6_addresses_when_it_goes_down_stays_guarded(host: Host) -> None:
    host.sysctl("ipv6/conf/eth1/keep_addr_on_down", "1")
    host.start()
    full = host.ours()
    host.ip("link set eth1 down")
    host.healed(without(r"route (?!unreachable).* table 18001")(full))
    host.ip("link set eth1 up")
    host.healed(full)


def test_an_address_moves_between_two_nics_of_one_subnet(bare: Host) -> None:
    twin = Eni(2, (15,), (), subnet=1)
    bare.plug(ETH0, ETH1, twin)
    bare.configure(ETH0, ETH1, twin)
    bare.start()
    full = bare.ours()
    bare.ip("address del 172.16.1.6/24 dev eth1", "address add 172.16.1.6/24 dev eth2")
    moved = [
        line.replace("rule 1801", "rule 1802").replace("18001", "18002")
        if "from 172.16.1.6 " in line and "lookup" in line
        else line
        for line in full.splitlines()
    ]
    bare.healed("\n".join(_in_order(moved)))
    bare.ip("address del 172.16.1.6/24 dev eth2", "address add 172.16.1.6/24 dev eth1")
    bare.healed(full)


def _in_order(lines: list[str]) -> list[str]:
    """As ``ours`` puts them: IPv4 rules by priority, then the rest as it is."""
    rules = [line for line in lines if line.startswith("ip rule")]
    rest = [line for line in lines if not line.startswith("ip rule")]
    return sorted(rules) + rest


def test_an_ipv6_address_counts_once_its_duplicate_check_is_over(host: Host) -> None:
    host.start()
    host.ip("-6 address add fd00:1::7/64 dev eth1")
    host.ip("-6 address add fd00:1::8/64 dev eth1 nodad")
    added = [
        f"ip -6 rule {18014 + step}: from fd00:1::{ip} " for step in (0, 1, 2) for ip in (7, 8)
    ]
    until(lambda: all(line in host.ours() for line in added), 4.0, "\n".join(added))


def test_a_change_that_is_none_of_our_business_changes_nothing(host: Host) -> None:
    daemon = host.start()
    full = host.ours()
    with Witness() as witness:
        host.ip("link set eth1 mtu 1400", "link set eth1 alias uplink", "link set eth1 promisc on")
        host.ip("link set eth1 txqueuelen 500", "link set lo mtu 1500", "link set eth1 mtu 1500")
        host.ip("link add br0 type bridge", "link set br0 up", "link del br0")
        time.sleep(0.3)
        assert not witness.ours()
    same(full, host.ours())
    assert daemon.generation == 1
