"""Real systems for tests: each test has a fresh machine of each release, the package installed.

A root of a release is made once (``roots``), the package is installed above it once in a session,
and a test's machine writes on an overlay above both. When a test fails, the end of its journal is
shown; machines and clouds end with the test, whatever happened.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from srcroutd.lab.launch import why_impossible
from srcroutd.lab.topology import ETH0, ETH1, Eni
from tests.e2e.cloud import CONFIGURATION, Cloud
from tests.e2e.machine import Machine
from tests.e2e.roots import PROJECT, RELEASES, CannotBuild, Release, root_of

TIMEOUT_S = 600
"""For one test: the first of a release builds its root and installs the package."""
Layers = list[Path]
NewMachine = Callable[..., Machine]
StartCloud = Callable[..., Cloud]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give this tier the time that it needs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for this session's machines and labs; not tmp_path, sockets want short paths."""
    if why := why_impossible():
        pytest.fail(why)
    folder = Path(tempfile.mkdtemp(prefix="srcroutd-e2e-"))
    (folder / "labs").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session", params=list(RELEASES.values()), ids=list(RELEASES))
def release(request: pytest.FixtureRequest) -> Release:
    """Each release in turn."""
    found: Release = request.param
    return found


@pytest.fixture(scope="session")
def package() -> Path:
    """The package under test, the newest that ``make packages`` left for this architecture."""
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    built = sorted((PROJECT / "dist").glob(f"srcroutd_*_{architecture}.deb"))
    if not built:
        pytest.fail("no package in dist/; next: make packages", pytrace=False)
    return max(built, key=lambda one: one.stat().st_mtime)


@pytest.fixture(scope="session")
def root(release: Release) -> Path:
    """The release's root, made now if need be."""
    try:
        return root_of(release)
    except CannotBuild as why:
        # Ubuntu's packages are not where this machine's own come from: they may be out of reach.
        if release.ubuntu:
            pytest.skip(str(why))
        pytest.fail(str(why), pytrace=False)


@pytest.fixture(scope="session")
def installed(scratch: Path, root: Path, package: Path) -> Layers:
    """A disk on which the package is installed and configured for the lab, and not enabled."""
    machine = Machine([root], Path(tempfile.mkdtemp(dir=scratch)))
    with Cloud.start(machine, [ETH0], base=scratch / "labs", metadata=False) as cloud:
        cloud.boot()
        machine.run("systemd-machine-id-setup")
        machine.install(package)
        machine.write("/etc/srcroutd/srcroutd.toml.d/lab.toml", CONFIGURATION)
        machine.run("rm -rf /root/*.deb /var/log/journal/*")
        machine.stop()
    return machine.layers


@pytest.fixture(scope="session")
def enabled(scratch: Path, installed: Layers) -> Layers:
    """``installed`` after ``systemctl enable``: the next boot is its first with srcroutd."""
    machine = Machine(installed, Path(tempfile.mkdtemp(dir=scratch)))
    with Cloud.start(machine, [ETH0], base=scratch / "labs", metadata=False) as cloud:
        cloud.boot()
        machine.run("systemctl enable srcroutd")
        machine.stop()
    return machine.layers


@pytest.fixture
def new_machine(scratch: Path) -> Iterator[NewMachine]:
    """``new_machine(layers)``: a machine that is off; its disk goes with the test."""
    machines: list[Machine] = []

    def make(layers: Sequence[Path]) -> Machine:
        machines.append(Machine(layers, Path(tempfile.mkdtemp(dir=scratch))))
        return machines[-1]

    yield make
    for machine in machines:
        machine.remove()


@pytest.fixture
def start_cloud(scratch: Path, new_machine: NewMachine) -> Iterator[StartCloud]:
    """``start_cloud(layers, enis=..., configured=..., metadata=...)``: a cloud, its machine off."""
    clouds: list[Cloud] = []

    def start(layers: Sequence[Path], enis: Sequence[Eni] = (ETH0, ETH1), **how: bool) -> Cloud:
        clouds.append(Cloud.start(new_machine(layers), enis, base=scratch / "labs", **how))
        return clouds[-1]

    yield start
    for cloud in clouds:
        sys.stdout.write(last_words(cloud.machine))
        cloud.close()


@pytest.fixture
def cloud(start_cloud: StartCloud, enabled: Layers) -> Cloud:
    """eth0 and eth1, metadata alive, and a machine that has booted with srcroutd enabled."""
    cloud = start_cloud(enabled)
    cloud.boot()
    return cloud


def last_words(machine: Machine) -> str:
    """The end of a machine's journal, or of its console if it is off."""
    if not machine.running:
        return f"{machine.name} is off; its console:\n{machine.tail()}\n"
    said = machine.attempt("journalctl --no-pager -n 60 -o short-monotonic")
    return f"the end of the journal of {machine.name}:\n{said.said}\n"
