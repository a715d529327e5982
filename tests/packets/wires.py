"""What the packet tests ask of a cloud: by which wire answers leave, and whether they arrive.

An answer counts as right only if the one who asked got it *and* it was seen leaving by the wire
named. The lab's own machines beside the instance are made here where a test wants more than the lab
offers: hosts with both families, a carrier that goes away, a container with IPv6.
"""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from srcroutd.core.net import IP
from srcroutd.lab import guests, topology
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import CLIENT_V4, CLIENT_V6, Eni, VSwitch

KINDS = ("icmp", "tcp", "udp")
VERSIONS = pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
TIMES = 5
PATIENCE_S = 3.0
"""For an answer that must come: longer than TCP waits before it asks again."""
DROPPED_S = 0.3
"""For an answer that must not come: nothing in the lab takes longer than some milliseconds."""


def first(nic: Eni, version: int) -> IP:
    """The primary address of an ENI."""
    return nic.v4[0] if version == 4 else nic.v6[0]


def outside(version: int) -> IP:
    """The client's address."""
    return CLIENT_V4 if version == 4 else CLIENT_V6


def neighbour(cloud: Cloud, vswitch: int) -> tuple[Machine, Eni]:
    """Another host of the VPC in this vSwitch, with an address of each family, and its ENI."""
    network = VSwitch(vswitch)
    nic = Eni(900 + vswitch, network, (network.v4[77],), (network.v6[0x77],))
    cloud.enis[nic.name] = nic
    cloud._vpc.connect([nic], cloud.enis.values())
    return guests.plug_host(cloud._boot, cloud._park, nic), nic


def left_by(
    cloud: Cloud, source: IP, to: IP | None = None, kind: str | None = None
) -> dict[str, int]:
    """How many packets of this source left the instance since the last reset, by wire."""
    found: Counter[str] = Counter()
    for seen, number in cloud.wire.counts().items():
        if (
            (seen.way, seen.src) == ("up", source)
            and to in {None, seen.dst}
            and kind in {None, seen.kind}
        ):
            found[seen.wire] += number
    return dict(sorted(found.items()))


def ask(
    asker: Machine,
    dst: IP,
    *,
    src: IP | None = None,
    kinds: Sequence[str] = KINDS,
    timeout_s: float = PATIENCE_S,
) -> dict[str, bool]:
    """One question of each kind, all at the same time, and whether it was answered."""

    def probe(kind: str) -> bool:
        return asker.probe(dst, src=src, kind=kind, timeout_s=timeout_s).answered

    with ThreadPoolExecutor(len(kinds)) as pool:
        return dict(zip(kinds, pool.map(probe, kinds), strict=True))


def assert_answers(
    cloud: Cloud, address: IP, wire: str, asker: Machine | None = None, times: int = TIMES
) -> None:
    """All answers of ``address``, to pings and datagrams, leave by this wire and arrive.

    Datagrams too, because a ping proves little in IPv6: the kernel binds its answer to the
    interface of the question (net/ipv6/icmp.c), which makes it a matter of ``oif`` rules.
    """
    for kind, answer in (("icmp", "pong"), ("udp", "udp")):
        cloud.wire.reset()
        seen = (asker or cloud.client).stream(
            address, kind=kind, times=times, every_ms=2, limit_s=PATIENCE_S
        )
        found = left_by(cloud, address, kind=answer), seen.answered
        assert found == ({wire: times}, times), f"{kind} {address}: {found}, {seen}"


