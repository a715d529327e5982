"""Clouds for tests: the lab with the real daemon in it, whose last words are shown on failure."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.launch import why_impossible

StartCloud = Callable[..., Cloud]


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A folder for this session's labs; not tmp_path, a socket's path must be short (unix(7))."""
    if why := why_impossible():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="srcroutd-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_cloud(base: Path) -> Iterator[StartCloud]:
    """``Cloud.start`` for as many clouds as a test wants; they end with the test."""
    clouds: list[Cloud] = []

    def start(*args: Any, **words: Any) -> Cloud:
        clouds.append(Cloud.start(*args, base=base, **words))
        return clouds[-1]

    yield start
    for cloud in clouds:
        sys.stdout.write(f"{cloud.name}: the end of srcroutd's log\n{cloud.daemon.tail(40)}\n")
        if cloud.folder.exists():
            cloud.close()


@pytest.fixture
def cloud(start_cloud: StartCloud) -> Cloud:
    """A fresh cloud with eth0 attached and metadata alive; srcroutd is not started."""
    return start_cloud()


@pytest.fixture
def bare_cloud(start_cloud: StartCloud) -> Cloud:
    """A fresh cloud with eth0 attached and nothing at the metadata address: built in a tenth."""
    return start_cloud(metadata=False)


@pytest.fixture(scope="session")
def standing_cloud(base: Path) -> Iterator[Cloud]:
    """One cloud for all tests that change nothing in it; eth0 only, no metadata, no srcroutd."""
    with Cloud.start(base=base, metadata=False) as cloud:
        yield cloud
