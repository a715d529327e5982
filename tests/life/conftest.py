"""Hosts for the tests of the daemon's life: each in a network namespace of its own.

When a test ends, so do its daemons, and no log of theirs may hold a traceback or confess a bug.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.life.cloud import Cloud
from tests.life.enis import ETH0, ETH1, ETH2, Eni
from tests.life.host import Host
from tests.life.marked_host import MARKS, RARELY
from tests.life.namespace import enter_fresh, go_home, home
from tests.life.strangers_tables import put_strangers


@pytest.fixture(scope="session")
def machine() -> Iterator[int]:
    """The namespace that the tests started in."""
    with home() as here:
        yield here


@pytest.fixture
def bare(machine: int) -> Iterator[Host]:
    """A host without NICs and without a configuration."""
    # Not tmp_path: a socket's path must be short (unix(7)).
    folder = Path(tempfile.mkdtemp(prefix="srcroutd-life-"))
    enter_fresh()
    host = Host(folder)
    try:
        yield host
        for daemon in host.daemons:
            daemon.close()
            assert not daemon.said("Traceback"), daemon.log()
            assert not daemon.said("this is a bug"), daemon.log()
    finally:
        for daemon in host.daemons:
            daemon.kill()
        go_home(machine)
        shutil.rmtree(folder)


@pytest.fixture
def host(bare: Host) -> Host:
    """A host with eth0, eth1 and eth2, configured by hand; the daemon is not started."""
    bare.plug(ETH0, ETH1, ETH2)
    bare.configure(ETH0, ETH1, ETH2)
    return bare


@pytest.fixture
def crowded(host: Host) -> Host:
    """A host with everybody's tables of nftables and strict rp_filter, set to mark by eth1."""
    put_strangers()
    for name in ("all", "eth0", "eth1", "eth2"):
        host.sysctl(f"ipv4/conf/{name}/rp_filter", "1")
    host.configure(ETH0, ETH1, ETH2, more=RARELY, extra=MARKS)
    return host


@pytest.fixture
def cloud(bare: Host) -> Iterator[Cloud]:
    """A host with eth0 and eth1 and the metadata service that knows them."""
    enis: tuple[Eni, ...] = (ETH0, ETH1)
    bare.plug(*enis)
    cloud = Cloud(bare, *enis, primary=ETH0.mac)
    cloud.start(bare)
    yield cloud
    cloud.stop()
