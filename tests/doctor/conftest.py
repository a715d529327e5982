"""What the doctor's tests share: a cloud with srcroutd in it on an otherwise empty host."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from srcroutd.doctor.diagnose import diagnose
from srcroutd.doctor.finding import Finding
from srcroutd.doctor.gather import gather
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.launch import why_impossible
from srcroutd.lab.topology import ETH1, ETH2
from tests.pure.views import view

Told = dict[str, Any]
Ask = Callable[[], dict[str, Told]]
NEIGHBOURS = """
/etc/systemd /etc/NetworkManager /etc/netplan /etc/network /etc/sysconfig /etc/sysctl.d
/etc/iproute2 /usr/lib/systemd /usr/lib/NetworkManager /usr/lib/udev
""".split()
"""What lies here belongs to the machine that runs the tests, which the lab's host is not."""


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A folder for this session's labs; not tmp_path, a socket's path must be short (unix(7))."""
    if why := why_impossible():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="srcroutd-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cloud(base: Path) -> Iterator[Cloud]:
    """A cloud with three NICs, two of them in one subnet; srcroutd is not started."""
    with Cloud.start(base=base) as cloud:
        for folder in NEIGHBOURS:
            if Path(folder).is_dir():
                cloud.instance.run("mount", "-t", "tmpfs", "tmpfs", folder)
        cloud.attach(ETH1)
        cloud.attach(ETH2)
        yield cloud
        sys.stdout.write(f"the end of srcroutd's log\n{cloud.daemon.tail(40)}\n")


@pytest.fixture
def ask(cloud: Cloud) -> Ask:
    """What the doctor finds in the instance, by slug (the last of each), srcroutd being there."""
    cloud.daemon.start()

    def asked() -> dict[str, Told]:
        return found(cloud)

    return asked


def found(cloud: Cloud) -> dict[str, Told]:
    """The findings of ``srcroutctl doctor --json`` in the instance, by slug."""
    answer = json.loads(cloud.daemon.ctl("doctor", "--json", check=False).out)
    assert answer["not_looked_at"] == []
    return {one["slug"]: one for one in answer["findings"]}


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Findings about files: path and text of each, below a root of its own.

    The host has the NICs of ``tests.pure.views``: eth1 is managed, 198.51.100.5 is its address.
    """

    def told(files: dict[str, str]) -> list[Finding]:
        for path, text in files.items():
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                file.symlink_to(text.removeprefix("->"))
            else:
                file.write_text(text)
                file.chmod(0o755 if text.startswith("#!") else 0o644)
        return list(diagnose(gather(view(), None, tmp_path)))

    return told
