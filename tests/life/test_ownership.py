"""What root leaves in the service's directories is the service's; nothing elsewhere ever is."""

import os
from pathlib import Path

import pytest

from srcroutd.core.errors import ConfigError
from srcroutd.daemon.places import lock
from srcroutd.daemon.store import Store
from tests.pure.test_store import NUMBERS

SERVICE = 4242


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory of the service's user."""
    directory = tmp_path / "theirs"
    directory.mkdir(mode=0o755)
    os.chown(directory, SERVICE, SERVICE)
    return directory


def owner(file: Path) -> tuple[int, int]:
    found = file.lstat()
    return found.st_uid, found.st_gid


def test_what_root_saves_and_locks_belongs_to_the_service(theirs: Path) -> None:
    Store(theirs).save_numbers(NUMBERS)
    lock(theirs).close()
    assert {owner(file) for file in theirs.iterdir()} == {(SERVICE, SERVICE)}
    assert len(list(theirs.iterdir())) == 2


def test_a_link_that_the_service_put_there_leads_root_nowhere(theirs: Path, tmp_path: Path) -> None:
    roots = tmp_path / "shadow"
    roots.write_text("secret")
    (theirs / "lock").symlink_to(roots)
    with pytest.raises(ConfigError, match="cannot be used as runtime directory"):
        lock(theirs)
    assert (owner(roots), roots.read_text()) == ((0, 0), "secret")


def test_a_second_name_of_roots_file_gives_nothing_away(theirs: Path, tmp_path: Path) -> None:
    roots = tmp_path / "shadow"
    roots.touch()
    (theirs / "lock").hardlink_to(roots)
    lock(theirs).close()
    assert owner(roots) == (0, 0)
