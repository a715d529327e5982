"""The memory of earlier sysctls: atomic, private, and believed only in the epoch it is of."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.sysctl_plan import Change, Memory, Place
from srcroutd.core.sysctls import Knob
from srcroutd.daemon.store import Damaged
from srcroutd.daemon.sysctl_memory import SysctlMemory
from tests.pure.worlds import mac

NOW = "3b241101-e2bb-4255-8caf-4136c566a962 cookie 1"
MEMORY: Memory = {
    Place(mac(1), 3, "arp_ignore"): Change(0, 1),
    Place(mac(1), 3, "arp_announce"): Change(-1, 2),
    Place(mac(2), 4, "keep_addr_on_down"): Change(2**31 - 1, 1),
}
memories = st.dictionaries(
    st.builds(
        Place,
        st.integers(0, 255).map(mac),
        st.integers(1, 2**31 - 1),
        st.sampled_from([knob.file for knob in Knob]),
    ),
    st.builds(Change, st.integers(-(2**31), -1), st.integers(0, 2**31 - 1)),
)


def file(directory: Path) -> Path:
    return directory / "sysctls.json"


def test_a_first_run_remembers_nothing(tmp_path: Path) -> None:
    assert SysctlMemory(tmp_path / "state").load(NOW) == {}


@settings(max_examples=40)  # each goes to the disk
@given(memories)
def test_what_is_saved_is_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, memory: Memory
) -> None:
    directory = tmp_path_factory.mktemp("state")
    SysctlMemory(directory).save(MEMORY, NOW)
    SysctlMemory(directory).save(memory, NOW)
    assert SysctlMemory(directory).load(NOW) == memory


def test_the_file_is_for_its_owner_only_and_the_same_each_time(tmp_path: Path) -> None:
    SysctlMemory(tmp_path).save(MEMORY, NOW)
    first = file(tmp_path).read_bytes()
    SysctlMemory(tmp_path).save(dict(reversed(list(MEMORY.items()))), NOW)
    assert file(tmp_path).read_bytes() == first
    assert file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_where_nothing_is_remembered_there_is_no_file(tmp_path: Path) -> None:
    SysctlMemory(tmp_path).save(MEMORY, NOW)
    SysctlMemory(tmp_path).save({}, NOW)
    SysctlMemory(tmp_path).save({}, NOW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", [NOW.replace("3b", "4c"), NOW.replace("cookie 1", "cookie 2")])
def test_another_boot_or_another_namespace_has_nothing_to_restore(
    tmp_path: Path, other: str
) -> None:
    SysctlMemory(tmp_path).save(MEMORY, NOW)
    assert SysctlMemory(tmp_path).load(other) == {}
    assert SysctlMemory(tmp_path).load(NOW) == MEMORY


def row(**words: object) -> dict[str, object]:
    """One change as the file has it, with something else in it."""
    good = {"mac": mac(1), "ifindex": 3, "sysctl": "arp_ignore", "before": 0, "ours": 1}
    return {**good, **words}


@pytest.mark.parametrize(
    "changes",
    [
        *(
            [row(**{key: value})]
            for key, value in (
                ("mac", "../../kernel"),
                ("mac", ""),
                ("mac", 7),
                ("sysctl", "../../../kernel/panic"),
                ("sysctl", "forwarding"),
                ("sysctl", ["arp_ignore"]),
                ("ifindex", 0),
                ("ifindex", "3"),
                ("ifindex", True),
                ("before", 2**31),
                ("before", 0.5),
                ("before", None),
                ("ours", 0),
                ("ours", "1; reboot"),
            )
        ),
        [row(), row(before=5)],
        [[]],
        ["x"],
        {},
        None,
        7,
        [{}],
    ],
)
def test_what_we_never_wrote_is_set_aside_and_nothing_is_restored(
    tmp_path: Path, changes: object
) -> None:
    if changes == {}:
        changes = {"mac": mac(1)}
    content = {"schema": 1, "epoch": NOW, "changes": changes}
    file(tmp_path).write_text(json.dumps(content))
    with pytest.raises(Damaged, match=r"sysctls\.json"):
        SysctlMemory(tmp_path).load(NOW)
    assert SysctlMemory(tmp_path).load(NOW) == {}
    assert json.loads((tmp_path / "sysctls.damaged").read_text()) == content


@settings(max_examples=60)
@given(st.data())
def test_no_damage_of_the_file_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("state")
    SysctlMemory(directory).save(MEMORY, NOW)
    raw = bytearray(file(directory).read_bytes())
    cut = data.draw(st.integers(0, len(raw)))
    raw[cut : cut + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    file(directory).write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    with suppress(Damaged):
        SysctlMemory(directory).load(NOW)


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sysctls.new").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        SysctlMemory(tmp_path / "state").save(MEMORY, NOW)
    assert target.read_text() == "mine"
