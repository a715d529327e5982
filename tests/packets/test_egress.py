"""New connections leave by the NIC and from the address that an entry names; nothing else moves."""

import time
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from srcroutd.core.egress_entry import EgressEntry
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1
from tests.packets import published
from tests.packets.choosing import (
    as_before,
    by_eth1,
    dial,
    dials,
    put_egress,
    routed,
    second,
    to_client,
)
from tests.packets.published import SERVICE
from tests.packets.wires import VERSIONS, ask, assert_answers, first, left_by, outside

TCP = 6
UID = 1234


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs, eth1 with two addresses; mode source keeps eth1."""
    return routed(start_cloud((ETH0, ETH1), metadata=False))


@VERSIONS
def test_without_an_entry_they_leave_by_the_primary(host: Cloud, version: int) -> None:
    assert dials(host, outside(version)) == as_before(version)


@VERSIONS
def test_a_destination_chooses_the_nic(host: Cloud, version: int) -> None:
    assert put_egress(host, EgressEntry(to=to_client(version), nic="eth1")) == ()
    assert dials(host, outside(version)) == by_eth1(version)
    assert dials(host, outside(10 - version)) == as_before(10 - version)


@VERSIONS
def test_a_source_is_the_src_of_a_route(host: Cloud, version: int) -> None:
    put_egress(host, EgressEntry(to=to_client(version), source=second(version)))
    assert dials(host, outside(version)) == {("eth1", str(second(version)))}


@VERSIONS
def test_without_a_destination_everything_far_away_is_meant(host: Cloud, version: int) -> None:
    put_egress(host, EgressEntry(nic="eth1"))
    assert dials(host, outside(version)) == by_eth1(version)
    gateway = ETH0.vswitch.gateway4 if version == 4 else ETH0.vswitch.gateway6
    host.wire.reset()
    assert all(ask(host.instance, gateway, kinds=("icmp",)).values())
    assert [*left_by(host, first(ETH0, version), gateway)] == ["eth0"], "eth0's own subnet"


@VERSIONS
@pytest.mark.parametrize(
    ("asks", "fits", "differs"),
    [
        ({"ip_proto": TCP}, {"kind": "tcp"}, {"kind": "udp"}),
        ({"ip_proto": TCP, "port": (7, 7)}, {"kind": "tcp"}, {"kind": "udp"}),
        ({"ip_proto": 17, "port": (5, 9)}, {"kind": "udp"}, {"kind": "tcp"}),
        ({"uids": (UID, UID)}, {"uid": UID}, {"uid": UID + 1}),
        ({"mark": 0x10, "mask": 0xF0}, {"mark": 0x1F}, {"mark": 0x2F}),
    ],
    ids=["protocol", "port", "ports", "uid", "mark"],
)
@pytest.mark.parametrize("snat", [False, True], ids=["led", "rewritten"])
def test_each_selector_tells_connections_apart(
    host: Cloud,
    asks: dict[str, int],
    fits: dict[str, int],
    differs: dict[str, int],
    version: int,
    *,
    snat: bool,
) -> None:
    """With ``snat``, of programs that bound eth0's address."""
    put_egress(host, EgressEntry(to=to_client(version), nic="eth1", snat=snat, **asks))  # type: ignore[arg-type]
    bound = {"src": first(ETH0, version)} if snat else {}
    for how, expected in ((fits, by_eth1(version)), (differs, as_before(version))):
        host.wire.reset()
        said, _ = dial(host.instance, outside(version), **bound, **how)  # type: ignore[arg-type]
        assert said == ""
        found = {
            (seen.wire, str(seen.src))
            for seen in host.wire.counts()
            if seen.way == "up" and seen.dst == outside(version)
        }
        assert found == expected, how


@VERSIONS
def test_who_chose_an_address_or_a_nic_himself_keeps_it(host: Cloud, version: int) -> None:
    put_egress(host, EgressEntry(nic="eth1"))
    far = outside(version)
    assert dials(host, far, src=first(ETH0, version)) == as_before(version)
    assert dials(host, far, device="eth0") == as_before(version)
    assert dials(host, far, src=second(version)) == {("eth1", str(second(version)))}
    assert dials(host, far, device="eth1") == by_eth1(version)


@VERSIONS
def test_answers_to_clients_keep_their_way(host: Cloud, version: int) -> None:
    for nic in (ETH0, ETH1):
        assert_answers(host, first(nic, version), nic.name)
    put_egress(host, EgressEntry(nic="eth1"))
    for nic in (ETH0, ETH1):
        assert_answers(host, first(nic, version), nic.name)
        assert published.reaches(host.client, first(nic, version), "tcp", SERVICE) == ""


@VERSIONS
@pytest.mark.parametrize("tracked", [False, True], ids=["untracked", "tracked"])
def test_a_connection_that_was_there_before_is_not_moved(
    host: Cloud, version: int, *, tracked: bool
) -> None:
    """Neither the host's own nor one from outside; where nobody tracked connections before, only
    TCP tells which packet begins one.
    """
    far, kinds = outside(version), ["tcp", "udp"] if tracked else ["tcp"]
    if tracked:
        published.publish(host)
    begun = [host.client.begin(first(ETH0, version), kind="tcp", times=200, every_ms=5)]
    begun += [
        host.instance.begin(far, kind=kind, src=source, times=200, every_ms=5)
        for kind in kinds
        for source in (None, first(ETH0, version))
    ]
    time.sleep(0.3)
    put_egress(host, EgressEntry(nic="eth1", snat=True))
    host.wire.reset()
    assert [(one.sent, one.lost) for one in (one.result() for one in begun)] == [
        (200, 0) for _ in begun
    ]
    assert left_by(host, first(ETH0, version)).keys() == {"eth0"}
    assert left_by(host, first(ETH1, version)) == {}


@VERSIONS
@pytest.mark.parametrize("snat", [False, True], ids=["led", "rewritten"])
def test_what_is_forwarded_keeps_its_way(host: Cloud, version: int, *, snat: bool) -> None:
    container = published.publish(host)
    put_egress(host, EgressEntry(nic="eth1", snat=snat))
    assert dials(host, outside(version), by=container) == as_before(version)


@VERSIONS
def test_containers_are_reached_though_everything_is_led_elsewhere(
    host: Cloud, version: int
) -> None:
    published.publish(host)
    put_egress(host, EgressEntry(nic="eth1", snat=True))
    inside = ip_address("172.17.0.2" if version == 4 else "fd00:17::2")
    for source in (None, first(ETH0, version), first(ETH1, version)):
        assert dial(host.instance, inside, src=source)[0] == ""
        assert dial(host.instance, inside, src=source, kind="udp")[0] == ""


@VERSIONS
def test_the_first_entry_that_fits_decides(host: Cloud, version: int) -> None:
    far = to_client(version)
    put_egress(
        host,
        EgressEntry(to=far, ip_proto=TCP, port=(9, 9), nic="eth0"),
        EgressEntry(to=far, source=second(version)),
        EgressEntry(nic="eth1"),
    )
    assert dials(host, outside(version)) == {("eth1", str(second(version)))}
