"""Virtual machines for the tests: each has a fresh disk and a cloud of its own, and ends with its
test.

When a test ends, the machine may hold no failed unit, no traceback and no confession of a bug.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from srcroutd.lab.launch import why_impossible
from srcroutd.lab.topology import ETH0, ETH1
from tests.e2e_vm import look
from tests.e2e_vm.cloud import VmCloud
from tests.e2e_vm.image import Image, image
from tests.e2e_vm.talk import Silent

TIMEOUT_S = 1200
"""Twenty times what a test takes on an idle machine; the disk is made in the first one's time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything is emulated: give it time."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def disk() -> Image:
    """The disk that every machine starts from."""
    return image()


@pytest.fixture
def unbooted(disk: Image) -> Iterator[VmCloud]:
    """A cloud with eth0 and eth1 whose machine is switched on and says nothing yet."""
    if why := why_impossible():
        pytest.skip(why)
    # Not tmp_path: a socket's path must be short (unix(7)).
    base = Path(tempfile.mkdtemp(prefix="srcroutd-vm-"))
    try:
        with VmCloud.start([ETH0, ETH1], base=base) as cloud:
            cloud.switch_on(disk)
            try:
                yield cloud
                _assert_sound(cloud)
            finally:
                sys.stdout.write(_last_words(cloud))
    finally:
        shutil.rmtree(base)


@pytest.fixture
def cloud(unbooted: VmCloud) -> VmCloud:
    """A cloud whose machine has booted: eth0 is left alone, eth1 answers by itself."""
    unbooted.vm.wait_up()
    look.wait_in_sync(unbooted, ETH1)
    return unbooted


def _assert_sound(cloud: VmCloud) -> None:
    """Nothing crashed, nothing was restarted, nothing complains."""
    said = look.journal(cloud.vm)
    assert "Traceback" not in said, said
    assert "this is a bug" not in said, said
    assert cloud.vm.run("systemctl --failed --plain --no-legend").strip() == ""
    assert cloud.vm.run("systemctl show -P NRestarts srcroutd.service").strip() == "0"


def _last_words(cloud: VmCloud) -> str:
    """For a test that failed: srcroutd's record, or else the console."""
    try:
        script = "srcroutctl; ip rule; ip -br addr; journalctl -b --no-pager -u srcroutd | tail -60"
        said = cloud.vm.run(script, check=False, timeout_s=30)
    except Silent as error:
        return f"the machine is silent ({error}); its console:\n{cloud.vm.console()[-4000:]}\n"
    return f"the machine's last words:\n{said}\n"
