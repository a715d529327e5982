"""Mode ``connmark`` beside everybody else: what did not come in by eth1, and others' marks."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from srcroutd.core.marking import Mask
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import ETH0, ETH1
from tests.packets import published
from tests.packets.published import (
    SERVICE,
    STRANGERS,
    assert_answered_by,
    counters,
    nft,
    reaches,
)
from tests.packets.wires import DROPPED_S, VERSIONS, ask, first, left_by, outside

INSIDE4, INSIDE6 = ip_address("172.17.0.2"), ip_address("fd00:17::2")
KUBE_MARKS = 0x4000 | 0x8000
"""kube-proxy's "masquerade" and "drop"."""


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs, a container with a published port; nobody routes yet."""
    cloud = start_cloud((ETH0, ETH1), metadata=False)
    published.publish(cloud)
    return cloud


@VERSIONS
def test_what_did_not_come_in_by_eth1_is_not_disturbed(host: Cloud, version: int) -> None:
    """A container out to the world, the host out, host and container with each other."""
    published.put_on_eth1(host)
    container = Machine(host.folder, "container")
    inside = INSIDE4 if version == 4 else INSIDE6
    host.wire.reset()
    assert all(ask(container, outside(version)).values())
    assert all(ask(host.instance, outside(version)).values())
    assert [*left_by(host, first(ETH0, version))] == ["eth0"]
    host.wire.reset()
    for address in (first(ETH0, version), first(ETH1, version)):
        assert all(ask(container, address).values())
        assert all(ask(host.instance, inside, src=address).values())
    assert left_by(host, first(ETH0, version)) == left_by(host, first(ETH1, version)) == {}


def test_what_is_not_tracked_gets_no_mark_and_goes_on_as_ever(host: Cloud) -> None:
    """None of our rules matches a packet without a connection (notrack)."""
    published.put_on_eth1(host)
    nft(
        host,
        f"""
        table inet watch {{
            counter untracked {{}}
            counter marked {{}}
            chain raw {{ type filter hook prerouting priority raw; udp dport {SERVICE} notrack }}
            chain raw_output {{ type filter hook output priority raw; udp sport {SERVICE} notrack }}
            chain last {{ type filter hook postrouting priority 300;
                udp sport {SERVICE} ct state untracked counter name untracked
                meta mark != 0 counter name marked }}
        }}
        """,
    )
    host.wire.reset()
    assert reaches(host.client, ETH1.v4[0], "udp", SERVICE) == ""
    assert [*left_by(host, ETH1.v4[0])] == ["eth1"]
    assert counters(host, "watch") == {"untracked": 1, "marked": 0}


def test_no_bit_of_anybody_else_is_touched(host: Cloud) -> None:
    """Neither of the packet's mark nor of the connection's, in either direction."""
    theirs = 0x5A000000 | KUBE_MARKS | 0x00FF
    published.put_on_eth1(host)
    nft(
        host,
        f"""
        table inet witness {{
            counter kept {{}}
            counter broken {{}}
            chain before {{ type filter hook prerouting priority -160;
                meta mark set {theirs}
                ct state new ct mark set {theirs} }}
            chain out {{ type filter hook output priority -160; meta mark set {theirs} }}
            chain look {{
                meta mark & {STRANGERS} != {theirs} counter name broken
                ct mark & {STRANGERS} != {theirs} counter name broken
                ct mark & {STRANGERS} == {theirs} counter name kept }}
            chain between {{ type filter hook prerouting priority 300; jump look }}
            chain last {{ type filter hook postrouting priority 300; jump look }}
        }}
        """,
    )
    for nic in (ETH0, ETH1):
        assert_answered_by(host, nic.v4[0], nic.name)
        assert_answered_by(host, nic.v4[0], nic.name, SERVICE)
    seen = counters(host, "witness")
    assert seen["broken"] == 0
    assert seen["kept"] > 30


def test_a_mark_within_our_mask_that_somebody_else_has_set_stays(host: Cloud) -> None:
    """As tailscale has: its 0x80000/0xff0000 lies in our default mask."""
    published.put_on_eth1(host)
    nft(
        host,
        f"""
        table inet witness {{
            counter kept {{}}
            counter lost {{}}
            chain out {{ type route hook output priority mangle;
                udp sport {SERVICE} meta mark set meta mark & {STRANGERS} | 0x80000 }}
            chain last {{ type filter hook postrouting priority 300;
                udp sport {SERVICE} meta mark 0x80000 counter name kept
                udp sport {SERVICE} meta mark != 0x80000 counter name lost }}
        }}
        """,
    )
    # On lo, so that our chain for answers would have to do with it.
    address = ETH1.vswitch.v4[99]
    host.add_address(ETH1, address, on_nic=False)
    host.instance.ip(f"address add {address}/32 dev lo")
    reaches(host.client, address, "udp", SERVICE, DROPPED_S)
    assert counters(host, "witness") == {"kept": 1, "lost": 0}


@pytest.mark.parametrize("ours_first", [True, False], ids=["after ours", "before ours"])
def test_a_recipe_that_sets_whole_marks_does_not_wipe_ours(
    host: Cloud, *, ours_first: bool
) -> None:
    """At one priority, who comes later is asked earlier: ours has one of its own."""
    recipe = """
        table inet recipe {
            chain prerouting { type filter hook prerouting priority mangle; meta mark set 1 }
            chain output { type route hook output priority mangle; meta mark set 1 }
        }
        """
    if not ours_first:
        nft(host, recipe)
    published.put_on_eth1(host)
    if ours_first:
        nft(host, recipe)
    for nic in (ETH0, ETH1):
        assert_answered_by(host, nic.v4[0], nic.name)


def test_another_mask_does_as_well(host: Cloud) -> None:
    """The highest eight bits, which tailscale and kube-proxy leave alone."""
    published.put_connmark(host, ETH1, mask=Mask(0xFF000000))
    for nic in (ETH0, ETH1):
        assert_answered_by(host, nic.v4[0], nic.name)
