"""ARP flux on the wire, with real frames: what it does, what ends it, and what cannot end it."""

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from srcroutd.core.sysctl_needs import advice
from srcroutd.core.sysctls import Knob
from tests.packets.one_switch import OWN, Host, plugged_in


@pytest.fixture
def host() -> Iterator[Host]:
    """A host whose NICs answer, by default, for each other."""
    with plugged_in() as made:
        yield made


BOTH = {"eth0", "eth1"}


def test_auto_on_both_nics_ends_the_flux_and_a_cleanup_brings_it_back(host: Host) -> None:
    before = host.values()
    _, nics = host.links()
    assert {nic: host.who_answers_for(ip) for nic, ip in OWN.items()} == {
        "eth0": BOTH,
        "eth1": BOTH,
    }
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == OWN["eth0"]

    memory = host.keep(nics, {})
    assert {nic: host.who_answers_for(ip) for nic, ip in OWN.items()} == {nic: {nic} for nic in OWN}
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == OWN["eth1"]
    assert advice(nics, host.values()) == ()

    host.keep([], memory)
    assert host.values() == before
    assert host.who_answers_for(OWN["eth1"]) == BOTH


def test_a_primary_that_is_left_alone_goes_on_answering_and_the_advice_ends_that(
    host: Host,
) -> None:
    _, (eth0, eth1) = host.links()
    assert (eth0.beside, eth1.beside) == (("eth1",), ("eth0",))
    host.keep([eth1], {})
    assert host.who_answers_for(OWN["eth0"]) == {"eth0"}
    assert host.who_answers_for(OWN["eth1"]) == BOTH
    (said,) = advice([eth1], host.values())
    assert said.nic == "eth0"
    with host.inside():
        for command in said.commands:
            follow(command)
    assert host.who_answers_for(OWN["eth1"]) == {"eth1"}
    assert advice([eth1], host.values()) == ()


@pytest.mark.parametrize("every", [3, 4, 7, 9])
def test_what_all_outweighs_cannot_be_helped_on_the_nic(host: Host, every: int) -> None:
    _, nics = host.links()
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text(str(every))
    host.keep(nics, {})
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").write_text("1")
    assert host.who_answers_for(OWN["eth1"]) == BOTH
    said = next(one for one in advice(nics, host.values()) if one.nic == "eth0")
    with host.inside():
        follow(said.commands[0])
    host.keep(nics, {})
    assert host.who_answers_for(OWN["eth1"]) == {"eth1"}


def test_another_value_that_silences_a_nic_is_left_as_it_is(host: Host) -> None:
    _, nics = host.links()
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").write_text("2")
    memory = host.keep(nics, {})
    assert host.who_answers_for(OWN["eth1"]) == {"eth1"}
    assert sorted(place.file for place in memory) == sorted(
        [Knob.ARP_IGNORE.file, Knob.ARP_ANNOUNCE.file, Knob.ARP_ANNOUNCE.file]
    )


@pytest.mark.parametrize("value", [0, 1, 3])
def test_only_two_has_a_nic_ask_in_its_own_name(host: Host, value: int) -> None:
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/eth1/arp_announce").write_text(str(value))
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == OWN["eth0"]
    _, nics = host.links()
    host.keep(nics, {})
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == OWN["eth1"]


def test_an_address_on_lo_goes_on_being_answered_for(host: Host) -> None:
    service = IPv4Address("192.0.2.200")
    with host.inside():
        subprocess.run(["ip", "address", "add", f"{service}/32", "dev", "lo"], check=True)
    assert host.who_answers_for(service) == BOTH
    _, nics = host.links()
    host.keep(nics, {})
    assert host.who_answers_for(service) == BOTH
    assert all(str(service) in one.why for one in advice(nics, host.values()))


def follow(command: str) -> None:
    """What ``sysctl -w`` does with its one word."""
    word, _, value = command.removeprefix("sysctl -w ").partition("=")
    path = Path("/proc/sys", *word.split("."))
    path.write_text(value)
