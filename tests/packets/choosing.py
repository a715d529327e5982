"""A host that chooses where its new connections come from: its NICs as ``derive_egress`` sees them,
what is derived put into the kernel, and programs that dial in every way there is.
"""

import json
import sys
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any

from srcroutd.core.desired import Host, HostNic, Want
from srcroutd.core.egress import derive_egress, derive_snats
from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.inventory import Addressing
from srcroutd.core.inventory import Eni as Record
from srcroutd.core.marking import MarkedNic, Marking, Mask
from srcroutd.core.net import IP, Address, Link, Network, Scope
from srcroutd.core.numbering import Domain
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import ETH0, ETH1, Eni
from tests.packets import published
from tests.packets.wires import first, outside

MASK = Mask()

_DIAL = """
import json, os, socket, sys
how = json.loads(sys.argv[1])
family = socket.AF_INET6 if ":" in how["dst"] else socket.AF_INET
stream = how["kind"] == "tcp"
if how["uid"]:
    os.setuid(how["uid"])
one = socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
one.settimeout(how["wait_s"])
if how["mark"]:
    one.setsockopt(socket.SOL_SOCKET, 36, how["mark"])
if how["device"]:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, how["device"].encode())
if how["src"]:
    one.bind((how["src"], 0))
said = ""
try:
    one.connect((how["dst"], how["port"]))
    one.send(b"12345678")
    one.recv(8)
except OSError as error:
    said = str(error)
print(json.dumps([said, one.getsockname()[0]]))
"""


def second(version: int) -> IP:
    """eth1's second address."""
    return ETH1.vswitch.v4[11] if version == 4 else ETH1.vswitch.v6[0x11]


def routed(cloud: Cloud) -> Cloud:
    """With two addresses on eth1, which mode source keeps, and a client that echoes."""
    cloud.client.echo()
    for version in (4, 6):
        cloud.add_address(ETH1, second(version))
    published.put_source(cloud, cloud.enis["eth1"])
    return cloud


def to_client(version: int) -> tuple[Network, ...]:
    """The client as a prefix."""
    return (ip_network(outside(version)),)


def by_eth1(version: int) -> set[tuple[str, str]]:
    """Led by an entry for eth1."""
    return {("eth1", str(first(ETH1, version)))}


def as_before(version: int) -> set[tuple[str, str]]:
    """By the primary, from its address."""
    return {("eth0", str(first(ETH0, version)))}


def dial(
    machine: Machine,
    dst: IP,
    *,
    kind: str = "tcp",
    port: int = 7,
    src: IP | None = None,
    uid: int = 0,
    mark: int = 0,
    device: str = "",
    wait_s: float = 3.0,
) -> tuple[str, str]:
    """Dial an echo service; why no answer came ("" if one did), and the socket's own address."""
    how = {"dst": str(dst), "kind": kind, "port": port, "src": str(src or ""), "uid": uid}
    how |= {"mark": mark, "device": device, "wait_s": wait_s}
    told = machine.run(sys.executable, "-c", _DIAL, json.dumps(how))
    said, source = json.loads(told.out)
    return said, source


def left(cloud: Cloud, dst: IP) -> set[tuple[str, str]]:
    """By which wires and from which addresses packets to ``dst`` left since the last reset."""
    return {
        (seen.wire, str(seen.src))
        for seen, number in cloud.wire.counts().items()
        if seen.way == "up" and seen.dst == dst and number
    }


def host_of(cloud: Cloud) -> Host:
    """The host as the daemon would see it: eth0 is the primary and left alone."""
    domain = Domain()
    nics = []
    for nic in (cloud.enis[name] for name in cloud.attached):
        seat = published.SEATS.get(nic.name, 0)
        nics.append(_host_nic(cloud, nic, domain.table(seat) if seat else 0))
    return Host(domain, tuple(nics))


def _host_nic(cloud: Cloud, nic: Eni, table: int) -> HostNic:
    device = cloud.attached[nic.name]
    index = cloud.instance.ip_json(f"link show dev {device}")[0]["ifindex"]
    told = cloud.instance.ip_json(f"addr show dev {device}")[0]["addr_info"]
    addresses = tuple(
        Address(
            index,
            ip_interface(f"{one['local']}/{one['prefixlen']}"),
            Scope.LINK if one["scope"] == "link" else Scope.GLOBAL,
        )
        for one in told
    )
    record = Record(
        nic.id,
        nic.mac,
        Addressing(nic.v4, nic.vswitch.v4, nic.vswitch.gateway4),
        Addressing(nic.v6, nic.vswitch.v6, nic.vswitch.gateway6),
    )
    link = Link(index, device, nic.mac, up=True)
    return HostNic(link, addresses, record, table, primary=nic.name == "eth0")


def put_egress(
    cloud: Cloud, *entries: EgressEntry, marked: tuple[MarkedNic, ...] = ()
) -> tuple[str, ...]:
    """Entries into the kernel, in the order in which the daemon would, beside NICs that mark their
    connections; the notes.
    """
    host = host_of(cloud)
    wanted = derive_egress(entries, host, MASK)
    rules = {want.thing: want for want in wanted.rules}
    steps = plan(Desired(rules, {}), Observed({}, {}), Pruning((host.domain,), lambda *_: None))
    in_order = tuple(Want(step.thing, step.because) for step in steps if step.thing in rules)
    published.put_rules(cloud, replace(wanted, rules=in_order))
    if snats := derive_snats(entries, host, MASK):
        published.put_table(cloud, Marking(marked, MASK, snats))
    return wanted.notes


def dials(cloud: Cloud, dst: IP, *, by: Machine | None = None, **how: Any) -> set[tuple[str, str]]:
    """Dial with TCP and with UDP: both are answered; by which wires and from which addresses they
    left.
    """
    cloud.wire.reset()
    for kind in ("tcp", "udp"):
        said, _ = dial(by or cloud.instance, dst, kind=kind, **how)
        assert said == "", (kind, how, said)
    return left(cloud, dst)


def drop_egress(cloud: Cloud) -> None:
    """Take all entries out of the kernel, the jump of IPv6 last."""
    for version in (4, 6):
        rules = cloud.instance.ip_json(f"-{version} rule")
        ours = [one["priority"] for one in rules if one["priority"] in _PRIORITIES]
        cloud.instance.ip_batch([f"rule del pref {one}" for one in reversed(ours)], version)
        # A table that was never filled is none.
        cloud.instance.run("ip", f"-{version}", "route", "flush", "table", "18163", check=False)


_PRIORITIES = (*Domain().egress, *Domain().rewritten)
