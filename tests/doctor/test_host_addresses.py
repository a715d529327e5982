"""Addresses on a real kernel that metadata does not know, or that a link would lose."""

from srcroutd.lab.cloud import Cloud
from tests.doctor.conftest import Ask


def test_an_address_that_only_the_nic_has_is_a_note_unless_it_is_in_its_subnet(
    ask: Ask, cloud: Cloud
) -> None:
    cloud.instance.ip("addr add 172.16.1.77/24 dev eth1")
    cloud.daemon.ctl("reconcile")
    assert "address-not-listed" not in ask()
    cloud.instance.ip("addr add 192.0.2.77/24 dev eth1")
    cloud.daemon.ctl("reconcile")
    finding = ask()["address-not-listed"]
    assert (finding["severity"], finding["nic"]) == ("note", "eth1")
    assert "192.0.2.77" in finding["what"]


def test_configured_ipv6_goes_with_the_link_unless_it_is_to_be_kept(ask: Ask, cloud: Cloud) -> None:
    finding = ask()["keep-addr-on-down"]
    assert finding["severity"] == "note"
    cloud.instance.sysctl({"net/ipv6/conf/all/keep_addr_on_down": "1"})
    assert "keep-addr-on-down" not in ask()
