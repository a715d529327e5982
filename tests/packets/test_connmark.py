"""Mode ``connmark`` on the wire: what came in by eth1 goes back by it, from a container too.

An answer that leaves by another wire never arrives: the VPC's source check sees to that.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1, ETH2
from tests.packets import published
from tests.packets.published import (
    CLOSED,
    PORT,
    SERVICE,
    assert_answered_by,
    nft,
    reaches,
    stream,
)
from tests.packets.wires import (
    DROPPED_S,
    PATIENCE_S,
    VERSIONS,
    ask,
    first,
    left_by,
    neighbour,
)

KINDS = ("tcp", "udp")
Layout = Callable[[Cloud], None]


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs and a container with a published port; nobody routes yet."""
    cloud = start_cloud((ETH0, ETH1), metadata=False)
    published.publish(cloud)
    return cloud


def nothing(_cloud: Cloud) -> None:
    """As the distribution leaves it."""


def source(cloud: Cloud) -> None:
    """Mode ``source`` on eth1."""
    published.put_source(cloud, ETH1)


# Whether the client gets an answer from: the host by eth0, by eth1, the container by eth0, by eth1.
LAYOUTS: dict[str, tuple[Layout, tuple[bool, bool, bool, bool]]] = {
    "nothing": (nothing, (True, False, True, False)),
    "seed 001's two lines": (published.put_rc_local, (True, True, True, False)),
    "seed 003's recipe": (published.put_recipe_of_seed_003, (True, True, True, False)),
    "nm-cloud-setup's layout": (published.put_nm_cloud_setup, (True, True, True, False)),
    "mode source": (source, (True, True, True, False)),
    "mode connmark": (published.put_on_eth1, (True, True, True, True)),
}


