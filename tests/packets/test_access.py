"""Access control with real packets: each action's errno or silence, each selector, the order of
entries, and what containers send.
"""

import json
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from srcroutd.core.access import AccessEntry, derive_access
from srcroutd.core.desired import Host, HostNic, NicDesired
from srcroutd.core.net import Action, Network
from srcroutd.core.numbering import Domain
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import ETH0, ETH1
from tests.packets.published import SEATS, as_nic, put_rules, put_source
from tests.packets.wires import VERSIONS, ask, first, give_ipv6, left_by, outside

ANSWERED, SILENCE = "answered", "silence"
INSIDE4 = ip_address("172.17.0.2")
ERRNO = {Action.PROHIBIT: "EACCES", Action.UNREACHABLE: "ENETUNREACH", Action.BLACKHOLE: "EINVAL"}
FORWARDED = {
    4: {
        Action.PROHIBIT: "EHOSTUNREACH",  # ICMP: administratively filtered
        Action.UNREACHABLE: "ENETUNREACH",
        Action.BLACKHOLE: SILENCE,
    },
    6: {
        Action.PROHIBIT: "EACCES",
        Action.UNREACHABLE: "ENETUNREACH",
        Action.BLACKHOLE: SILENCE,
    },
}
"""What a forwarded packet's sender is told (net/ipv4/icmp.c and net/ipv6/icmp.c, icmp_err_convert).
"""
# Asks the echo service once; how is a JSON object. Prints what came of it.
ASKER = """
import errno, json, os, socket, sys
how = json.loads(sys.argv[1])
six = ":" in how["dst"]
kind = socket.SOCK_STREAM if how.get("tcp") else socket.SOCK_DGRAM
one = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
one.settimeout(how.get("wait_s", 2))
if "mark" in how:
    one.setsockopt(socket.SOL_SOCKET, 36, how["mark"])
if "device" in how:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, how["device"].encode())
if "uid" in how:
    os.setuid(how["uid"])
    other = socket.socket(one.family, kind)  # a socket belongs to who made it
    other.settimeout(one.gettimeout())
    one = other
# Unless it asks for every error, a socket is not told of the softer ones (ip(7), IP_RECVERR).
one.setsockopt(*((socket.IPPROTO_IPV6, 25, 1) if six else (socket.IPPROTO_IP, 11, 1)))
one.bind((how.get("src", ""), how.get("sport", 0)))
try:
    one.connect((how["dst"], how.get("port", 7)))
    one.send(b"question")
    print("answered" if one.recv(100) else "ended")
except TimeoutError:
    print("silence")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def outcome(asker: Machine, dst: object, **how: Any) -> str:
    """Ask the echo service of ``dst`` once and tell what came of it."""
    told = json.dumps({"dst": str(dst), **how})
    return asker.run("python3", "-c", ASKER, told).out.strip()


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs, mode source on eth1, a client that echoes."""
    cloud = start_cloud((ETH0, ETH1), metadata=False)
    put_source(cloud, ETH1)
    cloud.client.echo()
    return cloud


@pytest.fixture
def inside(host: Cloud) -> Machine:
    """A container behind docker0 that goes out in eth0's name."""
    container = host.container(masquerade=True)
    give_ipv6(host, container)
    host.instance.run(
        "nft",
        "add table ip6 lab; add chain ip6 lab post { type nat hook postrouting priority 100; };"
        " add rule ip6 lab post ip6 saddr fd00:17::/64 oifname != docker0 masquerade",
    )
    return container


def put(cloud: Cloud, *entries: AccessEntry) -> NicDesired:
    """The rules of these entries and of no others."""
    for version in (4, 6):
        lines = cloud.instance.ip(f"-{version} rule").splitlines()
        numbers = [int(line.split(":")[0]) for line in lines]
        ours = [number for number in numbers if number in Domain().access]
        cloud.instance.ip_batch([f"rule del pref {number}" for number in ours], version)
    nics = [as_nic(cloud, nic) for nic in (ETH0, ETH1) if nic.name in SEATS]
    here = (HostNic(nic.link, nic.addresses, nic.eni, nic.table) for nic in nics)
    wanted = derive_access(entries, Host(Domain(), tuple(here)))
    put_rules(cloud, wanted)
    return wanted


def to(*addresses: object) -> tuple[Network, ...]:
    return tuple(ip_network(str(address)) for address in addresses)


@VERSIONS
@pytest.mark.parametrize("action", ERRNO)
def test_each_action_has_its_errno_for_what_the_host_sends(
    host: Cloud, action: Action, version: int
) -> None:
    client = outside(version)
    assert outcome(host.instance, client) == ANSWERED
    put(host, AccessEntry(action, dst=to(client)))
    host.wire.reset()
    assert [outcome(host.instance, client, tcp=tcp) for tcp in (False, True)] == [ERRNO[action]] * 2
    assert left_by(host, first(ETH0, version)) == {}
    assert outcome(host.instance, outside(10 - version)) == ANSWERED, "the other family is spared"


