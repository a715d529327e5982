"""Programs that bound another address, and containers, leave from the address that an entry names;
answers and connections that were there before do not.
"""

from collections.abc import Callable

import pytest

from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.marking import MarkedNic
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1
from tests.packets import published
from tests.packets.choosing import (
    as_before,
    by_eth1,
    dial,
    dials,
    drop_egress,
    put_egress,
    routed,
    second,
    to_client,
)
from tests.packets.published import SERVICE, nft
from tests.packets.wires import VERSIONS, ask, assert_answers, first, left_by, outside

TCP = 6
UID = 1234


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs, eth1 with two addresses; mode source keeps eth1."""
    return routed(start_cloud((ETH0, ETH1), metadata=False))


@VERSIONS
def test_who_bound_another_address_is_rewritten(host: Cloud, version: int) -> None:
    put_egress(host, EgressEntry(to=to_client(version), source=second(version), snat=True))
    new = {("eth1", str(second(version)))}
    far = outside(version)
    assert dials(host, far) == new
    assert dials(host, far, src=first(ETH0, version)) == new
    assert dials(host, far, src=first(ETH1, version)) == new
    assert dials(host, far, device="eth1") == new
    assert dials(host, far, device="eth0") == as_before(version), "he chose the NIC"


@VERSIONS
def test_pings_are_rewritten_too(host: Cloud, version: int) -> None:
    put_egress(host, EgressEntry(to=to_client(version), nic="eth1", snat=True))
    host.wire.reset()
    answers = ask(
        host.instance, outside(version), src=first(ETH0, version), kinds=("icmp", "udp", "tcp")
    )
    assert all(answers.values()), answers
    assert left_by(host, first(ETH0, version), outside(version)) == {}
    assert [*left_by(host, first(ETH1, version), outside(version))] == ["eth1"]


@VERSIONS
def test_answers_keep_their_way_though_sources_are_rewritten(host: Cloud, version: int) -> None:
    """To a client that lies among the destinations, whose connections began before and after."""
    put_egress(host, EgressEntry(nic="eth1", snat=True))
    for nic in (ETH0, ETH1):
        assert_answers(host, first(nic, version), nic.name)
        assert published.reaches(host.client, first(nic, version), "tcp", SERVICE) == ""
    assert_answers(host, second(version), "eth1")


@VERSIONS
def test_containers_are_rewritten_if_that_was_asked(host: Cloud, version: int) -> None:
    """Before docker's masquerade, which then has nothing to do; its published ports live on."""
    container = published.publish(host)
    entry = EgressEntry(source=second(version), snat=True, forwarded=True)
    put_egress(host, entry)
    assert dials(host, outside(version), by=container) == {("eth1", str(second(version)))}
    other = 10 - version
    assert dials(host, outside(other), by=container) == as_before(other)
    for kind in ("tcp", "udp"):
        assert published.reaches(host.client, first(ETH0, version), kind) == ""


@VERSIONS
def test_a_long_conversation_of_a_container_goes_one_way(host: Cloud, version: int) -> None:
    container = published.publish(host)
    put_egress(host, EgressEntry(nic="eth1", snat=True, forwarded=True))
    host.wire.reset()
    for kind in ("tcp", "udp"):
        assert container.stream(outside(version), kind=kind, times=50, every_ms=2).lost == 0
    assert left_by(host, first(ETH0, version), outside(version)) == {}
    assert left_by(host, first(ETH1, version), outside(version))["eth1"] >= 100


@VERSIONS
def test_it_lives_beside_somebody_elses_nat(host: Cloud, version: int) -> None:
    """A masquerade for everything that leaves, and a rewriting of what was sent elsewhere."""
    family = "ip" if version == 4 else "ip6"
    nft(
        host,
        f"""
        table {family} theirs {{
            chain output {{ type nat hook output priority -100;
                tcp dport 9999 redirect to :{SERVICE} }}
            chain postrouting {{ type nat hook postrouting priority srcnat;
                oifname != lo masquerade }}
        }}
        """,
    )
    theirs = host.instance.run("nft", "list", "table", family, "theirs").out
    put_egress(host, EgressEntry(to=to_client(version), source=second(version), snat=True))
    new = {("eth1", str(second(version)))}
    assert dials(host, outside(version), src=first(ETH0, version)) == new
    assert dials(host, outside(version)) == new
    assert dial(host.instance, first(ETH0, version), port=9999)[0] == "", "their redirect works"
    assert host.instance.run("nft", "list", "table", family, "theirs").out == theirs