@VERSIONS
@pytest.mark.parametrize(("layout", "reached"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_only_with_connection_marks_a_published_port_answers_by_eth1(
    host: Cloud, layout: Layout, reached: tuple[bool, ...], version: int
) -> None:
    layout(host)
    asked = [(first(nic, version), port) for port in (SERVICE, PORT) for nic in (ETH0, ETH1)]
    told = []
    for (address, port), expected in zip(asked, reached, strict=True):
        wait_s = PATIENCE_S if expected else DROPPED_S
        told.append({not reaches(host.client, address, kind, port, wait_s) for kind in KINDS})
    assert told == [{expected} for expected in reached]


@VERSIONS
def test_each_answer_leaves_by_the_wire_of_its_question(host: Cloud, version: int) -> None:
    published.put_on_eth1(host)
    for port in (SERVICE, PORT):
        for nic in (ETH0, ETH1):
            assert_answered_by(host, first(nic, version), nic.name, port)


@pytest.mark.parametrize(
    ("settings", "strict"),
    [
        ({"all": 0, "eth1": 0}, False),
        ({"all": 0, "eth1": 1}, True),
        ({"all": 1, "eth1": 1, "eth0": 1, "docker0": 1}, True),
        ({"all": 0, "eth1": 2}, False),
        ({"all": 2, "eth1": 1, "eth0": 1, "docker0": 1}, False),
    ],
    ids=["0", "1", "1 everywhere", "2", "2 over 1"],
)
def test_rp_filter_lets_the_published_port_through(
    host: Cloud, settings: dict[str, int], *, strict: bool
) -> None:
    host.instance.sysctl(
        {f"net/ipv4/conf/{name}/rp_filter": str(value) for name, value in settings.items()}
    )
    published.put_connmark(host, ETH1, strict=strict)
    if strict:
        # Neither alone is enough: the mark in the original direction, and the kernel minding it.
        assert reaches(host.client, ETH1.v4[0], "udp", wait_s=DROPPED_S)
        host.instance.sysctl({"net/ipv4/conf/eth1/src_valid_mark": "1"})
        published.put_table(host, published.marked(ETH1))
        assert reaches(host.client, ETH1.v4[0], "udp", wait_s=DROPPED_S)
        published.put_table(host, published.marked(ETH1, strict=True))
    for nic in (ETH0, ETH1):
        assert_answered_by(host, nic.v4[0], nic.name)
        assert_answered_by(host, nic.v4[0], nic.name, SERVICE)


def test_src_valid_mark_of_a_vpn_on_every_nic_does_no_harm(host: Cloud) -> None:
    """wg-quick and tailscale set it for all, and distributions rp_filter."""
    everywhere = {"net/ipv4/conf/all/rp_filter": "1", "net/ipv4/conf/all/src_valid_mark": "1"}
    host.instance.sysctl(everywhere)
    published.put_connmark(host, ETH1, strict=True)
    for nic in (ETH0, ETH1):
        assert_answered_by(host, nic.v4[0], nic.name)
        assert_answered_by(host, nic.v4[0], nic.name, SERVICE)


@VERSIONS
@pytest.mark.parametrize("vswitch", [0, 1, 5])
def test_neighbours_reach_the_published_port_too(host: Cloud, vswitch: int, version: int) -> None:
    """One in eth0's subnet, one in eth1's, one in another of the VPC."""
    asker, _ = neighbour(host, vswitch)
    published.put_on_eth1(host)
    address = first(ETH1, version)
    host.wire.reset()
    assert [reaches(asker, address, kind) for kind in KINDS] == ["", ""]
    assert [*left_by(host, address)] == ["eth1"]


@VERSIONS
def test_two_marked_nics_of_one_subnet_each_answer_for_themselves(
    start_cloud: Callable[..., Cloud], version: int
) -> None:
    host = start_cloud((ETH0, ETH1, ETH2), metadata=False)
    published.publish(host)
    published.put_connmark(host, ETH1, ETH2)
    for nic in (ETH0, ETH1, ETH2):
        assert_answered_by(host, first(nic, version), nic.name)
        assert_answered_by(host, first(nic, version), nic.name, SERVICE)


@VERSIONS
def test_an_address_that_no_rule_knows_answers_by_the_nic_that_was_asked(
    host: Cloud, version: int
) -> None:
    """On lo, as load balancers have it: the host's own answers need the mark, too.

    No pings: in IPv6 the kernel binds its answer to the interface of the question.
    """
    address = ETH1.vswitch.v4[99] if version == 4 else ETH1.vswitch.v6[0x99]
    host.add_address(ETH1, address, on_nic=False)
    host.instance.ip(f"address add {address}/{32 if version == 4 else 128} dev lo")
    source(host)
    assert not any(ask(host.client, address, kinds=KINDS, timeout_s=DROPPED_S).values())
    published.put_rules(host, published.derive_marks(host, ETH1))
    published.put_table(host, published.marked(ETH1))
    host.wire.reset()
    assert all(ask(host.client, address, kinds=KINDS).values())
    assert [*left_by(host, address)] == ["eth1"]


@VERSIONS
def test_the_word_that_a_port_is_closed_comes_back_too(host: Cloud, version: int) -> None:
    """An ICMP error belongs to the connection that it is about."""
    published.put_on_eth1(host)
    assert "refused" in reaches(host.client, first(ETH1, version), "udp", CLOSED)
    assert "refused" in reaches(host.client, first(ETH1, version), "tcp", CLOSED)


def test_a_second_connection_that_the_container_opens_goes_out_by_eth1_too(host: Cloud) -> None:
    """Active FTP: expected by a helper, it begins at the other end and inherits the mark."""
    published.put_on_eth1(host)
    nft(
        host,
        f"""
        table inet helper {{
            ct expectation data {{
                protocol tcp; dport {SERVICE}; timeout 1m; size 8; l3proto ip; }}
            chain forward {{ type filter hook forward priority filter;
                tcp dport 7 iifname eth1 ct expectation set "data" }}
        }}
        """,
    )
    container = Machine(host.folder, "container")
    assert reaches(container, CLIENT_V4, "tcp", SERVICE) == ""
    assert reaches(host.client, ETH1.v4[0], "tcp") == ""
    host.wire.reset()
    assert reaches(container, CLIENT_V4, "tcp", SERVICE) == ""
    assert [*left_by(host, ETH1.v4[0], CLIENT_V4)] == ["eth1"]
    assert reaches(container, CLIENT_V4, "udp", SERVICE) == ""
    assert [*left_by(host, ETH0.v4[0], CLIENT_V4, "udp")] == ["eth0"]


@VERSIONS
def test_questions_that_began_before_the_table_are_answered_once_it_is_there(
    host: Cloud, version: int
) -> None:
    address = first(ETH1, version)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stream, host.client, address, "udp", times=200)
        time.sleep(0.3)
        published.put_on_eth1(host)
        over = time.monotonic()
        told = asked.result()
    assert told.first_at is not None
    assert told.first_at - told.began > 0.25
    assert told.last_at is not None
    assert told.last_at > over


@VERSIONS
def test_replacing_the_table_under_load_loses_nothing(host: Cloud, version: int) -> None:
    published.put_on_eth1(host)
    address = first(ETH1, version)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(stream, host.client, address, kind, times=1000, every_ms=2)
            for kind in KINDS
        ]
        time.sleep(0.2)
        for _ in range(20):
            published.put_table(host, published.marked(ETH1))
        over = time.monotonic()
        told = [one.result() for one in asked]
    assert [(one.sent, one.lost) for one in told] == [(1000, 0)] * 2
    assert all(one.last_at is not None and one.last_at > over for one in told)


@VERSIONS
def test_a_connection_outlives_the_loss_of_the_table(host: Cloud, version: int) -> None:
    published.put_on_eth1(host)
    address = first(ETH1, version)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stream, host.client, address, "tcp", times=300)
        time.sleep(0.2)
        published.drop_table(host)
        time.sleep(0.3)
        published.put_table(host, published.marked(ETH1))
        over = time.monotonic()
        told = asked.result()
    assert told.longest_gap_ms > 250, "it never stood still: the table was not needed"
    assert told.lost == 0
    assert told.last_at is not None
    assert told.last_at > over
