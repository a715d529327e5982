"""netplan's YAML, read by the real netplan, its outcome carried out by the real networkd."""

from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.export.netplan import GUARD_METRIC, netplan
from srcroutd.export.networkd import networkd
from tests.export.host import Host, settled
from tests.export.neighbour import put, start_networkd, static, with_onlink
from tests.export.scene import ADDRESSES, NUMBERS, links, scene
from tests.pure.worlds import mac

GENERATE = "{}/usr/libexec/netplan/generate --root-dir /run/root 2>&1"


def installer() -> str:
    """The YAML that an image comes with."""
    lines = ["network:", "  version: 2", "  renderer: networkd", "  ethernets:"]
    for number in NUMBERS:
        addresses = ", ".join(f'"{text}"' for text in ADDRESSES[number])
        lines += [
            f"    eth{number}:",
            f'      match: {{macaddress: "{mac(number)}"}}',
            f"      set-name: eth{number}",
            "      link-local: []",
            "      accept-ra: false",
            f"      addresses: [{addresses}]",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def planned(new_host: Callable[[], Host], tools: str, neighbours: Path) -> Host:
    """The host of the scene, its netplan and ours made into networkd's files."""
    host = new_host()
    host.run("ip -batch -", given=links(addresses=False))
    put(host, "/run/root/etc/netplan/50-installer.yaml", installer())
    (document,) = netplan(scene())
    put(host, f"/run/root{document.path}", document.text)
    assert host.run(tools + GENERATE.format(neighbours)) == ""
    host.run("mkdir -p /run/systemd; cp -r /run/root/run/systemd/network /run/systemd")
    # Without udev nobody hands the driver's permanent MAC on.
    host.run("sed -i s/^PermanentMACAddress=/MACAddress=/ /run/systemd/network/*.network")
    return host


def flat(lines: list[str]) -> list[str]:
    """What netplan can say of the daemon's: the last tier of each address, and the rules for
    containers without their limit.
    """
    said = []
    for line in static(lines):
        words, _, length = line.partition(" suppress_prefixlength ")
        if length and " to " in words:
            said.append(f"{words} proto static")
        elif not length and " oif " not in words:
            said.append(words.replace("4278198272", str(GUARD_METRIC)))
    return sorted(said)


def test_netplan_takes_it_and_networkd_makes_what_it_promises(
    planned: Host, daemons: Host, tools: str
) -> None:
    start_networkd(planned, tools)
    expected = with_onlink(flat(daemons.ours()))
    assert settled(planned.ours, expected) == expected
    assert "ignoring" not in planned.run("grep -v netif /run/said || :")


def test_the_drop_ins_it_recommends_fit_netplans_files_and_its_yaml_does_them_no_harm(
    planned: Host, daemons: Host, tools: str
) -> None:
    for number, document in zip(NUMBERS, networkd(scene(), temporary=True), strict=True):
        file = f"10-netplan-eth{number}.network"
        assert file in netplan(scene())[0].text
        put(planned, document.path.replace("FILE", file), document.text)
    start_networkd(planned, tools)
    expected = with_onlink(sorted({*static(daemons.ours()), *flat(daemons.ours())}))
    assert settled(planned.ours, expected) == expected