def cases(version: int) -> Iterable[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """What an entry asks for, who meets it, and who does not."""
    own0, own1 = str(first(ETH0, version)), str(first(ETH1, version))
    yield "source", {"src": to(own1)}, {"src": own1}, {"src": own0}
    if version == 6:
        yield "oif", {"oif": "eth1"}, {"device": "eth1"}, {}
    yield "iif", {"iif": "lo"}, {}, {"dst": "none"}
    yield "protocol", {"protocol": 17}, {}, {"tcp": True}
    yield "port", {"protocol": 17, "dport": (7, 7)}, {}, {"tcp": True}
    yield "ports", {"protocol": 6, "dport": (1, 7)}, {"tcp": True}, {}
    yield "other port", {"protocol": 6, "dport": (1, 7)}, {"tcp": True, "port": 7}, {"port": 7}
    sport = {"protocol": 17, "sport": (4000, 4999)}
    yield "source port", sport, {"sport": 4500}, {"sport": 5000}
    yield "uid", {"uids": (1000, 1999)}, {"uid": 1500}, {"uid": 2000}
    yield "root", {"uids": (0, 0)}, {}, {"uid": 1}
    yield "mark", {"mark": 1, "mask": 0xFF}, {"mark": 0x101}, {"mark": 0x102}
    yield "no mark", {"mark": 0, "mask": 0xFF}, {"mark": 0x100}, {"mark": 1}


@VERSIONS
def test_each_selector_meets_what_it_says_and_nothing_else(host: Cloud, version: int) -> None:
    client = outside(version)
    told = {}
    for name, asks, met, spared in cases(version):
        put(host, AccessEntry(Action.PROHIBIT, **({"dst": to(client)} | asks)))
        other = outside(10 - version) if spared.pop("dst", "") else client
        told[name] = (
            outcome(host.instance, client, **met),
            outcome(host.instance, other, **spared),
        )
    assert told == {name: ("EACCES", ANSWERED) for name, *_ in cases(version)}


def test_what_is_bound_to_a_nic_is_refused_in_ipv6_only(host: Cloud) -> None:
    """The limit that the man page tells: IPv4 takes the destination to be on that NIC's link."""
    put(host, AccessEntry(Action.PROHIBIT, dst=to(outside(4), outside(6))))
    assert [outcome(host.instance, outside(version)) for version in (4, 6)] == ["EACCES"] * 2
    assert outcome(host.instance, outside(6), device="eth1") == "EACCES"
    assert outcome(host.instance, outside(4), device="eth1") == ANSWERED, "no longer so: tell it"


@VERSIONS
def test_the_first_entry_that_decides_counts(host: Cloud, version: int) -> None:
    client = outside(version)
    stop = AccessEntry(Action.PROHIBIT, dst=to(client))
    main = AccessEntry(Action.LOOKUP, "main", dst=to(client), uids=(1000, 1000))
    put(host, main, stop)
    assert outcome(host.instance, client, uid=1000) == ANSWERED
    assert outcome(host.instance, client, uid=1001) == "EACCES"
    put(host, stop, main)
    assert outcome(host.instance, client, uid=1000) == "EACCES"


@VERSIONS
def test_an_entry_by_a_nic_leads_out_by_it_with_its_address(host: Cloud, version: int) -> None:
    client = outside(version)
    for via in ("eth1", ETH1.id):
        put(host, AccessEntry(Action.LOOKUP, via, dst=to(client), protocol=17, dport=(7, 7)))
        host.wire.reset()
        assert outcome(host.instance, client) == ANSWERED
        assert left_by(host, first(ETH1, version), client, "udp") == {"eth1": 1}
        assert outcome(host.instance, client, tcp=True) == ANSWERED
        assert [*left_by(host, first(ETH0, version), client)] == ["eth0"]


@VERSIONS
def test_what_comes_in_for_the_host_is_not_stopped_but_its_answers_are(
    host: Cloud, version: int
) -> None:
    client, own = outside(version), first(ETH1, version)
    put(host, AccessEntry(Action.PROHIBIT, src=to(client)))
    assert all(ask(host.client, own).values()), "table local is asked before"
    put(host, AccessEntry(Action.PROHIBIT, src=to(own), dst=to(client)))
    host.wire.reset()
    assert not any(ask(host.client, own, timeout_s=0.3).values())
    assert left_by(host, own) == {}
    assert all(ask(host.client, first(ETH0, version)).values())


@VERSIONS
@pytest.mark.parametrize("action", ERRNO)
def test_a_container_is_told_or_hears_nothing(
    host: Cloud, inside: Machine, action: Action, version: int
) -> None:
    client = outside(version)
    assert outcome(inside, client) == ANSWERED
    put(host, AccessEntry(action, iif="docker0", dst=to(client)))
    host.wire.reset()
    expected = FORWARDED[version][action]
    assert outcome(inside, client, wait_s=1 if expected == SILENCE else 5) == expected
    assert left_by(host, first(ETH0, version)) == {}
    assert outcome(host.instance, client) == ANSWERED, "the host itself is spared"
    assert all(ask(inside, first(ETH1, version)).values()), "and what is asked of it"


@VERSIONS
def test_entries_about_users_spare_what_containers_send(
    host: Cloud, inside: Machine, version: int
) -> None:
    """To the kernel root sends whatever it forwards."""
    client = outside(version)
    put(host, AccessEntry(Action.PROHIBIT, dst=to(client), uids=(0, 0)))
    assert outcome(host.instance, client) == "EACCES"
    assert outcome(inside, client) == ANSWERED


@VERSIONS
def test_a_container_is_met_by_source_port_and_protocol_too(
    host: Cloud, inside: Machine, version: int
) -> None:
    client = outside(version)
    prefix = "172.17.0.0/16" if version == 4 else "fd00:17::/64"
    put(host, AccessEntry(Action.BLACKHOLE, src=to(prefix), protocol=6, dport=(7, 7)))
    assert outcome(inside, client, tcp=True, wait_s=0.5) == SILENCE
    assert outcome(inside, client) == ANSWERED
    put(host, AccessEntry(Action.BLACKHOLE, src=to(prefix), protocol=17, sport=(4000, 4999)))
    assert outcome(inside, client, sport=4500, wait_s=0.5) == SILENCE
    assert outcome(inside, client, sport=5000) == ANSWERED
