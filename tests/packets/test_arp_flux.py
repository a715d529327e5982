"""ARP flux on the wire: two NICs of a host in one subnet, and a neighbour on the same switch.

The lab's VPC answers ARP itself, as a cloud does, so the flux does not show there. Here a bridge is
the switch, and the neighbour is the bridge's own interface in this test's namespace: it asks with
real frames and hears every frame that the host sends.
"""

import asyncio
import ctypes
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from srcroutd.core.net import Link
from srcroutd.core.sysctl_needs import Needs, advice, needed, needs_of
from srcroutd.core.sysctl_plan import Memory, plan_sysctls
from srcroutd.core.sysctls import Knob, Values
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.sysctl_write import Written, look, write

NEIGHBOUR, NOBODY = IPv4Address("192.0.2.77"), IPv4Address("192.0.2.100")
"""Nobody has the one nor those after it: whom the host asks for, it does not ask for again soon."""
OWN = {"eth0": IPv4Address("192.0.2.10"), "eth1": IPv4Address("192.0.2.20")}
MAC = {"eth0": "02:00:00:00:00:10", "eth1": "02:00:00:00:00:20"}
BY_MAC = {mac: nic for nic, mac in MAC.items()}
LISTEN_S = 0.3
"""Answers come within a millisecond; longer only shows that no further one comes."""

_ETH_P_ARP = 0x0806
_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Frame:
    """An ARP frame: 1 asks, 2 answers."""

    kind: int
    sender: str
    """The NIC of the host that sent it, by its MAC."""
    says: IPv4Address
    """The address that the sender claims."""
    wants: IPv4Address


class Host:
    """The host with its two NICs, in a namespace of its own, and the ear of its neighbour."""

    def __init__(self, namespace: int, wire: socket.socket) -> None:
        self._namespace = namespace
        self._wire = wire
        self._nobody = NOBODY

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the host's namespace."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(self._namespace)
        try:
            yield
        finally:
            # Going on in the wrong namespace would test something else, perhaps the machine.
            if _LIBC.setns(here, _CLONE_NEWNET):
                os.abort()
            os.close(here)

    def who_answers_for(self, address: IPv4Address) -> set[str]:
        """The NICs that answer the neighbour's question for an address."""
        frames = self._heard(lambda: self._ask(address))
        return {one.sender for one in frames if one.kind == 2 and one.says == address}

    def claimed_by_asking(self, source: IPv4Address, nic: str) -> set[IPv4Address]:
        """In whose name ``nic`` asks for a neighbour when it sends a packet of ``source``."""
        self._nobody += 1
        frames = self._heard(lambda: self._send(source, nic))
        asked = [one for one in frames if one.kind == 1 and one.wants == self._nobody]
        assert {one.sender for one in asked} == {nic}
        return {one.says for one in asked}

    def values(self) -> Values:
        """The sysctls of both NICs and of ``all``."""
        with self.inside():
            return look(OWN)

    def links(self) -> tuple[dict[int, Link], list[Needs]]:
        """The host's links, and what there is to know of eth0 and eth1 as the daemon sees it."""

        async def look_at() -> tuple[dict[int, Link], list[Needs]]:
            requests = Requests()
            try:
                links = {link.index: link for link in await requests.links()}
                host = (links, [*await requests.addresses()])
            finally:
                requests.close()
            named = sorted((one for one in links.values() if one.name in OWN), key=str)
            return links, [needs_of(link, "source", host) for link in named]

        with self.inside():
            return asyncio.run(look_at())

    def keep(self, managed: list[Needs], memory: Memory) -> Memory:
        """One round of policy ``auto`` for these NICs; without any it is a cleanup."""
        links, _ = self.links()
        seen = self.values()
        wants = [want for one in managed for want in needed(one, seen)]
        plan = plan_sysctls(wants, (links.values(), seen), memory, lambda _: "cleanup")
        with self.inside():
            assert {write(one) for one in plan.operations} <= {Written.DONE}
        return plan.memory

    def _ask(self, address: IPv4Address) -> None:
        """Who has this address, tell the neighbour."""
        mac = self._wire.getsockname()[4]
        self._wire.send(
            _ARP.pack(
                *(b"\xff" * 6, mac, _ETH_P_ARP, 1, 0x0800, 6, 4, 1),
                *(mac, NEIGHBOUR.packed, bytes(6), address.packed),
            )
        )

    def _send(self, source: IPv4Address, nic: str) -> None:
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, nic.encode())
            sender.bind((str(source), 0))
            sender.sendto(b"", (str(self._nobody), 9))

    def _heard(self, act: Callable[[], None]) -> list[Frame]:
        while select.select([self._wire], [], [], 0)[0]:
            self._wire.recv(128)
        act()
        frames = []
        until = time.monotonic() + LISTEN_S
        while (left := until - time.monotonic()) > 0 and select.select([self._wire], [], [], left)[
            0
        ]:
            _, _, _, _, _, _, _, kind, mac, says, _, wants = _ARP.unpack_from(self._wire.recv(128))
            sender = BY_MAC.get(mac.hex(":"))
            if sender:
                frames.append(Frame(kind, sender, IPv4Address(says), IPv4Address(wants)))
        return frames


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


