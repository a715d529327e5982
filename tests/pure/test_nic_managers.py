"""Who else gives a NIC addresses, by what lies in /run; in doubt there is somebody."""

from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

import pytest

from srcroutd.core.net import Address, Link
from srcroutd.daemon.nic_managers import managers

ETH1 = Link(3, "eth1", "00:16:3e:00:00:01", up=True)


def manager(run: Path, *addresses: Address, nic: Link = ETH1) -> str:
    return managers([nic], addresses, run)[nic.index]


def write(run: Path, name: str, text: str = "") -> Path:
    file = run / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_an_empty_run_means_nobody(tmp_path: Path) -> None:
    assert manager(tmp_path) == ""


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("ADMIN_STATE=configured\n", "systemd-networkd"),
        ("# private\nADMIN_STATE=configuring\nOPER_STATE=off\n", "systemd-networkd"),
        ("ADMIN_STATE=pending\n", "systemd-networkd"),
        ("ADMIN_STATE=unmanaged\nOPER_STATE=routable\n", ""),
        ("OPER_STATE=off\n", "systemd-networkd, which has not said yet"),
        (None, "systemd-networkd, which has not said yet"),
    ],
)
def test_networkd_says_it_by_link(tmp_path: Path, said: str | None, who: str) -> None:
    write(tmp_path, "systemd/netif/state", "OPER_STATE=routable\n")
    write(tmp_path, "systemd/netif/links/4", "ADMIN_STATE=configured\n")
    if said is not None:
        write(tmp_path, "systemd/netif/links/3", said)
    assert manager(tmp_path) == who


def test_folders_alone_are_no_networkd(tmp_path: Path) -> None:
    (tmp_path / "systemd/netif/links").mkdir(parents=True)
    assert manager(tmp_path) == ""


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("[device]\nmanaged=true\n", "NetworkManager"),
        ("[device]\nmanaged=unknown\n", "NetworkManager"),
        ("[device]\nmanaged=false\n", ""),
        (None, "NetworkManager, which has not said yet"),
    ],
)
def test_networkmanager_says_it_by_device(tmp_path: Path, said: str | None, who: str) -> None:
    write(tmp_path, "NetworkManager/devices/2", "[device]\nmanaged=true\n")
    if said is not None:
        write(tmp_path, "NetworkManager/devices/3", said)
    assert manager(tmp_path) == who


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("dhclient.eth1.pid", "dhclient"),
        ("dhclient-eth1.pid", "dhclient"),
        ("dhcpcd/eth1.pid", "dhcpcd"),
        ("dhcpcd/pid", "dhcpcd"),
        ("udhcpc.eth1.pid", "udhcpc"),
        ("network/ifstate.eth1", "ifupdown"),
    ],
)
def test_a_client_has_a_file_of_the_nics_name(tmp_path: Path, name: str, who: str) -> None:
    file = write(tmp_path, name, "321\n")
    assert manager(tmp_path) == f"{who} ({file})"
    other = replace(ETH1, index=4, name="eth11")
    if "eth1" in name:
        assert manager(tmp_path, nic=other) == ""


def test_ifupdown_lists_what_it_brought_up(tmp_path: Path) -> None:
    write(tmp_path, "network/ifstate", "lo=lo\neth1=eth1\n")
    assert manager(tmp_path).startswith("ifupdown")
    assert manager(tmp_path, nic=replace(ETH1, index=4, name="eth2")) == ""


def test_an_ipv4_address_with_an_end_was_leased(tmp_path: Path) -> None:
    leased = Address(3, ip_interface("192.0.2.5/24"), permanent=False)
    assert manager(tmp_path, leased) == "a DHCP client"
    assert manager(tmp_path, replace(leased, index=4)) == ""
    by_router = Address(3, ip_interface("2001:db8::5/64"), permanent=False)
    assert manager(tmp_path, by_router) == "", "the kernel itself takes those"


def test_a_name_that_is_odd_finds_nothing_outside(tmp_path: Path) -> None:
    write(tmp_path, "dhclient.eth1.pid")
    assert manager(tmp_path, nic=replace(ETH1, index=4, name="..")) == ""
