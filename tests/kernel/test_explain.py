"""Who answers ARP for an address: foretold, then asked with real frames on both cables."""

import socket
import struct
import subprocess
from collections import Counter
from ipaddress import IPv4Address
from itertools import product
from pathlib import Path

import pytest

from srcroutd.core.explain_arp import arp_verdicts
from srcroutd.core.net import Family
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from tests.kernel.common import Tell

SETTLE = """
link add eth1 type veth peer name p1
link add eth2 type veth peer name p2
address add 192.0.2.1/24 dev eth1
address add 192.0.2.2/24 dev eth2
address add 198.51.100.9/32 dev lo
link set eth1 up
link set p1 up
link set eth2 up
link set p2 up
route add default via 192.0.2.254 dev eth1
route add 192.0.2.0/24 dev eth2 table 100
"""
RULE = "rule {} pref 5 from 192.0.2.2 lookup 100"
ASKER = IPv4Address("192.0.2.9")
WANTED = tuple(IPv4Address(text) for text in ("192.0.2.1", "192.0.2.2", "198.51.100.9"))
ETH_P_ARP = 0x0806
GLANCE_S, PATIENCE_S = 0.02, 2.0


@pytest.fixture
def settled(netns: None) -> None:
    assert netns is None
    subprocess.run(["ip", "-batch", "-"], input=SETTLE, text=True, check=True)
    subprocess.run(["ip", *RULE.format("add").split()], check=True)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("by_source", [True, False])
def test_who_answers_arp_is_foretold(tell: Tell, *, by_source: bool) -> None:
    if not by_source:
        subprocess.run(["ip", *RULE.format("del").split()], check=True)
    seen: Counter[bool] = Counter()

    async def story(requests: Requests) -> None:
        for ignore, filtered, strict in product((0, 1, 2, 3, 8), (0, 1), (0, 1)):
            for nic in ("eth1", "eth2"):
                conf = {"arp_ignore": ignore, "arp_filter": filtered, "rp_filter": strict}
                configure(nic, conf)
            rpdb = await read_rpdb(requests, Family.V4, [ASKER])
            for wanted in WANTED:
                verdicts = arp_verdicts(rpdb, wanted, ASKER)
                assert [verdict.nic for verdict in verdicts] == ["eth1", "eth2"]
                for verdict in verdicts:
                    answered = ask(cables[verdict.nic], wanted, GLANCE_S)
                    if verdict.answers and not answered:
                        answered = ask(cables[verdict.nic], wanted, PATIENCE_S)
                    assert verdict.answers is answered, (conf, wanted, verdict)
                    seen[answered] += 1

    with cable("p1") as first, cable("p2") as second:
        cables = {"eth1": first, "eth2": second}
        tell(story)
    assert min(seen[True], seen[False]) > 20


@pytest.mark.usefixtures("settled")
def test_a_nic_alone_in_its_subnet_needs_no_verdict(tell: Tell) -> None:
    subprocess.run(["ip", "address", "del", "192.0.2.2/24", "dev", "eth2"], check=True)

    async def story(requests: Requests) -> None:
        rpdb = await read_rpdb(requests, Family.V4, [ASKER])
        assert arp_verdicts(rpdb, WANTED[0], ASKER) == ()

    tell(story)


def configure(nic: str, conf: dict[str, int]) -> None:
    """Set some of net.ipv4.conf.NIC."""
    for name, value in conf.items():
        (Path("/proc/sys/net/ipv4/conf") / nic / name).write_text(str(value))


def cable(end: str) -> socket.socket:
    """What is heard and said at the far end of a cable."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    sock.bind((end, ETH_P_ARP))
    return sock


def ask(sock: socket.socket, wanted: IPv4Address, patience_s: float) -> bool:
    """Ask on a cable who has an address; whether anybody answers in time."""
    mac = sock.getsockname()[4]
    frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
    sock.settimeout(patience_s)
    sock.send(frame + mac + ASKER.packed + bytes(6) + wanted.packed)
    try:
        while True:
            answer = sock.recv(64)
            if answer[20:22] == b"\0\2" and answer[28:32] == wanted.packed:
                return True
    except TimeoutError:
        return False