def assert_own_wires(cloud: Cloud, *nics: Eni) -> None:
    """Every address of these ENIs answers by the ENI's own wire, pings and datagrams."""
    asked = [(nic, ip, kind) for nic in nics for ip in nic.addresses for kind in ("icmp", "udp")]

    def ask_twice(one: tuple[Eni, IP, str]) -> int:
        _, address, kind = one
        return cloud.client.stream(
            address, kind=kind, times=2, every_ms=1, limit_s=PATIENCE_S
        ).answered

    cloud.wire.reset()
    with ThreadPoolExecutor(8) as pool:
        arrived = [*pool.map(ask_twice, asked)]
    left: dict[tuple[IP, str], dict[str, int]] = {(ip, kind): {} for _, ip, kind in asked}
    for seen, number in cloud.wire.counts().items():
        one = (seen.src, {"pong": "icmp"}.get(seen.kind, seen.kind))
        if seen.way == "up" and one in left:
            left[one][seen.wire] = left[one].get(seen.wire, 0) + number
    found = {
        (ip, kind): (left[ip, kind], n) for (_, ip, kind), n in zip(asked, arrived, strict=True)
    }
    wrong = {
        f"{kind} {ip}": found[ip, kind]
        for nic, ip, kind in asked
        if found[ip, kind] != ({nic.name: 2}, 2)
    }
    assert wrong == {}, wrong


def assert_comes_to_answer(cloud: Cloud, address: IP, wire: str, limit_s: float = 10) -> None:
    """Sooner or later ``address`` answers; from then on all by this wire."""
    came = cloud.client.until_answered(address, kind="udp", limit_s=limit_s)
    assert came.answered, f"{address} does not answer within {limit_s:g} s"
    assert_answers(cloud, address, wire)


def assert_nothing_gets_out(cloud: Cloud, source: IP, target: IP) -> None:
    """What the instance sends with this source reaches nobody, and no wire ever saw it."""
    cloud.wire.reset()
    answers = ask(cloud.instance, target, src=source, timeout_s=DROPPED_S)
    assert not any(answers.values()), answers
    leaked = left_by(cloud, source, target)
    assert leaked == {}, f"left by {leaked}"


def tables(cloud: Cloud) -> dict[IP, tuple[int, str]]:
    """The first priority and the table by which each source is routed."""
    found: dict[IP, tuple[int, str]] = {}
    for words in ("rule", "-6 rule"):
        for rule in cloud.instance.ip_json(words):
            if rule["src"] != "all" and rule["table"] != "main":
                found.setdefault(ip_address(rule["src"]), (rule["priority"], rule["table"]))
    return found


def until_no_rule(cloud: Cloud, *sources: IP) -> None:
    """Wait until the daemon has taken back what it did for these sources."""
    deadline = time.monotonic() + 10
    while (left := tables(cloud).keys() & set(sources)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == set(), f"rules for {left} are still there"


def forget_route(cloud: Cloud, destination: object, table: int, version: int) -> None:
    """Take a route away by hand."""
    cloud.instance.ip(f"-{version} route del {destination} table {table}")


def break_cable(cloud: Cloud, nic: Eni) -> None:
    """The carrier is gone; the NIC itself stays up."""
    cloud.router.ip(f"link set {nic.port} down")


def mend_cable(cloud: Cloud, nic: Eni) -> float:
    """The carrier is back, and the router knows again what it forgot with it; when that was."""
    lines = [f"link set {nic.port} up"]
    lines += [f"addr replace {nic.vswitch.gateway6}/128 dev {nic.port} nodad"]
    for address in nic.addresses:
        added, known = topology.port_address_lines(nic, address)
        lines += [added.replace("route add", "route replace"), known]
    return cloud.router.ip_batch([*lines, *topology.proxy_lines(cloud.enis.values())]).ended


def give_ipv6(cloud: Cloud, container: Machine) -> IP:
    """Bring IPv6 to docker0 and the container; the container's address."""
    bridge, inside = ip_address("fd00:17::1"), ip_address("fd00:17::2")
    cloud.instance.sysctl({"net/ipv6/conf/all/forwarding": "1"})
    cloud.instance.ip_batch([f"addr add {bridge}/64 dev docker0 nodad"])
    container.ip_batch(
        [f"addr add {inside}/64 dev eth0 nodad", f"route add default via {bridge} dev eth0"]
    )
    return inside
