"""Mode ``connmark`` by the real daemon, on the wire: each combination of modes on two NICs, and
connections that live through the loss of the table. rp_filter is strict everywhere.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni, eni
from tests.packets import published
from tests.packets.published import PORT, SERVICE, assert_answered_by, drop_table, reaches, stream
from tests.packets.wires import DROPPED_S, VERSIONS, first

pytestmark = pytest.mark.long

MODES = ("source", "connmark")
FAR = eni(2)
"""An eth2 in a subnet of its own."""
NICS = ("all", "default", "eth0", "eth1", "eth2", "docker0", "vethc")
Start = Callable[..., Cloud]


def configured(modes: dict[str, str]) -> str:
    """The configuration for these modes."""
    return "".join(
        f'[[nic]]\nname = "{nic}"\nmode = "{mode}"\nsysctls = "auto"\n'
        for nic, mode in modes.items()
    )


def begin(start_cloud: Start, second: Eni, modes: dict[str, str]) -> Cloud:
    """Three NICs, a published port, strict rp_filter, and the daemon."""
    cloud = start_cloud((ETH0, ETH1, second))
    published.publish(cloud)
    cloud.instance.sysctl({f"net/ipv4/conf/{name}/rp_filter": "1" for name in NICS})
    cloud.daemon.start(configured(modes))
    cloud.daemon.ctl("reconcile")
    return cloud


@pytest.mark.parametrize("second", [ETH2, FAR], ids=["one subnet", "two subnets"])
@pytest.mark.parametrize(("one", "other"), [*product(MODES, MODES)])
def test_each_nic_answers_as_its_own_mode_promises(
    start_cloud: Start, second: Eni, one: str, other: str
) -> None:
    modes = {"eth1": one, "eth2": other}
    cloud = begin(start_cloud, second, modes)
    for version, nic in product((4, 6), (ETH0, ETH1, second)):
        address = first(nic, version)
        assert_answered_by(cloud, address, nic.name, SERVICE)
        if modes.get(nic.name) == "source":
            told = [
                reaches(cloud.client, address, kind, PORT, DROPPED_S) for kind in ("tcp", "udp")
            ]
            assert all(told)
        else:
            assert_answered_by(cloud, address, nic.name)
    assert cloud.daemon.ctl("plan", check=False).code == 0


@VERSIONS
def test_a_published_connection_outlives_the_loss_of_the_table(
    start_cloud: Start, version: int
) -> None:
    cloud = begin(start_cloud, ETH2, {"eth1": "connmark"})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stream, cloud.client, first(ETH1, version), "tcp", times=400)
        for _ in range(3):
            time.sleep(0.3)
            drop_table(cloud)
        over = time.monotonic()
        told = asked.result()
    assert told.lost == 0
    assert told.last_at is not None
    assert told.last_at > over


def test_connections_live_on_when_the_daemon_is_killed_upgraded_and_reloaded(
    start_cloud: Start,
) -> None:
    cloud = begin(start_cloud, ETH2, {"eth1": "connmark"})
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(stream, cloud.client, ETH1.v4[0], kind, times=1000)
            for kind in ("tcp", "udp")
        ]
        cloud.daemon.kill()
        cloud.daemon.start()
        cloud.daemon.ctl("reconcile")
        # The table is replaced as eth2 comes into it, and again as it goes.
        for modes in ({"eth1": "connmark", "eth2": "connmark"}, {"eth1": "connmark"}):
            cloud.daemon.config.write_text(configured(modes))
            cloud.daemon.ctl("apply", str(cloud.daemon.config))
            time.sleep(0.3)
        cloud.daemon.stop()
        over = time.monotonic()
        told = [one.result() for one in asked]
    assert [one.lost for one in told] == [0, 0]
    assert all(one.last_at is not None and one.last_at > over for one in told)
