"""``[[egress]]`` in the file: what it may say, and every contradiction with file and line."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.errors import ConfigError
from srcroutd.daemon.configfile import load


def written(folder: Path, text: str, name: str = "srcroutd.toml") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return folder / "srcroutd.toml"


def test_an_entry_may_say_all_this(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        [[egress]]
        name = "smtp out"
        to = ["203.0.113.0/24", "198.51.100.7/32"]
        protocol = "tcp"
        port = "25-26"
        uid = 1000
        mark = "0x10/0xff"
        nic = "eth1"
        source = "192.0.2.10"
        snat = true
        """,
    )
    assert load(file).egress == (
        EgressEntry(
            "smtp out",
            f"{file}:2",
            (ip_network("203.0.113.0/24"), ip_network("198.51.100.7/32")),
            6,
            (25, 26),
            (1000, 1000),
            0x10,
            0xFF,
            "eth1",
            ip_address("192.0.2.10"),
            snat=True,
        ),
    )


def test_an_entry_may_say_next_to_nothing(tmp_path: Path) -> None:
    file = written(tmp_path, '[[egress]]\nto = "::/0"\nmark = 0x7\nnic = "eni-1"\nprotocol = 47')
    (entry,) = load(file).egress
    assert entry == EgressEntry(
        "", f"{file}:1", (ip_network("::/0"),), 47, mark=7, mask=0xFFFFFFFF, nic="eni-1"
    )


def test_drop_ins_add_their_entries_behind(tmp_path: Path) -> None:
    file = written(tmp_path, '[[egress]]\nnic = "eth1"\nto = "192.0.2.0/24"')
    written(tmp_path, '\n[[egress]]\nnic = "eth2"', "srcroutd.toml.d/50.toml")
    first, second = load(file).egress
    assert (first.nic, second.nic) == ("eth1", "eth2")
    assert second.where == f"{tmp_path}/srcroutd.toml.d/50.toml:2"


SMTP = '[[egress]]\nnic = "eth1"\nprotocol = "tcp"\nport = 25\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[egress]]\nto = "192.0.2.0/24"', [":1:", "number 1", "needs nic or source"]),
        ('[[egress]]\nnics = "eth1"', [":2:", "unknown key", "did you mean nic?"]),
        ('[[egress]]\nnic = "eth1"\nto = "192.0.2.1/24"', [":3:", "host bits"]),
        ('[[egress]]\nnic = "eth1"\nport = 25', [":1:", "port needs a protocol"]),
        ('[[egress]]\nnic = "eth1"\nprotocol = "icmp"\nport = 25', ["has ports"]),
        ('[[egress]]\nnic = "eth1"\nprotocol = "tpc"', [":3:", "tpc", "udp"]),
        ('[[egress]]\nnic = "eth1"\nprotocol = 256', [":3:", "255"]),
        ('[[egress]]\nnic = "eth1"\nprotocol = "tcp"\nport = 65535', [":4:", "1-65534"]),
        ('[[egress]]\nnic = "eth1"\nprotocol = "tcp"\nport = "9-8"', [":4:", "9-8"]),
        ('[[egress]]\nnic = "eth1"\nuid = "postfix"', [":3:", "id -u", "4294967294"]),
        ('[[egress]]\nnic = "eth1"\nuid = 4294967295', [":3:", "4294967294"]),
        ('[[egress]]\nnic = "eth1"\nmark = 0', [":1:", "mark 0"]),
        ('[[egress]]\nnic = "eth1"\nmark = "0x10/0x0f"', [":3:", "0x10/0x0f"]),
        ('[[egress]]\nnic = "eth1"\nname = "a\\"b"', [":3:", "name"]),
        ('[[egress]]\nsource = "127.0.0.1"', ["127.0.0.1", "no address that a NIC could have"]),
        ('[[egress]]\nsource = "0.0.0.0"', ["no address that a NIC could have"]),
        ('[[egress]]\nsource = "fe80::1"', ["on its link only"]),
        ('[[egress]]\nsource = "192.0.2.5"\nto = "::/0"', ["another family", "192.0.2.5"]),
        (
            '[[egress]]\nnic = "eth1"\nprotocol = "icmp"\nto = "::/0"',
            ["to ::/0 is of another family than icmp"],
        ),
        ('[[egress]]\nsource = "::5"\nprotocol = "icmp"', ["another family than icmp"]),
        (
            '[[egress]]\nnic = "eth1"\nto = ["10.0.0.0/8", "10.8.0.0/16"]',
            ["10.8.0.0/16 lies within 10.0.0.0/8"],
        ),
        (
            '[[egress]]\nnic = "eth1"\nto = ["10.0.0.0/8", "10.0.0.0/8"]',
            ["10.0.0.0/8 lies within 10.0.0.0/8"],
        ),
        ('[[egress]]\nnic = "eth1"\nforwarded = true', ["forwarded needs snat"]),
        (
            '[[egress]]\nnic = "eth1"\nsnat = true\nforwarded = true\nuid = 5',
            ["has no user of this host"],
        ),
        (
            '[[egress]]\nnic = "eth1"\nsnat = true\nmark = 0x10001',
            ["mark 0x10001 has bits of srcroutd's own mask 0x00ff0000"],
        ),
        (f"{SMTP}{SMTP}", [":5:", "number 2", "srcroutd.toml:1", "leave one out"]),
        (
            '[[egress]]\nnic = "eth1"\n\n[[egress]]\nsource = "192.0.2.5"',
            [":4:", "asks for what the one at"],
        ),
        (
            "".join(f'[[egress]]\nnic = "e"\nto = "10.{n}.0.0/16"\n' for n in range(125)),
            [":373:", "125 entries, and policies leaves room for 124"],
        ),
    ],
)
def test_a_contradiction_is_named_with_file_and_line(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        load(file)
    assert str(told.value).startswith(f"{file}:")
    assert [word for word in words if word not in str(told.value)] == [], told.value


def test_what_differs_in_one_selector_is_no_contradiction(tmp_path: Path) -> None:
    entries = ["", "uid = 5\n", "mark = 9\n", 'to = "192.0.2.0/24"\n']
    file = written(tmp_path, "".join(SMTP + more for more in entries))
    assert len(load(file).egress) == 4
