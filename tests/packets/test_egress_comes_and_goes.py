"""Entries come into the file and leave it while connections live: the daemon loses none of those
that no entry means, and what an entry opened lives on without it.
"""

import signal
import time
from collections.abc import Callable

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1
from tests.packets.choosing import by_eth1, dials
from tests.packets.wires import VERSIONS, first, left_by, outside

pytestmark = pytest.mark.long

ENTRY = '[[egress]]\nnic = "eth1"\n'
TIMES = 8
TURN_S = 0.25


@pytest.fixture
def host(start_cloud: Callable[..., Cloud]) -> Cloud:
    """Two NICs and the daemon, without an entry yet."""
    cloud = start_cloud((ETH0, ETH1))
    cloud.client.echo()
    cloud.daemon.start()
    return cloud


def configured(host: Cloud, text: str) -> None:
    """Another file, and the daemon told so."""
    host.daemon.config.write_text(text)
    host.daemon.send_signal(signal.SIGHUP)


@VERSIONS
@pytest.mark.parametrize("more", ["", "snat = true\n"], ids=["led", "rewritten"])
def test_nobody_else_notices(host: Cloud, version: int, more: str) -> None:
    """Answers of the host, and of its own who bound an address where nobody is rewritten."""
    configured(host, ENTRY + more)
    host.instance.eventually(f"-{version} rule", lambda said: "17502" in said)
    life = {"times": int(TIMES * 2 * TURN_S * 500), "every_ms": 2}
    begun = [
        host.client.begin(first(ETH0, version), kind="udp", **life),
        host.client.begin(first(ETH1, version), kind="tcp", **life),
    ]
    if not more:
        source = first(ETH0, version)
        begun.append(host.instance.begin(outside(version), kind="udp", src=source, **life))
    for _ in range(TIMES):
        configured(host, "")
        time.sleep(TURN_S)
        configured(host, ENTRY + more)
        time.sleep(TURN_S)
    assert [(one.sent, one.lost) for one in (one.result() for one in begun)] == [
        (life["times"], 0)
    ] * len(begun)
    assert dials(host, outside(version)) == by_eth1(version)


@VERSIONS
def test_what_an_entry_opened_lives_on_without_it(host: Cloud, version: int) -> None:
    configured(host, ENTRY)
    host.instance.eventually(f"-{version} rule", lambda said: "17502" in said)
    begun = host.instance.begin(outside(version), kind="tcp", times=200, every_ms=5)
    time.sleep(0.3)
    configured(host, "")
    host.instance.eventually(f"-{version} rule", lambda said: "17502" not in said)
    host.wire.reset()
    assert begun.result().lost == 0
    assert [*left_by(host, first(ETH1, version), outside(version))] == ["eth1"]
