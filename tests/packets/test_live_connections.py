"""Live connections through eth1 outlive whatever becomes of srcroutd, metadata and other NICs."""

import signal
import time
from collections.abc import Callable

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2, eni
from tests.packets.wires import assert_comes_to_answer, assert_own_wires, left_by, until_no_rule

EVERY_MS = 2
LASTING_S = 2.0
BREATH_S = 0.2
"""Before and after each event, so that the streams have it in their middle."""
LONGEST_GAP_MS = 500
SPURIOUS = 100
ROUND_S = 0.022
"""Bells closer together than this are folded into one round."""
STREAMS = [(address, kind) for address in ETH1.addresses for kind in ("tcp", "udp")]
EXTRA = ETH1.vswitch.v4[31], ETH1.vswitch.v6[0x31]


def stopped(cloud: Cloud) -> None:
    """As ``systemctl stop`` does."""
    cloud.daemon.stop()


def started_again(cloud: Cloud) -> None:
    """As ``systemctl restart`` and an upgrade do."""
    cloud.daemon.stop()
    cloud.daemon.start()


def killed_and_started_again(cloud: Cloud) -> None:
    """A crash."""
    cloud.daemon.kill()
    cloud.daemon.start()


def reloaded(cloud: Cloud) -> None:
    """A SIGHUP with another configuration, and one with a broken one."""
    cloud.daemon.config.write_text('[[nic]]\nname = "eth9"\nmanage = false\n')
    cloud.daemon.send_signal(signal.SIGHUP)
    time.sleep(BREATH_S)
    cloud.daemon.config.write_text("this is no TOML")
    cloud.daemon.send_signal(signal.SIGHUP)


def another_eni_came_and_went(cloud: Cloud) -> None:
    """In the same vSwitch, and in another."""
    for nic in (ETH2, eni(3)):
        cloud.attach(nic)
        assert_comes_to_answer(cloud, nic.v4[0], nic.name)
        cloud.detach(nic)


def addresses_came_and_went(cloud: Cloud) -> None:
    """On eth1 itself."""
    for address in EXTRA:
        cloud.add_address(ETH1, address)
        assert_comes_to_answer(cloud, address, "eth1")
        cloud.remove_address(ETH1, address)
    until_no_rule(cloud, *EXTRA)


def metadata_failed(cloud: Cloud) -> None:
    """While srcroutd reads it, because of a reload: 500, half an answer, none at all."""
    for fault in ({"kind": "status", "status": 500}, {"kind": "cut"}, {"kind": "refuse"}):
        cloud.say(fault)
        cloud.daemon.send_signal(signal.SIGHUP)
        time.sleep(BREATH_S)
    cloud.metadata.stop()
    cloud.daemon.send_signal(signal.SIGHUP)


def metadata_forgot_eth1(cloud: Cloud) -> None:
    """The NIC is there and metadata says that it has only eth0."""
    cloud.listed.discard("eth1")
    cloud.say()
    cloud.daemon.send_signal(signal.SIGHUP)
    time.sleep(2 * BREATH_S)


def a_hundred_spurious_events(cloud: Cloud) -> None:
    """Events that change nothing of ours, each for a round of its own."""
    script = f"for i in $(seq {SPURIOUS}); do ip link set eth1 alias nic$i; sleep {ROUND_S}; done"
    cloud.instance.run("sh", "-c", script)


EVENTS: dict[str, tuple[Callable[[Cloud], None], float]] = {
    "srcroutd stopped": (stopped, LASTING_S),
    "srcroutd was started again": (started_again, LASTING_S),
    "srcroutd was killed and started again": (killed_and_started_again, LASTING_S),
    "srcroutd was told to reload": (reloaded, LASTING_S),
    "another ENI came and went": (another_eni_came_and_went, 2.5 * LASTING_S),
    "addresses came and went": (addresses_came_and_went, LASTING_S),
    "metadata failed in every way": (metadata_failed, LASTING_S),
    "metadata forgot eth1": (metadata_forgot_eth1, LASTING_S),
    "a hundred spurious events came": (a_hundred_spurious_events, 2.5 * LASTING_S),
}


@pytest.mark.parametrize(("event", "lasting_s"), EVENTS.values(), ids=EVENTS.keys())
def test_no_connection_through_eth1_loses_a_packet_though(
    start_cloud: Callable[..., Cloud], event: Callable[[Cloud], None], lasting_s: float
) -> None:
    cloud = start_cloud((ETH0, ETH1))
    cloud.daemon.start()
    assert_own_wires(cloud, ETH0, ETH1)
    cloud.wire.reset()
    times = round(lasting_s * 1000 / EVERY_MS)
    streams = [
        cloud.client.begin(
            address, kind=kind, times=times, every_ms=EVERY_MS, limit_s=lasting_s + 10
        )
        for address, kind in STREAMS
    ]
    time.sleep(BREATH_S)
    event(cloud)
    over = time.monotonic()
    told = [stream.result() for stream in streams]
    assert [one.last_at is not None and one.last_at > over for one in told] == [True] * 4
    assert [(one.sent, one.lost, one.reason) for one in told] == [(times, 0, "")] * 4
    assert max(one.longest_gap_ms for one in told) < LONGEST_GAP_MS
    for address, kind in STREAMS:
        assert [*left_by(cloud, address, kind=kind)] == ["eth1"]
