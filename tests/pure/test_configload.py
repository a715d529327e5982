"""``[[load]]`` in the file: what it becomes, and the mistakes that are named with file and line."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from srcroutd.core.errors import ConfigError
from srcroutd.core.load import LoadEntry
from srcroutd.daemon.configfile import load

TWO = "nics = { eth0 = 2, eth1 = 1 }"


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "srcroutd.toml"
    path.write_text(text)
    return path


def test_everything_is_shared_unless_it_says_what(tmp_path: Path) -> None:
    text = f'[[load]]\n{TWO}\n[[load]]\nto = ["203.0.113.0/24"]\nnics = {{ eni-b = 1, eth1 = 256 }}'
    assert load(file(tmp_path, text)).load == (
        LoadEntry((("eth0", 2), ("eth1", 1)), (ip_network("0.0.0.0/0"), ip_network("::/0"))),
        LoadEntry((("eni-b", 1), ("eth1", 256)), (ip_network("203.0.113.0/24"),)),
    )


MISTAKES = {
    "no nics": ("\n[[load]]\n", ":2: [[load]] number 1: needs nics with their weights"),
    "empty nics": ("[[load]]\nnics = {}", "needs nics with their weights"),
    "weight 0": (
        "[[load]]\n\nnics = { eth0 = 0, eth1 = 1 }",
        ":3: [[load]] number 1: nics: eth0 = 0: a weight is from 1 to 256",
    ),
    "weight 257": (
        "[[load]]\nnics = { eth0 = 1, eth1 = 257 }",
        ":2: [[load]] number 1: nics: eth1 = 257: a weight is from 1 to 256",
    ),
    "no number": ('[[load]]\nnics = { eth0 = "much", eth1 = 1 }', ":2: load.1.nics.eth0"),
    "one nic": (
        "[[load]]\nnics = { eth0 = 1 }",
        ":2: [[load]] number 1: nics: eth0 alone shares with nobody",
    ),
    "twice everything": (
        f"[[load]]\n{TWO}\n[[load]]\n{TWO}",
        ":3: [[load]] number 2: 0.0.0.0/0 is in number 1 too",
    ),
    "twice one": (
        f'[[load]]\nto = ["10.0.0.0/8"]\n{TWO}\n[[load]]\n{TWO}\nto = ["::/0", "10.0.0.0/8"]',
        ":6: [[load]] number 2: to: 10.0.0.0/8 is in number 1 too",
    ),
    "to nothing": (f"[[load]]\nto = []\n{TWO}", ":2: load.1.to"),
    "no prefix": (f'[[load]]\nto = ["far away"]\n{TWO}', ":2: load.1.to"),
    "unknown key": (f"[[load]]\nnic = 1\n{TWO}", "did you mean nics?"),
    "no room": (
        f'policies = "17000-17009"\n[[load]]\nto = ["10.0.0.0/8", "172.16.0.0/12"]\n{TWO}',
        ":1: policies: has room for 0 lengths of prefix",
    ),
    "no table": (
        f'tables = "18000-18004"\n[[load]]\n{TWO}',
        ":1: tables: leaves no table for [[load]]",
    ),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_entries_of_several_files_are_counted_each_in_its_own(tmp_path: Path) -> None:
    path = file(tmp_path, f"[[load]]\n{TWO}")
    more = tmp_path / "srcroutd.toml.d" / "more.toml"
    more.parent.mkdir()
    more.write_text(f"# more\n[[load]]\n{TWO}")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{more}:2: [[load]] number 1: 0.0.0.0/0 is in number 1")
