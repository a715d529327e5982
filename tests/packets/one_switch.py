"""A host with two NICs in one subnet, and a neighbour on the same switch that hears every frame.

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

from srcroutd.core.net import Link
from srcroutd.core.sysctl_needs import Needs, needed, needs_of
from srcroutd.core.sysctl_plan import Memory, plan_sysctls
from srcroutd.core.sysctls import Values
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.sysctl_write import Written, look, write

NEIGHBOUR, OTHER, NOBODY = map(IPv4Address, ("192.0.2.77", "192.0.2.78", "192.0.2.100"))
"""The neighbour asks in two names. Nobody has the last one nor those after it: whom the host asks
for, it does not ask for again soon.
"""
OWN = {"eth0": IPv4Address("192.0.2.10"), "eth1": IPv4Address("192.0.2.20")}
MAC = {"eth0": "02:00:00:00:00:10", "eth1": "02:00:00:00:00:20"}
BY_MAC = {mac: nic for nic, mac in MAC.items()}
PATIENCE_S = 10.0
"""For what must come; the host asks again each second."""

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
        """The NICs that answer the neighbour's question for an address.

        A NIC answers in the order in which it was asked, and each for its own address: once those
        answers to a second question are there, no answer to the first one is still to come.
        """
        self._forget()
        self._ask(address, NEIGHBOUR)
        for own in OWN.values():
            self._ask(own, OTHER)
        frames = self._heard(
            lambda heard: (
                {(one.sender, one.says) for one in heard if one.wants == OTHER} >= set(OWN.items())
            )
        )
        return {one.sender for one in frames if (one.says, one.wants) == (address, NEIGHBOUR)}

    def claimed_by_asking(self, source: IPv4Address, nic: str) -> IPv4Address:
        """In whose name ``nic`` asks for a neighbour when it sends a packet of ``source``."""
        self._nobody += 1
        self._forget()
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, nic.encode())
            sender.bind((str(source), 0))
            sender.sendto(b"", (str(self._nobody), 9))
        frames = self._heard(lambda heard: any(one.wants == self._nobody for one in heard))
        asked = frames[-1]
        assert (asked.kind, asked.sender) == (1, nic)
        return asked.says

    def until_carrier(self, nic: str) -> None:
        """Wait until the kernel sends what is given to a NIC."""
        with self.inside():
            until = time.monotonic() + PATIENCE_S
            while (
                "qdisc noop " in (said := _ip("link", "show", "dev", nic)) or "NO-CARRIER" in said
            ):
                assert time.monotonic() < until, said
                time.sleep(0.01)

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

    def _ask(self, address: IPv4Address, asker: IPv4Address) -> None:
        """Who has this address, tell ``asker``."""
        mac = self._wire.getsockname()[4]
        self._wire.send(
            _ARP.pack(
                *(b"\xff" * 6, mac, _ETH_P_ARP, 1, 0x0800, 6, 4, 1),
                *(mac, asker.packed, bytes(6), address.packed),
            )
        )

    def _forget(self) -> None:
        while select.select([self._wire], [], [], 0)[0]:
            self._wire.recv(128)

    def _heard(self, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
        """What the host sends, until it is enough."""
        frames: list[Frame] = []
        until = time.monotonic() + PATIENCE_S
        while not enough(frames):
            left = until - time.monotonic()
            assert left > 0, f"heard only {frames}"
            if select.select([self._wire], [], [], left)[0]:
                _, _, _, _, _, _, _, kind, mac, says, _, wants = _ARP.unpack_from(
                    self._wire.recv(128)
                )
                if sender := BY_MAC.get(mac.hex(":")):
                    frames.append(Frame(kind, sender, IPv4Address(says), IPv4Address(wants)))
        return frames


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


def _run(lines: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


@contextmanager
def plugged_in() -> Iterator[Host]:
    """Two namespaces joined by a switch; both end with the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    outside = _leave()
    inside = _leave()
    try:
        with _plug(outside) as wire:
            host = Host(inside, wire)
            for nic in OWN:  # a cable takes a moment until it carries anything
                host.until_carrier(nic)
            yield host
    finally:
        if _LIBC.setns(home, _CLONE_NEWNET):
            os.abort()
        for descriptor in (home, outside, inside):
            os.close(descriptor)


def _plug(outside: int) -> socket.socket:
    """Build the host, where this thread is, then the switch; the neighbour's ear."""
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
    return wire


def _leave() -> int:
    """Go to a new network namespace; an open file that stands for it."""
    if _LIBC.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare of the network namespace")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