@pytest.fixture
def host() -> Iterator[Host]:
    """Two namespaces joined by a switch; both end with the test."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    outside = _leave()
    inside = _leave()
    _run([f"link add {nic} address {mac} type veth peer name p{nic}" for nic, mac in MAC.items()])
    _run(
        [
            *(f"link set p{nic} netns /proc/{os.getpid()}/fd/{outside}" for nic in MAC),
            *(f"address add {ip}/24 dev {nic}" for nic, ip in OWN.items()),
            *(f"link set {nic} up" for nic in ("lo", *MAC)),
        ]
    )
    _enter(outside)
    _run(
        [
            "link add switch type bridge",
            f"address add {NEIGHBOUR}/24 dev switch",
            *(f"link set p{nic} master switch up" for nic in MAC),
            "link set switch up",
        ]
    )
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
    wire.bind(("switch", _ETH_P_ARP))
    yield Host(inside, wire)
    wire.close()
    if _LIBC.setns(home, _CLONE_NEWNET):
        os.abort()
    for descriptor in (home, outside, inside):
        os.close(descriptor)


def _leave() -> int:
    """Go to a new network namespace; an open file that stands for it."""
    if _LIBC.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare of the network namespace")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


BOTH = {"eth0", "eth1"}


def test_auto_on_both_nics_ends_the_flux_and_a_cleanup_brings_it_back(host: Host) -> None:
    before = host.values()
    _, nics = host.links()
    assert {nic: host.who_answers_for(ip) for nic, ip in OWN.items()} == {
        "eth0": BOTH,
        "eth1": BOTH,
    }
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == {OWN["eth0"]}

    memory = host.keep(nics, {})
    assert {nic: host.who_answers_for(ip) for nic, ip in OWN.items()} == {nic: {nic} for nic in OWN}
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == {OWN["eth1"]}
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


@pytest.mark.parametrize("value", [2, 8])
def test_other_values_that_silence_a_nic_are_left_as_they_are(host: Host, value: int) -> None:
    _, nics = host.links()
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").write_text(str(value))
    memory = host.keep(nics, {})
    assert "eth0" not in host.who_answers_for(OWN["eth1"])
    assert sorted(place.file for place in memory) == sorted(
        [Knob.ARP_IGNORE.file, Knob.ARP_ANNOUNCE.file, Knob.ARP_ANNOUNCE.file]
    )


@pytest.mark.parametrize("value", [0, 1, 3])
def test_only_two_has_a_nic_ask_in_its_own_name(host: Host, value: int) -> None:
    with host.inside():
        Path("/proc/sys/net/ipv4/conf/eth1/arp_announce").write_text(str(value))
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == {OWN["eth0"]}
    _, nics = host.links()
    host.keep(nics, {})
    assert host.claimed_by_asking(OWN["eth0"], "eth1") == {OWN["eth1"]}


def test_an_address_on_lo_goes_on_being_answered_for(host: Host) -> None:
    service = IPv4Address("192.0.2.200")
    with host.inside():
        _run([f"address add {service}/32 dev lo"])
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
