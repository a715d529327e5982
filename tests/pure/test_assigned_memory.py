"""The file of the addresses that we put: of one boot and namespace, and only what we write."""

import json
from ipaddress import ip_interface
from pathlib import Path

import pytest

from srcroutd.core.assign_values import Placed
from srcroutd.daemon.assigned_memory import AssignedMemory
from srcroutd.daemon.store import Damaged

PUT = frozenset(
    Placed("00:16:3e:00:00:01", 3, ip_interface(text)) for text in ("192.0.2.6/32", "2001:db8::6")
)


def test_what_is_saved_comes_back_in_the_same_epoch_alone(tmp_path: Path) -> None:
    memory = AssignedMemory(tmp_path)
    assert (memory.load("boot 1"), memory.exists()) == (frozenset(), False)
    memory.save(PUT, "boot 1")
    assert memory.load("boot 1") == PUT
    assert memory.load("boot 2") == frozenset()
    assert (tmp_path / "addresses.json").stat().st_mode & 0o777 == 0o600


def test_nothing_to_remember_is_no_file(tmp_path: Path) -> None:
    memory = AssignedMemory(tmp_path)
    memory.save(PUT, "boot 1")
    memory.save((), "boot 1")
    memory.save((), "boot 1")
    assert not memory.exists()


def test_the_same_addresses_give_the_same_bytes(tmp_path: Path) -> None:
    memory = AssignedMemory(tmp_path)
    memory.save(sorted(PUT, key=str), "boot 1")
    first = (tmp_path / "addresses.json").read_bytes()
    memory.save(sorted(PUT, key=str, reverse=True), "boot 1")
    assert (tmp_path / "addresses.json").read_bytes() == first


@pytest.mark.parametrize(
    "row",
    [
        {"mac": "00:16:3e:00:00:01", "ifindex": 0, "address": "192.0.2.6/32"},
        {"mac": "00:16:3e:00:00:01", "ifindex": "3", "address": "192.0.2.6/32"},
        {"mac": "00:16:3e:00:00:01", "ifindex": 3, "address": "192.0.2.6/24"},
        {"mac": "00:16:3e:00:00:01", "ifindex": 3, "address": "nonsense"},
        {"mac": 3, "ifindex": 3, "address": "192.0.2.6/32"},
        {"mac": "00:16:3e:00:00:01", "address": "192.0.2.6/32"},
        [],
    ],
)
def test_what_we_never_write_is_set_aside_and_nothing_in_it_is_ours(
    tmp_path: Path, row: object
) -> None:
    file = tmp_path / "addresses.json"
    file.write_text(json.dumps({"schema": 1, "epoch": "boot 1", "put": [row]}))
    with pytest.raises(Damaged, match=r"addresses\.json"):
        AssignedMemory(tmp_path).load("boot 1")
    assert AssignedMemory(tmp_path).load("boot 1") == frozenset()
    assert (tmp_path / "addresses.damaged").exists()
