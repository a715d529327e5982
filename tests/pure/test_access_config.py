"""``[[access]]`` in the configuration: what it means, and what contradicts itself, named with file
and line.
"""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from srcroutd.core.access import AccessEntry
from srcroutd.core.errors import ConfigError
from srcroutd.core.net import Action
from srcroutd.daemon.configfile import load


def written(folder: Path, text: str, name: str = "srcroutd.toml") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return folder / "srcroutd.toml"


def entry(folder: Path, text: str) -> AccessEntry:
    (found,) = load(written(folder, f"[[access]]\n{text}")).access
    return found


def test_an_entry_with_everything(tmp_path: Path) -> None:
    found = entry(
        tmp_path,
        """
        name = "all"
        via = "main"
        from = "192.0.2.5"
        to = ["198.51.100.0/24", "203.0.113.0/24"]
        iif = "lo"
        oif = "eth1"
        protocol = "TCP"
        port = "80-90"
        source_port = 1024
        uid = "1000-1999"
        mark = "0x1/0xff"
        force = true
        """,
    )
    assert replace(found, origin="") == AccessEntry(
        Action.LOOKUP,
        "main",
        src=(ip_network("192.0.2.5/32"),),
        dst=(ip_network("198.51.100.0/24"), ip_network("203.0.113.0/24")),
        iif="lo",
        oif="eth1",
        protocol=6,
        sport=(1024, 1024),
        dport=(80, 90),
        uids=(1000, 1999),
        mark=1,
        mask=255,
        force=True,
        name="all",
    )
    assert found.origin == f"{tmp_path}/srcroutd.toml:1: [[access]] number 1"


def test_via_alone_routes(tmp_path: Path) -> None:
    found = entry(tmp_path, 'via = "eth1"\nuid = 7\nmark = 5')
    assert (found.action, found.via, found.uids) == (Action.LOOKUP, "eth1", (7, 7))
    assert (found.mark, found.mask) == (5, 0xFFFFFFFF)


def test_no_mark_is_a_mark_too(tmp_path: Path) -> None:
    found = entry(tmp_path, 'action = "prohibit"\nmark = "0/0xff"')
    assert (found.mark, found.mask) == (0, 0xFF)


def test_prefixes_inside_others_and_said_twice_make_one_rule(tmp_path: Path) -> None:
    listed = '["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"]'
    found = entry(tmp_path, f'action = "prohibit"\nto = {listed}')
    assert found.dst == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


def test_entries_of_drop_ins_come_after_and_are_named_there(tmp_path: Path) -> None:
    file = written(tmp_path, '[[access]]\nvia = "eth1"\nto = "192.0.2.0/24"')
    drop_in = '\n\n[[access]]\naction = "prohibit"\nto = "198.51.100.0/24"'
    written(tmp_path, drop_in, "srcroutd.toml.d/10.toml")
    first, second = load(file).access
    assert first.origin == f"{tmp_path}/srcroutd.toml:1: [[access]] number 1"
    assert second.origin == f"{tmp_path}/srcroutd.toml.d/10.toml:3: [[access]] number 1"


ROUTE, STOP = 'via = "eth1"', 'action = "prohibit"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('to = "10.0.0.0/8"', [":2:", "needs via"]),
        (f'{STOP}\nvia = "eth1"\niif = "lo"', [":2:", "leads nowhere", "leave out via"]),
        (STOP, [":2:", "asks for nothing", "from, to, iif"]),
        (ROUTE, [":2:", "asks for nothing"]),
        (f'{STOP}\nname = "x"\nforce = true', ["asks for nothing"]),
        (f'{STOP}\nform = "10.0.0.0/8"', [":4:", "form", "did you mean from?"]),
        ('action = "deny"\niif = "lo"', [":3:", "action", "prohibit"]),
        (f'{STOP}\nto = "10.0.0.1/8"', [":4:", "to", "host bits"]),
        (f"{STOP}\nport = 80", ["ports belong to a protocol", "say which"]),
        (f'{STOP}\nprotocol = "icmp"\nport = 80', ["protocol 1 has none"]),
        (f'{STOP}\nprotocol = "tcp"\nport = 65535', [":5:", "port", "1-65534"]),
        (f'{STOP}\nprotocol = "tcp"\nport = "90-80"', [":5:", "80-90"]),
        (f'{STOP}\nprotocol = "tcp"\nsource_port = true', [":5:", "source_port"]),
        (f'{STOP}\nprotocol = "tpc"', [":4:", "'tpc' is no protocol", "tcp, udp"]),
        (f"{STOP}\nprotocol = 256", [":4:", "255"]),
        (f'{STOP}\nuid = "root"', [":4:", "uid", "id -u NAME"]),
        (f"{STOP}\nuid = 4294967295", [":4:", "uid"]),
        (f'{STOP}\nmark = "0x100/0xff"', [":4:", "0x100 has bits outside of its mask 0xff"]),
        (f'{STOP}\nmark = "1/0"', [":4:", "a mask with one bit"]),
        (f'{STOP}\nmark = "green"', [":4:", "0x1/0xff"]),
        (f"{STOP}\nmark = true", [":4:", "0x1/0xff"]),
        (f'{STOP}\nfrom = "10.0.0.0/8"\nto = "2001:db8::/32"', ["different families"]),
        (f'{STOP}\nfrom = ["::/0", "10.0.0.0/8"]\nto = "::/0"', ["different families"]),
        (f'{STOP}\nprotocol = "icmp"\nto = "2001:db8::/32"', ["icmp", "family"]),
        (f'{STOP}\niif = "eth1"\nuid = 0', ["uid is about what this host sends"]),
        (f'{STOP}\niif = "eth1"\noif = "eth2"', ["oif is about sockets of this host"]),
        (f'{STOP}\noif = "eth2"', ["no IPv4 packet", "bound to a NIC", "IPv6 prefixes"]),
        (f'{STOP}\niif = "eth 1"', [":4:", "iif"]),
        (
            (
                f"{STOP}\nfrom = {[f'10.0.{n}.0/24' for n in range(40)]}\n"
                f"to = {[f'10.1.{n}.0/24' for n in range(0, 80, 2)]}"
            ),
            ["more than 256 pairs"],
        ),
    ],
)
def test_a_contradiction_is_named_with_file_line_and_what_to_do(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, f"\n[[access]]\n{text}"))
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path}/srcroutd.toml:")
    assert [word for word in words if word not in sentence] == [], sentence


def test_an_entry_that_nothing_can_meet_names_the_one_that_hides_it(tmp_path: Path) -> None:
    file = written(tmp_path, f'[[access]]\n{STOP}\nto = "10.0.0.0/8"')
    written(tmp_path, f'[[access]]\n{ROUTE}\nto = "10.1.0.0/16"\nuid = 5', "srcroutd.toml.d/a.toml")
    with pytest.raises(ConfigError) as caught:
        load(file)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path}/srcroutd.toml.d/a.toml:1: [[access]] number 1: nothing")
    assert f"{tmp_path}/srcroutd.toml:1: [[access]] number 1 refuses all of it" in sentence


def test_more_entries_than_priorities_are_too_many(tmp_path: Path) -> None:
    entries = "".join(f'[[access]]\n{STOP}\nto = "10.0.{number}.0/24"\n' for number in range(4))
    file = written(tmp_path, f'policies = "17000-17005"\n{entries}')
    with pytest.raises(ConfigError) as caught:
        load(file)
    words = ["number 4", "only 3 priorities", "17000-17002", "policies"]
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert len(load(written(tmp_path, f'policies = "17000-17007"\n{entries}')).access) == 4
