"""Lets something happen to a neighbour in its machine, and waits until the neighbour has done its
work after it.
"""

import sys
import time
from collections.abc import Callable

from srcroutd.lab import topology
from srcroutd.lab.topology import ETH1
from tests.e2e.cloud import Cloud
from tests.e2e.machine import MachineError
from tests.e2e.neighbours import NICS, Event, Neighbour

LEASE_S = 24
_SETTLED_S = 40.0


def start_neighbour(
    cloud: Cloud, neighbour: Neighbour, before: Callable[[], None] | None = None
) -> None:
    """Boot the machine, start the DHCP server and the neighbour, and wait until it has done its
    work.
    """
    leases = [f"{nic.port},{nic.mac},{nic.v4[0]},{nic.vswitch.gateway4}" for nic in NICS]
    argv = [sys.executable, "-m", "tests.e2e.neighbour_dhcp", str(LEASE_S), *leases]
    cloud.lab.router.ask({"do": "spawn", "name": "dhcp", "argv": argv})
    if neighbour.container:
        cloud.lab.container()
    cloud.boot()
    for path, text in neighbour.files.items():
        cloud.machine.write(path, text)
    cloud.machine.run("chmod -f 600 /etc/NetworkManager/system-connections/* || :")
    if before:
        before()
    cloud.machine.run(neighbour.start)
    settle(cloud, neighbour)


def settle(cloud: Cloud, neighbour: Neighbour) -> float:
    """Wait until the neighbour says that it is done and eth1 has its addresses; when that was."""
    wanted = [str(address) for address in ETH1.addresses]
    until = time.monotonic() + _SETTLED_S
    while time.monotonic() < until:
        said = cloud.machine.attempt(f"({neighbour.settled}) && ip -o address show dev eth1")
        at = time.monotonic()
        there = [word for word in wanted if f" {word}/" in said.out and "tentative" not in said.out]
        if not said.code and there == wanted:
            return at
        time.sleep(0.03)
    words = cloud.machine.attempt(
        f"{neighbour.tools}\nip address; journalctl -n 40 --no-pager"
    ).said
    raise MachineError(f"{neighbour.title} did not settle:\n{words}")


def happen(cloud: Cloud, neighbour: Neighbour, event: Event) -> float:
    """Let an event happen and wait until the neighbour has done its work after it; when that
    was.
    """
    if event.script:
        cloud.machine.run(event.script)
        time.sleep(0.2)  # A service told over the bus goes to work a moment later.
    if event.carrier_s:
        cut_cord(cloud, event.carrier_s)
    if event.renewal:
        _await_renewal(cloud)
    return settle(cloud, neighbour)


def cut_cord(cloud: Cloud, for_s: float) -> None:
    """Cut eth1's cord and join it again. The router's port loses its addresses and routes
    meanwhile.
    """
    cloud.lab.router.ip_batch([f"link set {ETH1.port} down"])
    time.sleep(for_s)
    lines = [
        one for one in topology.port_lines(ETH1) if f"addr add {ETH1.vswitch.gateway4}" not in one
    ]
    ups = [one for one in lines if one.startswith("link set")]
    cloud.lab.router.ip_batch([*ups, *(one for one in lines if one not in ups)])
    cloud.lab.router.ip_batch(list(topology.proxy_lines(cloud.lab.enis.values())))


def _await_renewal(cloud: Cloud) -> None:
    log = cloud.lab.folder / "log" / "dhcp.log"
    word = f"renewed {ETH1.v4[0]}"
    seen = log.read_text().count(word)
    until = time.monotonic() + LEASE_S
    while log.read_text().count(word) == seen:
        if time.monotonic() > until:
            raise MachineError(f"no lease was renewed within {LEASE_S} s:\n{log.read_text()}")
        time.sleep(0.02)
    time.sleep(0.2)
