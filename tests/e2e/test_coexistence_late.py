"""A machine whose network comes long after srcroutd has started for the first time, as on a slow
DHCP server: what srcroutd could not ask of metadata before, it asks as soon as there are addresses
to ask from.
"""

import time

import pytest

from srcroutd.lab.topology import ETH0, ETH1
from tests.e2e.coexistence_measure import first_start
from tests.e2e.coexistence_run import settle, start_neighbour
from tests.e2e.conftest import Layers, StartCloud
from tests.e2e.neighbours import NETWORKD

pytestmark = pytest.mark.slow

LATE_S = 9.0
"""By then the pauses between two tries have grown to several seconds."""
SOON_MS = 2000.0


def test_eth1_is_routed_soon_after_its_addresses_come_however_late_they_are(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled, [ETH0, ETH1], configured=False)

    def start(*_: object) -> float:
        start_neighbour(cloud, NETWORKD, before=lambda: time.sleep(LATE_S))
        return settle(cloud, NETWORKD)

    late_ms = first_start(cloud, NETWORKD, start)
    assert late_ms is not None
    assert late_ms < SOON_MS
