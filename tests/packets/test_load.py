"""Load over several ENIs: the measured spread, and connections that stay whole on their wires."""

import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from srcroutd.core.net import IP, Family
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2
from tests.packets.conftest import StartCloud
from tests.packets.spread import Case, measure
from tests.packets.wires import VERSIONS, break_cable, first, left_by, mend_cable

POINTS = 2.0
SHARED = "[[load]]\nnics = { eth0 = %d, eth1 = %d }\n"
PEERS = 24
TIMES, EVERY_MS = 120, 20
WITHIN_S = 2.0
"""The daemon promises one."""

_TALK = """
import json, socket, sys, threading, time
told, times, every_s = sys.argv[1].split(), int(sys.argv[2]), float(sys.argv[3])
found = []
def talk(peer):
    one = socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET)
    one.settimeout(3)
    answered = 0
    try:
        one.connect((peer, 7))
        for _ in range(times):
            one.sendall(b"12345678")
            answered += one.recv(8) == b"12345678"
            time.sleep(every_s)
    except OSError:
        pass
    found.append([peer, one.getsockname()[0], answered])
threads = [threading.Thread(target=talk, args=(peer,)) for peer in told]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    "case",
    [Case(family, weights) for family in Family for weights in ((1, 1), (2, 1), (5, 3, 2))],
    ids=str,
)
def test_ten_thousand_flows_are_spread_as_the_weights_say(case: Case) -> None:
    found = measure(case)
    off = [abs(share - wanted) for share, wanted in zip(found, case.wanted, strict=True)]
    assert max(off) < POINTS, found


@pytest.mark.parametrize("family", Family)
def test_one_destination_has_one_way_unless_ports_are_hashed_too(family: Family) -> None:
    assert max(measure(Case(family, (2, 1), busy="one"), flows=500)) == 100
    found = measure(Case(family, (2, 1), policy=1, busy="one"))
    assert abs(found[1] - 100 / 3) < POINTS, found


def peers(cloud: Cloud, version: int) -> list[IP]:
    """The client's further addresses, each a destination of its own that echoes."""
    cloud.client.echo()
    start = int(ip_address("203.0.113.100" if version == 4 else "2001:db8:cafe::100"))
    found = [ip_address(start + number) for number in range(PEERS)]
    length, nodad = (24, "") if version == 4 else (64, " nodad")
    cloud.client.ip_batch([f"addr add {ip}/{length} dev eth0{nodad}" for ip in found], version)
    return found


def talk(cloud: Cloud, to: list[IP], times: int = 1) -> dict[str, tuple[str, int]]:
    """A connection to each at the same time: the address it was given, and how often it was
    answered.
    """
    words = [" ".join(map(str, to)), str(times), str(EVERY_MS / 1000)]
    told = cloud.instance.run(sys.executable, "-c", _TALK, *words, timeout_s=30).out
    return {peer: (source, answered) for peer, source, answered in json.loads(told)}


@VERSIONS
def test_a_connection_stays_whole_on_the_wire_of_its_address_whatever_becomes_of_the_others(
    start_cloud: StartCloud, version: int
) -> None:
    cloud = start_cloud((ETH0, ETH1, ETH2))
    cloud.daemon.start(SHARED % (1, 1))
    to = peers(cloud, version)
    cloud.wire.reset()
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(talk, cloud, to, TIMES)
        time.sleep(0.5)
        cloud.daemon.config.write_text("[[load]]\nnics = { eth1 = 1, eth2 = 9 }\n")
        cloud.daemon.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        cloud.detach(ETH2)
        found = going.result()
    assert {answered for _, answered in found.values()} == {TIMES}, found
    own = {str(first(nic, version)): nic.name for nic in (ETH0, ETH1)}
    assert {source for source, _ in found.values()} == own.keys()
    for source, wire in own.items():
        assert left_by(cloud, ip_address(source), kind="tcp").keys() == {wire}


@VERSIONS
def test_a_dead_eni_takes_no_new_connections_and_comes_back(
    start_cloud: StartCloud, version: int
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    cloud.daemon.start(SHARED % (1, 1))
    to = peers(cloud, version)
    both = {str(first(nic, version)) for nic in (ETH0, ETH1)}
    assert {source for source, _ in talk(cloud, to).values()} == both
    break_cable(cloud, ETH1)
    began = time.monotonic()
    table = f"-{version} route show table 18100"
    assert cloud.instance.eventually(table, lambda said: "eth1" not in said, WITHIN_S)
    assert time.monotonic() - began < WITHIN_S
    found = talk(cloud, to)
    assert set(found.values()) == {(str(first(ETH0, version)), 1)}
    mend_cable(cloud, ETH1)
    assert cloud.instance.eventually(table, lambda said: "eth1" in said, WITHIN_S)
    found = talk(cloud, to)
    assert {source for source, _ in found.values()} == both
    assert {answered for _, answered in found.values()} == {1}


@VERSIONS
def test_what_bound_a_nic_or_an_address_is_not_spread(
    start_cloud: StartCloud, version: int
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    cloud.daemon.start(SHARED % (1, 255))
    to = peers(cloud, version)
    cloud.wire.reset()
    for peer in to[:8]:
        assert cloud.instance.probe(
            peer, src=first(ETH0, version), kind="tcp", timeout_s=3
        ).answered
        assert cloud.instance.probe(peer, device="eth0", kind="tcp", timeout_s=3).answered
    assert left_by(cloud, first(ETH0, version), kind="tcp").keys() == {"eth0"}
    assert left_by(cloud, first(ETH1, version), kind="tcp") == {}
