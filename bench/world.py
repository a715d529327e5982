"""The machines of the bench: network namespaces that it makes, with ENIs as the daemon would meet
them.

An ENI is a veth whose one end has a MAC of the vendor's. Its other end has a locally administered
one and so is nobody's ENI. Everything here is inside the private namespaces of the calling process.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench.wires import Orders
from srcroutd.lab.metadata_facts import EniFacts
from srcroutd.lab.namespaces import CLONE_NEWNET, unshare

METADATA = "100.100.100.200"
SETTLE_S = 3.0
"""Until IPv6 has finished its duplicate address detection, whose events would come in between."""


@dataclass(frozen=True, slots=True)
class Card:
    """One ENI of the bench: device ``eth{number}`` in the subnet 10.{number}.0.0/24; 0 is the
    primary.
    """

    number: int
    count: int

    @property
    def name(self) -> str:
        """The device's name."""
        return f"eth{self.number}"

    @property
    def mac(self) -> str:
        """A MAC as the vendor gives it."""
        return f"00:16:3e:00:00:{self.number:02x}"

    @property
    def id(self) -> str:
        """The cloud's name for it."""
        return f"eni-bench{self.number}"

    @property
    def subnet(self) -> str:
        """The subnet; small enough that nothing else lies in it."""
        return f"10.{self.number}.0.0/24"

    @property
    def gateway(self) -> str:
        """The subnet's router."""
        return f"10.{self.number}.0.253"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The private addresses, the first one the primary of the ENI."""
        first = IPv4Address(f"10.{self.number}.0.1")
        return tuple(str(first + step) for step in range(self.count))

    def device(self) -> list[str]:
        """Lines for ``ip -batch``: the veth pair, down and without addresses."""
        peer = f"p{self.number} address 02:00:00:00:00:{self.number:02x}"
        return [
            f"link add {self.name} address {self.mac} type veth peer name {peer}",
            f"link set p{self.number} up",
        ]

    def configured(self) -> list[str]:
        """Lines for ``ip -batch``: its addresses, and up."""
        lines = [f"address add {address}/24 dev {self.name}" for address in self.addresses]
        return [*lines, f"link set {self.name} up"]

    def facts(self, **slow_s: float) -> EniFacts:
        """What the metadata service says of it."""
        return EniFacts(
            mac=self.mac,
            id=self.id,
            primary_ip=self.addresses[0],
            cidr=self.subnet,
            gateway=self.gateway,
            private_ipv4s=self.addresses,
            slow_s=slow_s,
        )

    def entry(self) -> str:
        """Its ``[[eni]]`` in a configuration for provider static."""
        listed = ", ".join(f'"{address}"' for address in self.addresses)
        primary = "primary = true\n" if self.number == 0 else ""
        return (
            f'[[eni]]\nid = "{self.id}"\nmac = "{self.mac}"\n{primary}'
            f'[eni.ipv4]\nsubnet = "{self.subnet}"\ngateway = "{self.gateway}"\n'
            f"addresses = [{listed}]\n"
        )


def cards(nics: int, addresses: int) -> tuple[Card, ...]:
    """The primary with one address, then so many secondaries."""
    return (Card(0, 1), *(Card(number, addresses) for number in range(1, nics + 1)))


def static_config(with_cards: Iterable[Card]) -> str:
    """A configuration that tells the facts itself."""
    return 'provider = "static"\n' + "\n".join(card.entry() for card in with_cards)


def machine(with_cards: Iterable[Card]) -> None:
    """Furnish this namespace: these ENIs, a default route, metadata's address on lo."""
    lines = ["link set lo up", f"address add {METADATA}/32 dev lo"]
    for card in with_cards:
        lines += [*card.device(), *card.configured()]
    batch([*lines, f"route add default via {Card(0, 1).gateway} dev eth0"])


def fresh_machine(with_cards: Iterable[Card]) -> None:
    """Leave this process's network namespace for a new one, and furnish it."""
    unshare(CLONE_NEWNET)
    machine(with_cards)


def batch(lines: Iterable[str], enter: str = "") -> None:
    """``ip -batch``, in the namespace behind the path ``enter`` if one is given. Raises
    CalledProcessError.
    """
    subprocess.run(_command("-", enter), input="\n".join(lines).encode() + b"\n", check=True)


def batch_file(file: Path) -> None:
    """``ip -batch FILE``. Raises CalledProcessError."""
    subprocess.run(_command(str(file), ""), check=True)


def _command(file: str, enter: str) -> list[str]:
    words = ["ip", "-batch", file]
    return ["nsenter", f"--net={enter}", *words] if enter else words


class Pen:
    """A second namespace where ENIs wait that are attached to nothing yet."""

    def __init__(self) -> None:
        self.instance = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare(CLONE_NEWNET)
        self._pen = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._path = f"/proc/{os.getpid()}/fd/{self._pen}"
        self.orders = Orders()
        self._enter(self.instance)

    def batch(self, lines: Iterable[str]) -> None:
        """``ip -batch`` in the pen."""
        batch(lines, self._path)

    def index(self, name: str) -> int:
        """The ifindex of a device in the pen."""
        with self._inside():
            return socket.if_nametoindex(name)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        self._enter(self._pen)
        try:
            yield
        finally:
            self._enter(self.instance)

    def _enter(self, namespace: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(ctypes.c_int(namespace), ctypes.c_int(CLONE_NEWNET)):
            raise OSError(ctypes.get_errno(), "setns")