@pytest.mark.parametrize(
    ("rp_filter", "src_valid_mark", "answered"),
    [(0, 0, True), (2, 0, True), (1, 0, False), (1, 1, True), (2, 1, True), (0, 1, True)],
)
@pytest.mark.parametrize("who", ["host", "container"])
def test_answers_pass_rp_filter(
    host: Cloud, who: str, rp_filter: int, src_valid_mark: int, *, answered: bool
) -> None:
    """Once the rewriting is undone they bear the address that was bound, whose way is eth0: where
    rp_filter is strict, only the mark says that they are right, and only src_valid_mark looks at
    it.
    """
    inside = published.publish(host) if who == "container" else None
    machine, source = inside or host.instance, None if inside else ETH0.v4[0]
    conf = "net/ipv4/conf"
    host.instance.sysctl(
        {
            f"{conf}/eth1/rp_filter": str(rp_filter),
            f"{conf}/eth0/rp_filter": str(rp_filter),
            f"{conf}/eth1/src_valid_mark": str(src_valid_mark),
        }
    )
    entry = EgressEntry(to=to_client(4), nic="eth1", snat=True, forwarded=True)
    put_egress(host, entry)
    for kind in ("tcp", "udp"):
        said, _ = dial(machine, outside(4), kind=kind, src=source, wait_s=3 if answered else 0.5)
        assert (said == "") is answered, said


def test_a_vpns_src_valid_mark_on_every_nic_does_no_harm(host: Cloud) -> None:
    """wg-quick and tailscale set it for all, and distributions rp_filter."""
    container = published.publish(host)
    conf = "net/ipv4/conf"
    host.instance.sysctl({f"{conf}/all/rp_filter": "1", f"{conf}/all/src_valid_mark": "1"})
    put_egress(host, EgressEntry(nic="eth1", snat=True, forwarded=True))
    new = by_eth1(4)
    assert dials(host, outside(4), src=ETH0.v4[0]) == new
    assert dials(host, outside(4), by=container) == new
    for nic in (ETH0, ETH1):
        assert_answers(host, nic.v4[0], nic.name)


def test_no_bit_of_anybody_elses_marks_is_touched(host: Cloud) -> None:
    theirs, others = 0x5A00C0FF, 0xFF00FFFF
    put_egress(host, EgressEntry(to=to_client(4), nic="eth1", snat=True))
    nft(
        host,
        f"""
        table inet witness {{
            counter kept {{}}
            counter broken {{}}
            chain out {{ type filter hook output priority -160;
                meta mark set {theirs}
                ct state new ct mark set {theirs} }}
            chain look {{
                meta mark & {others} != {theirs} counter name broken
                ct mark & {others} != {theirs} counter name broken
                ct mark & {others} == {theirs} counter name kept }}
            chain last {{ type filter hook postrouting priority 300; jump look }}
        }}
        """,
    )
    assert dials(host, outside(4), src=ETH0.v4[0]) == by_eth1(4)
    seen = published.counters(host, "witness")
    assert seen["broken"] == 0
    assert seen["kept"] > 5


def test_whoever_has_a_mark_of_his_own_within_our_mask_keeps_his_way(host: Cloud) -> None:
    """As tailscale has: its 0x80000/0xff0000 lies in our default mask."""
    put_egress(host, EgressEntry(to=to_client(4), nic="eth1", snat=True))
    found = dials(host, outside(4), src=ETH0.v4[0], mark=0x80000)
    assert found == as_before(4)


@VERSIONS
def test_it_goes_with_mode_connmark_on_the_same_nic_and_on_the_other(
    host: Cloud, version: int
) -> None:
    """Published ports answer by the NIC that was asked, and what begins here is rewritten."""
    container = published.publish(host)
    published.put_rules(host, published.derive_marks(host, ETH1))
    entry = EgressEntry(source=second(version), snat=True, forwarded=True)
    put_egress(host, entry, marked=(MarkedNic("eth1", 1),))
    for nic in (ETH0, ETH1):
        published.assert_answered_by(host, first(nic, version), nic.name)
        published.assert_answered_by(host, first(nic, version), nic.name, SERVICE)
    new = {("eth1", str(second(version)))}
    assert dials(host, outside(version), by=container) == new
    assert dials(host, outside(version), src=first(ETH0, version)) == new
    back = EgressEntry(nic="eth0", snat=True, forwarded=True)
    drop_egress(host)
    put_egress(host, back, marked=(MarkedNic("eth1", 1),))
    assert dials(host, outside(version), by=container) == as_before(version)
    assert dials(host, outside(version), src=first(ETH1, version)) == as_before(version)
    for nic in (ETH0, ETH1):
        published.assert_answered_by(host, first(nic, version), nic.name)
