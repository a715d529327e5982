"""What the tests of the exports share: hosts of their own, and the neighbours to run on them."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.export.host import ROOT, Host
from tests.export.scene import links, operations


@pytest.fixture
def new_host() -> Iterator[Callable[[], Host]]:
    """Makes hosts; each ends with the test."""
    hosts: list[Host] = []

    def make() -> Host:
        hosts.append(Host())
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    """A host with the NICs and addresses of the scene."""
    made = new_host()
    made.run("ip -batch -", given=links())
    return made


@pytest.fixture
def daemons(new_host: Callable[[], Host]) -> Host:
    """The same host, with what the daemon puts in."""
    made = new_host()
    made.run("ip -batch -", given=links())
    made.put_in(operations())
    return made


@pytest.fixture(scope="session")
def neighbours() -> Path:
    """The folder with NetworkManager, networkd and netplan; nothing of it is installed.

    Without apt, or where it cannot reach its archive, these tests are skipped; in CI that is a
    failure, for a skipped test proves nothing.
    """
    done = subprocess.run(
        [ROOT / "packaging" / "neighbours.sh"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = f"NOT TESTED against NetworkManager, networkd and netplan: {done.stderr.strip()}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(why)
        pytest.skip(why)
    return Path(done.stdout.strip())


@pytest.fixture
def tools(neighbours: Path) -> str:
    """Shell words that make the neighbours' programs and libraries the first to be found."""
    folders = sorted({one.parent for one in (neighbours / "usr/lib").rglob("*.so*")})
    libraries = ":".join(map(str, [neighbours / "usr/lib", *folders]))
    paths = ":".join(str(neighbours / f"usr/{one}") for one in ("bin", "sbin", "lib/systemd"))
    return f"export LD_LIBRARY_PATH='{libraries}' PATH='{paths}':$PATH\n"


@pytest.fixture
def box(neighbours: Path, tmp_path: Path) -> str:
    """A first line and a PATH that make a script run as on a host that has nothing but busybox (and
    iproute2).
    """
    busybox = neighbours / "usr/bin/busybox"
    for name in ("awk", "cat", "grep", "sed", "sh", "tr", "wc"):
        (tmp_path / name).symlink_to(busybox)
    return f"#!{tmp_path / 'sh'}\nPATH={tmp_path}:$PATH\n"
