"""Which NIC is which ENI, and what becomes of each."""

from dataclasses import replace

import pytest

from srcroutd.core.config import Config, NicEntry
from srcroutd.core.inventory import Inventory
from srcroutd.core.join import Joined, State, could_be_eni, join, nics_by_mac, primary_mac, to_seat
from srcroutd.core.net import Address, Link
from srcroutd.core.numbering import Seating, seat
from tests.pure.worlds import DOMAIN, address, addressing, eni, link, mac

ENI0 = eni(0, addressing("192.0.2.10", subnet="192.0.2.0/24", gateway="192.0.2.253"))
ENI1 = eni(1, addressing("198.51.100.5", subnet="198.51.100.0/24", gateway="198.51.100.253"))
KNOWN = Inventory("aliyun", {mac(0): ENI0, mac(1): ENI1}, primary=mac(0))


def joined(
    inventory: Inventory = KNOWN,
    links: tuple[Link, ...] = (link(0), link(1)),
    addresses: tuple[Address, ...] = (),
    config: Config | None = None,
) -> Joined:
    settings = (config or Config()).settings
    nics = nics_by_mac(links, addresses)
    primary = primary_mac(inventory, nics, default_oif=0)
    seating, _ = seat(Seating(), to_seat(inventory, nics, primary, settings), DOMAIN, {})
    return join(
        inventory,
        nics,
        addresses,
        seating=seating,
        domain=DOMAIN,
        primary=primary,
        settings=settings,
        taken={},
    )


def states(result: Joined) -> dict[str, State]:
    return {state.link.name: state.state for state in result.states}


def test_the_primary_is_left_alone_and_the_secondary_is_managed() -> None:
    result = joined()
    assert states(result) == {"eth0": State.LEFT_ALONE, "eth1": State.MANAGED}
    assert [nic.link.name for nic in result.nics] == ["eth1"]


def test_the_primary_is_managed_when_the_configuration_says_so() -> None:
    result = joined(config=Config(nics=(NicEntry(name="eth0", manage=True),)))
    assert states(result)["eth0"] is State.MANAGED


@pytest.mark.parametrize(
    "entry",
    [
        NicEntry(name="eth[1-9]", manage=False),
        NicEntry(mac=mac(1), manage=False),
        NicEntry(eni="eni-1", manage=False),
    ],
)
def test_a_nic_can_be_opted_out_by_name_mac_or_eni(entry: NicEntry) -> None:
    assert states(joined(config=Config(nics=(entry,))))["eth1"] is State.LEFT_ALONE


def test_where_nobody_can_tell_the_primary_nothing_is_managed() -> None:
    result = joined(replace(KNOWN, primary=None))
    assert set(states(result).values()) == {State.WAITING}
    assert result.nics == ()


def test_the_holder_of_the_default_route_is_the_primary_where_the_cloud_does_not_say() -> None:
    nics = nics_by_mac((link(0), link(1)), ())
    assert primary_mac(replace(KNOWN, primary=None), nics, default_oif=link(1).index) == mac(1)


def test_a_primary_that_is_not_plugged_in_yet_is_believed() -> None:
    nics = nics_by_mac((link(1),), ())
    assert primary_mac(KNOWN, nics, default_oif=link(1).index) == mac(0)


def test_a_primary_of_another_machine_is_not_believed() -> None:
    cloned = replace(KNOWN, primary="00:16:3e:ff:ff:ff")
    nics = nics_by_mac((link(0), link(1)), ())
    assert primary_mac(cloned, nics, default_oif=link(0).index) == mac(0)


def test_a_nic_that_metadata_does_not_know_waits_and_is_a_reason_to_ask() -> None:
    result = joined(links=(link(0), link(1), link(3)))
    assert states(result)["eth3"] is State.WAITING
    assert result.unexplained == {mac(3)}


def test_a_nic_that_metadata_no_longer_lists_keeps_its_routing_and_says_so() -> None:
    result = joined(replace(KNOWN, unlisted=frozenset({mac(1)})))
    assert states(result)["eth1"] is State.KEPT
    assert [nic.link.name for nic in result.nics] == ["eth1"]


def test_each_nic_knows_the_subnets_of_the_others() -> None:
    (nic,) = joined().nics
    assert nic.elsewhere == ((ENI0.v4.subnet, "eni-0"),)  # type: ignore[union-attr]


def test_an_address_on_two_nics_belongs_to_the_eni_that_lists_it() -> None:
    twice = (address(1, "198.51.100.5/24"), address(2, "198.51.100.5/24"))
    other = eni(2, addressing("198.51.100.9", subnet="198.51.100.0/24", gateway="198.51.100.253"))
    known = replace(KNOWN, enis={**KNOWN.enis, mac(2): other})
    claimed = {
        nic.link.name: nic.claimed for nic in joined(known, (link(0), link(1), link(2)), twice).nics
    }
    assert claimed == {"eth1": frozenset(), "eth2": {twice[0].ip}}


@pytest.mark.parametrize(
    ("device", "could_be"),
    [
        (Link(5, "eth1", mac(1), up=True), True),
        (Link(5, "eth1", "52:54:00:12:34:56", up=True), True),
        (Link(5, "eth1", mac(1), up=True, kind="veth"), True),
        (Link(5, "veth1a2b", "be:62:c0:a6:3f:cd", up=True, kind="veth"), False),
        (Link(5, "docker0", "02:42:ac:11:00:01", up=True, kind="bridge"), False),
        (Link(5, "eth1.100", mac(1), up=True, kind="vlan"), False),
        (Link(5, "macvlan0", mac(1), up=True, kind="macvlan"), False),
        (Link(1, "lo", "00:00:00:00:00:00", up=True, loopback=True), False),
        (Link(9, "tun0", "", up=True, kind="tun"), False),
    ],
)
def test_software_devices_and_container_links_are_no_enis(device: Link, could_be: bool) -> None:
    assert could_be_eni(device) is could_be


def test_of_two_devices_with_one_mac_the_one_that_bears_addresses_is_meant() -> None:
    accelerated = Link(4, "enP1", mac(1), up=True, master=5)
    master = Link(5, "eth1", mac(1), up=True)
    on_master = Address(5, address(1, "198.51.100.5/24").interface)
    assert nics_by_mac((accelerated, master), (on_master,))[mac(1)] == master


def test_a_nic_that_no_static_entry_names_is_left_alone() -> None:
    result = joined(replace(KNOWN, final=True), links=(link(0), link(1), link(3)))
    assert states(result)["eth3"] is State.LEFT_ALONE
