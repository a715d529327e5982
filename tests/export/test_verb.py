"""``srcroutctl export`` on a host without a daemon, held against what the daemon does there."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.export.registry import NAMES
from tests.export.host import ROOT, Host
from tests.export.scene import links, nics

PLACES = "--config /run/srcroutd.toml --state-dir /run/state"
PYTHON = f"cd {ROOT}; PYTHONDONTWRITEBYTECODE=1 {shlex.quote(sys.executable)} -m srcroutd.cli"
EXPORT = f"{PYTHON}.srcroutctl export {PLACES} --socket /run/none/control.sock"
DAEMON = f"{PYTHON}.srcroutd {PLACES} --runtime-dir /run/here --log text"


def configuration() -> str:
    """The scene's ENIs as an administrator without a cloud writes them down."""
    lines = ['provider = "static"']
    for one in nics():
        lines += ["[[eni]]", f'id = "{one.eni.id}"', f'name = "{one.link.name}"']
        for word, half in (("ipv4", one.eni.v4), ("ipv6", one.eni.v6)):
            assert half
            lines += [f"[eni.{word}]", f'subnet = "{half.subnet}"', f'gateway = "{half.gateway}"']
            for key, values in (("addresses", half.addresses), ("prefixes", half.prefixes)):
                lines.append(f"{key} = {json.dumps([str(value) for value in values])}")
    lines += [f'[[nic]]\nname = "{one.link.name}"\nmanage = true' for one in nics()]
    return "\n".join(lines) + "\n"


@pytest.fixture
def configured(new_host: Callable[[], Host]) -> Callable[[], Host]:
    """Makes hosts with the NICs of the scene and a configuration file."""

    def make() -> Host:
        host = new_host()
        host.run("ip -batch -", given=links())
        host.run("mkdir -p /run/state /run/here; cat >/run/srcroutd.toml", given=configuration())
        return host

    return make


def test_what_is_piped_into_sh_is_what_the_daemon_makes(configured: Callable[[], Host]) -> None:
    exported, kept = configured(), configured()
    assert exported.ours() == []
    exported.run(f"({EXPORT} iproute2) >/run/routes; sh /run/routes")
    kept.run(f"{DAEMON} --once")
    assert exported.ours() == kept.ours() != []


def test_beside_a_daemon_the_script_finds_nothing_to_do(configured: Callable[[], Host]) -> None:
    host = configured()
    host.run(f"{DAEMON} --once")
    before = host.dump()
    host.run(f"({EXPORT} iproute2) >/run/routes; sh /run/routes")
    assert host.dump() == before


def test_it_writes_files_and_never_over_another_unless_told(
    configured: Callable[[], Host], tmp_path: Path
) -> None:
    host, folder = configured(), tmp_path / "new"
    host.run(f"{EXPORT} networkd --output {folder}")
    assert sorted(file.name for file in folder.iterdir()) == [
        f"50-srcroutd-eth{number}.conf" for number in (1, 2, 3)
    ]
    mine = folder / "50-srcroutd-eth2.conf"
    mine.write_text("mine")
    (folder / "50-srcroutd-eth3.conf").unlink()
    done = host.attempt(f"{EXPORT} networkd --output {folder}")
    assert (done.returncode, "is there already, nothing was written" in done.stderr) == (73, True)
    assert mine.read_text() == "mine"
    assert not (folder / "50-srcroutd-eth3.conf").exists()
    host.run(f"{EXPORT} networkd --output {folder} --force --nic eth2")
    assert mine.read_text().startswith("# eth2  eni-2")


def test_a_link_that_somebody_left_there_is_replaced_and_not_followed(
    configured: Callable[[], Host], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "srcroutd-routes").symlink_to(victim)
    host = configured()
    assert host.attempt(f"{EXPORT} iproute2 --output {tmp_path}").returncode == 73
    host.run(f"{EXPORT} iproute2 --output {tmp_path} --force")
    assert victim.read_text() == "mine"
    assert (tmp_path / "srcroutd-routes").read_text().startswith("#!/bin/sh\n")
    assert (tmp_path / "srcroutd-routes").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("form", NAMES)
def test_json_has_every_document_and_no_other_word(
    configured: Callable[[], Host], form: str
) -> None:
    told = json.loads(configured().run(f"{EXPORT} {form} --json"))
    assert (told["version"], told["kind"], told["format"]) == (1, "srcroutd.export", form)
    assert len(told["documents"]) == (3 if form == "networkd" else 1)
    for document in told["documents"]:
        assert set(document) == {"name", "path", "text", "apply"}
        assert document["apply"].endswith(".")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("netpan", "do you mean netplan?"),
        ("nmcli --nic eth11", "do you mean eth1?"),
        ("", "FORMAT"),
    ],
)
def test_what_it_does_not_know_is_a_usage_error_that_names_the_nearest(
    configured: Callable[[], Host], words: str, why: str
) -> None:
    done = configured().attempt(f"{EXPORT} {words}")
    assert (done.returncode, why in done.stderr, done.stdout) == (64, True, ""), done


def test_where_nothing_is_kept_it_says_why_and_succeeds(configured: Callable[[], Host]) -> None:
    host = configured()
    host.run("sed -i 's/manage = true/manage = false/' /run/srcroutd.toml")
    done = host.attempt(f"{EXPORT} iproute2")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing to export: eth1 is left alone: the configuration says so; eth2" in done.stderr
    assert json.loads(host.run(f"{EXPORT} iproute2 --json"))["documents"] == []


def test_the_name_of_a_nic_cannot_become_a_command(configured: Callable[[], Host]) -> None:
    host, evil = configured(), "x;touch$IFS/a"
    host.run(f"ip link set eth2 down; ip link set eth2 name '{evil[:15]}'".replace("/", "-"))
    name = evil.replace("/", "-")[:15]
    host.run(f'sed -i \'s|"eth2"|"{name}"|\' /run/srcroutd.toml')
    for form in NAMES:
        done = host.attempt(f"{EXPORT} {form}")
        assert (done.returncode, done.stdout) == (64, ""), form
        assert f"{name!r} cannot be written" in done.stderr
        assert host.attempt(f"{EXPORT} {form} --nic eth1").returncode == 0
