"""The configuration file: complete when empty, and every mistake named with file, line and nearest
key.
"""

from pathlib import Path

import pytest

from srcroutd.core.config import Config
from srcroutd.core.errors import ConfigError, Exit
from srcroutd.daemon.configfile import load


def written(directory: Path, text: str, name: str = "srcroutd.toml") -> Path:
    file = directory / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return directory / "srcroutd.toml"


def test_no_file_and_an_empty_file_are_complete(tmp_path: Path) -> None:
    assert load(tmp_path / "srcroutd.toml") == Config()
    assert load(written(tmp_path, "")) == Config()
    assert Config().metrics is None, "nobody asked for a TCP address"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('provder = "auto"', [":1:", "provder", "did you mean provider?"]),
        ('[[nic]]\nname = "eth1"\nmanages = true', [":3:", "manages", "did you mean manage?"]),
        ('[[nic]]\nname="a"\n[[nic]]\nname="b"\noif = true', [":5:", "oif", "oif_rule"]),
        ("protocol = 4096", [":1:", "protocol", "255"]),
        ('priorities = "18999-18000"', [":1:", "priorities", "18000-18999"]),
        ('tables = "200-300"', ["tables", "254"]),
        ('priorities = "32000-32767"', ["priorities", "32765"]),
        ('priorities = "18000-18015"', ["no room"]),
        ("[[nic]]\nmanage = true", ["name, mac or eni"]),
        ('[[nic]]\nmac = "nonsense"', [":2:", "MAC"]),
        ('[[nic]]\nname = "a"\naddresses = "all"', [":3:", "addresses", "'leave' or 'assign'"]),
        (
            '[[nic]]\nname = "a"\nmanage = false\naddresses = "assign"',
            [":1:", "[[nic]] number 1", "contradicts manage = false"],
        ),
        ('provider = "static"', ["[[eni]]"]),
        ('provider = "static"\n[[eni]]\nname = "eth1"', ["ipv4 or ipv6"]),
        (
            'provider = "static"\n[[eni]]\nname = "a"\nipv4 = {subnet="192.0.2.0/24", gatway=""}',
            [":4:", "gatway", "gateway"],
        ),
        ("provider = \n", ["line 1"]),
        ("refresh = 1", [":1:", "refresh", "30"]),
        ('metrics = "everywhere"', [":1:", "metrics", "127.0.0.1:9183"]),
        ("metrics = 70000", [":1:", "metrics", "70000", "65535"]),
        ('metrics = "300.1.2.3:80"', [":1:", "metrics", "300.1.2.3"]),
        ('[[nic]]\nname = "a"\nroutes = [{ to = "10.8.0.1/16" }]', [":3:", "to", "host bits"]),
        ('[[nic]]\nname = "a"\nroutes = [{ ot = "10.8.0.0/16" }]', [":3:", "mean to"]),
        ('[[nic]]\nname = "a"\nroutes = [{ to = "::/0", via = "10.0.0.1" }]', ["another family"]),
        (
            '[[nic]]\nname = "a"\nroutes = [{ to = "10.8.0.0/16", via = "::1", type = "throw" }]',
            ["number 1", "another family"],
        ),
        (
            '[[nic]]\nname = "a"\nroutes = [{ to = "10.8.0.0/16" }, { to = "10.8.0.0/16" }]',
            ["number 1", "twice"],
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_what_to_do(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    sentence = str(caught.value)
    assert str(tmp_path / "srcroutd.toml") in sentence
    assert [word for word in words if word not in sentence] == [], sentence
    assert caught.value.exit_code == Exit.CONFIG


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("false", None),
        ("true", ("127.0.0.1", 9183)),
        ("9100", ("127.0.0.1", 9100)),
        ('"192.0.2.7"', ("192.0.2.7", 9183)),
        ('"192.0.2.7:80"', ("192.0.2.7", 80)),
        ('":80"', ("127.0.0.1", 80)),
        ('"[::1]:9100"', ("::1", 9100)),
    ],
)
def test_metrics_by_tcp_are_off_and_loopback_when_on(
    tmp_path: Path, said: str, meant: tuple[str, int] | None
) -> None:
    assert load(written(tmp_path, f"metrics = {said}")).metrics == meant


def test_drop_ins_win_in_name_order_and_add_their_entries(tmp_path: Path) -> None:
    file = written(tmp_path, 'refresh = 100\n[[nic]]\nname = "eth1"\nmanage = false')
    written(
        tmp_path, 'refresh = 200\n[[nic]]\nname = "eth2"\nmanage = false', "srcroutd.toml.d/10.toml"
    )
    written(tmp_path, "refresh = 300", "srcroutd.toml.d/20.toml")
    config = load(file)
    assert config.refresh_s == 300
    assert [entry.name for entry in config.nics] == ["eth1", "eth2"]


def test_a_mistake_in_a_drop_in_is_named_there(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    written(tmp_path, "\nlok = 3", "srcroutd.toml.d/10.toml")
    with pytest.raises(ConfigError, match=r"10\.toml:2: unknown key lok"):
        load(file)


@pytest.mark.parametrize("junk", [b"\xff\xfe\x00", b"x" * 2_000_000])
def test_a_file_that_is_no_configuration_gets_one_sentence(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "srcroutd.toml").write_bytes(junk)
    with pytest.raises(ConfigError, match="is this the right file"):
        load(tmp_path / "srcroutd.toml")
