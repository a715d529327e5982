"""What the tests of the control socket share: a folder with a short path."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a socket: the kernel takes 107 bytes of a path."""
    with tempfile.TemporaryDirectory(prefix="control") as name:
        yield Path(name)
