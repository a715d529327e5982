"""What a reboot, a re-attach or a broken disk may not change: numbers, routing, and the will to go
on.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.life.cloud import Cloud
from tests.life.enis import ETH0, ETH1, ETH2, ETH3, Eni
from tests.life.host import Host, same, until
from tests.life.witness import Witness


def tables(host: Host) -> dict[str, str]:
    """Address to table, of all rules of ours."""
    found = re.findall(r"from ([0-9a-f.:]+) lookup (180\d\d) proto", host.ours())
    return dict(found)


def priorities(host: Host) -> dict[str, str]:
    """Address to priority, of all rules of ours."""
    found = re.findall(r"rule (\d+): from ([0-9a-f.:]+) lookup 180\d\d proto", host.ours())
    return {address: priority for priority, address in found}


def test_routing_stands_before_ready_although_metadata_is_dead(bare: Host) -> None:
    bare.plug(ETH0, ETH1, ETH2)
    cloud = Cloud(bare, ETH0, ETH1, ETH2, primary=ETH0.mac)
    cloud.start(bare)
    daemon = bare.start()
    bare.healed(full := bare.ours())
    assert set(tables(bare).values()) == {"18001", "18002"}
    assert daemon.stop() == 0
    cloud.stop()
    bare.reboot()
    # The same NICs, found in another order.
    bare.plug(ETH2, ETH1, ETH0)
    daemon = bare.start()
    same(full, bare.ours())
    assert "remembered" in " ".join(daemon.said("generation 1"))


def test_an_eni_keeps_its_numbers_under_another_name_after_a_reboot(host: Host) -> None:
    host.start()
    before, prior = tables(host), priorities(host)
    host.reboot()
    host.plug(ETH2, ETH0, ETH1)
    host.ip("link set eth1 down", "link set eth2 down", "link set eth1 name swap")
    host.ip("link set eth2 name eth1", "link set swap name eth2")
    host.ip("link set eth1 up", "link set eth2 up")
    host.ip(
        "-6 address add fd00:1::5/64 dev eth2 nodad", "-6 address add fd00:2::5/64 dev eth1 nodad"
    )
    host.start()
    assert tables(host) == before
    assert priorities(host) == prior
    assert "default via 172.16.2.253 dev eth1 table 18002" in host.ours()


def test_an_eni_keeps_its_numbers_through_detach_and_attach_in_another_order(host: Host) -> None:
    host.configure(ETH0, ETH1, ETH2, ETH3)
    host.plug(ETH3)
    daemon = host.start()
    full, before = host.ours(), tables(host)
    assert len(set(before.values())) == 3
    for nic in ("eth1", "eth3", "eth2"):
        host.ip(f"link del {nic}")
    host.healed("")
    for eni in (ETH3, ETH2, ETH1):
        host.plug(eni)
        _wait_routed(host, eni.v4[0])
        assert tables(host)[eni.v4[0]] == before[eni.v4[0]]
    host.healed(full)
    # And when the daemon was away meanwhile.
    daemon.kill()
    host.ip("link del eth1", "link del eth2")
    host.start()
    assert set(tables(host)) == set(ETH3.v4)
    host.plug(ETH2, ETH1)
    host.healed(full)


def _wait_routed(host: Host, address: str) -> None:
    until(lambda: address in tables(host), 1.0, address)


DAMAGE: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda _text: "",
    "garbage": lambda _text: "\x00\xff\x00 not even text",
    "another schema": lambda text: text.replace('"schema": 1', '"schema": 99'),
    "wrong types": lambda text: re.sub(r'"(seats|enis)": \[', r'"\1": 7, "x": [', text),
    "a list": lambda _text: "[]",
    "numbers that are no numbers": lambda text: re.sub(
        r'"(number|saved_at)": [\d.]+', r'"\1": "x"', text
    ),
}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_facts_are_told_of_and_harm_nothing(
    damage: Callable[[str], str], bare: Host
) -> None:
    bare.start().stop()
    full, path = bare.settled(), bare.state / "inventory.json"
    path.write_text(damage(path.read_text()), encoding="latin-1")
    with Witness() as witness:
        daemon = bare.start()
        same(full, bare.ours())
        assert not witness.ours()
    (warning,) = daemon.said(str(path))
    assert "WARNING" in warning
    until(lambda: json.loads(path.read_text())["schema"] == 1, 1.0, "it is written anew")
    daemon.stop()
    daemon = bare.start()
    assert not daemon.said(str(path))
    assert daemon.operations() == []


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_numbers_are_told_of_and_harm_nothing(
    damage: Callable[[str], str], host: Host
) -> None:
    # Not the numbers that a fresh start would give.
    host.ip("link del eth1")
    daemon = host.start()
    host.plug(ETH1)
    full = host.settled()
    daemon.stop()
    assert tables(host) == {"172.16.2.5": "18001", "172.16.1.5": "18002", "172.16.1.6": "18002"} | {
        "fd00:2::5": "18001",
        "fd00:1::5": "18002",
    }
    path = host.state / "numbers.json"
    path.write_text(damage(path.read_text()), encoding="latin-1")
    with Witness() as witness:
        daemon = host.start()
        same(full, host.ours())
        assert not witness.ours()
    (warning,) = daemon.said(str(path))
    assert "WARNING" in warning
    until(lambda: json.loads(path.read_text())["schema"] == 1, 1.0, "it is written anew")
    daemon.stop()
    daemon = host.start()
    assert not daemon.said(str(path))
    assert daemon.operations() == []


def test_numbers_that_were_not_written_down_are_read_off_the_kernel(host: Host) -> None:
    host.configure(ETH0, ETH1, ETH2, ETH3)
    host.ip("link del eth1")
    daemon = host.start()
    host.settled()
    before = (host.state / "numbers.json").read_text()
    host.plug(ETH3)
    host.settled()
    daemon.kill()
    # It was killed before it could write down the number of eth3, and meanwhile eth1 came.
    (host.state / "numbers.json").write_text(before)
    host.plug(ETH1)
    daemon = host.start()
    host.settled()
    assert {tables(host)[eni.v4[0]] for eni in (ETH2, ETH3, ETH1)} == {"18001", "18002", "18003"}
    assert tables(host)["172.16.3.5"] == "18002"


def test_numbers_that_stand_in_the_kernel_are_not_given_to_another_nic(bare: Host) -> None:
    bare.plug(ETH0, ETH2, ETH3)
    cloud = Cloud(bare, ETH0, ETH2, ETH3, primary=ETH0.mac)
    cloud.start(bare)
    daemon = bare.start()
    full = bare.settled()
    assert tables(bare)["172.16.3.5"] == "18002"
    daemon.kill()
    # All that was known of eth3 is lost, its record is late, and meanwhile eth1 came.
    for name, key, mine in (("numbers", "seats", "eni-3"), ("inventory", "enis", "eni-3")):
        file = bare.state / f"{name}.json"
        content = json.loads(file.read_text())
        content[key] = [one for one in content[key] if mine not in (one.get("eni"), one.get("id"))]
        file.write_text(json.dumps(content))
    cloud.tell(ETH0.facts(), ETH1.facts(), ETH2.facts())
    bare.plug(ETH1)
    with Witness() as witness:
        daemon = bare.start()
        until(lambda: "172.16.1.5" in tables(bare), 3.0, "eth1 has its rules")
        bare.settled()
        assert not witness.deletes()
    assert "default via 172.16.3.253 dev eth3 table 18002" in bare.ours()
    cloud.tell(*(eni.facts() for eni in (ETH0, ETH1, ETH2, ETH3)))
    daemon.wait_for(lambda: "3 managed" in daemon.status, "eth3 is known again")
    assert tables(bare)["172.16.3.5"] == "18002"
    bare.ip("link del eth1")
    bare.healed(full)


DISKS = {
    "read-only": "mount -t tmpfs -o ro tmpfs {0}",
    "full": "mount -t tmpfs -o size=4k tmpfs {0} && echo full > {0}/full",
}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("disk", DISKS.values(), ids=DISKS.keys())
def test_a_disk_that_cannot_be_written_costs_one_line_and_nothing_else(
    disk: str, bare: Host
) -> None:
    bare.start().stop()
    full = bare.ours()
    assert bare.cleanup()[0] == 0
    script = f'{disk.format(bare.state)} && exec "$@"'
    daemon = bare.start(below=("unshare", "--mount", "sh", "-c", script, "sh"))
    same(full, bare.ours())
    for _ in range(3):
        bare.ip("address add 172.16.1.9/24 dev eth1")
        until(lambda: "from 172.16.1.9" in bare.ours(), 1.0, "the new address")
        bare.ip("address del 172.16.1.9/24 dev eth1")
        bare.healed(full)
    for name in ("numbers.json", "inventory.json"):
        (line,) = daemon.said("cannot write", name)
        assert "ERROR" in line
    assert daemon.status.startswith("in sync")


def test_facts_of_another_machine_are_not_used(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    cloud = Cloud(bare, ETH0, ETH1, primary=ETH0.mac)
    cloud.start(bare)
    bare.start().stop()
    assert "172.16.1.5" in bare.ours()
    cloud.stop()
    # An image of it is started elsewhere: other MACs, the same addresses.
    bare.reboot()
    twins = [
        Eni(number + 16, eni.hosts, (), subnet=number) for number, eni in ((0, ETH0), (1, ETH1))
    ]
    bare.plug(*twins)
    daemon = bare.start()
    assert daemon.said("WARNING", "name no NIC of this machine")
    same("", bare.ours())
    assert "waiting" in daemon.status


def test_facts_that_are_too_old_are_not_used(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    cloud = Cloud(bare, ETH0, ETH1, primary=ETH0.mac)
    cloud.start(bare)
    bare.start().stop()
    cloud.stop()
    _saved_at(bare.state / "inventory.json", 1.0)
    bare.reboot()
    bare.plug(ETH0, ETH1)
    daemon = bare.start()
    assert daemon.said("WARNING", "inventory.json", "older than max_age")
    same("", bare.ours())


def test_a_clock_that_stands_before_the_facts_is_no_reason_to_drop_them(bare: Host) -> None:
    bare.plug(ETH0, ETH1)
    cloud = Cloud(bare, ETH0, ETH1, primary=ETH0.mac)
    cloud.start(bare)
    bare.start().stop()
    full = bare.ours()
    cloud.stop()
    _saved_at(bare.state / "inventory.json", 4e9)
    bare.reboot()
    bare.plug(ETH0, ETH1)
    bare.start()
    same(full, bare.ours())


def _saved_at(file: Path, when: float) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"saved_at": when}))


@pytest.mark.usefixtures("cloud")
def test_the_state_is_for_root_only(bare: Host) -> None:
    bare.start().stop()
    for name in ("numbers.json", "inventory.json"):
        assert (bare.state / name).stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in bare.state.iterdir()) == ["inventory.json", "numbers.json"]
