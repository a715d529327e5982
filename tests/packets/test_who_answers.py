"""Who answers on which wire: the matrix of askers and NICs, with srcroutd and without.

Each cell of a table is the wire by which answers leave. Only an answer that leaves by the wire of
the NIC that was asked arrives: the VPC's source check sees to that.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from srcroutd.core.net import IP
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni, eni
from tests.packets.wires import (
    DROPPED_S,
    KINDS,
    PATIENCE_S,
    VERSIONS,
    ask,
    assert_answers,
    first,
    forget_route,
    left_by,
    neighbour,
    outside,
)

Table = dict[str, tuple[str, str, str]]

# By who asks: the wires of the answers of eth0, eth1 and eth2.
WITHOUT: Table = {
    "the client": ("eth0", "eth0", "eth0"),
    "a neighbour of eth0": ("eth0", "eth0", "eth0"),
    "a neighbour of eth1": ("eth1", "eth1", "eth1"),
    "a third vSwitch": ("eth0", "eth0", "eth0"),
}
WITH: Table = {
    "the client": ("eth0", "eth1", "eth2"),
    "a neighbour of eth0": ("eth0", "eth1", "eth2"),
    # The primary NIC is left alone: to eth1's subnet it answers as it would without srcroutd.
    "a neighbour of eth1": ("eth1", "eth1", "eth2"),
    "a third vSwitch": ("eth0", "eth1", "eth2"),
}
MANAGED_PRIMARY: Table = dict.fromkeys(WITH, ("eth0", "eth1", "eth2"))
ONE_VSWITCH_WITHOUT: Table = dict.fromkeys(
    ("the client", "a neighbour of eth0", "a third vSwitch"), ("eth0", "eth0", "eth0")
)
ONE_VSWITCH_WITH: Table = dict.fromkeys(ONE_VSWITCH_WITHOUT, ("eth0", "eth1", "eth2"))

VSWITCHES = {"a neighbour of eth0": 0, "a neighbour of eth1": 1, "a third vSwitch": 5}
APART = (ETH0, ETH1, ETH2)
"""eth0 in a vSwitch of its own, eth1 and eth2 together in another."""
TOGETHER = (ETH0, eni(1, vswitch=0, host=20), eni(2, vswitch=0, host=30))
"""All in the instance's vSwitch, as the cloud's page about attaching wants it."""


class Layout(NamedTuple):
    """ENIs, srcroutd's configuration (None: it does not run), and what is to be seen."""

    enis: tuple[Eni, ...]
    config: str | None
    table: Table


LAYOUTS = {
    "without srcroutd": Layout(APART, None, WITHOUT),
    "with srcroutd": Layout(APART, "", WITH),
    "with eth0 managed too": Layout(
        APART, '[[nic]]\nname = "eth0"\nmanage = true\n', MANAGED_PRIMARY
    ),
    "all in one vSwitch, without srcroutd": Layout(TOGETHER, None, ONE_VSWITCH_WITHOUT),
    "all in one vSwitch, with srcroutd": Layout(TOGETHER, "", ONE_VSWITCH_WITH),
}


class Cell(NamedTuple):
    """One question: in which layout, who asks which NIC, and the wire of the answer."""

    layout: str
    asker: str
    nic: int
    wire: str

    def __str__(self) -> str:
        return f"{self.layout}: {self.asker} asks eth{self.nic}, it answers by {self.wire}"


CELLS = [
    Cell(name, asker, number, wire)
    for name, layout in LAYOUTS.items()
    for asker, wires in layout.table.items()
    for number, wire in enumerate(wires)
]


class Scene(NamedTuple):
    """A cloud with its askers: each a machine, and its addresses by IP version."""

    cloud: Cloud
    askers: dict[str, tuple[Machine, dict[int, IP]]]


Scenes = Callable[[str], Scene]


@pytest.fixture(scope="module")
def scenes(base: Path) -> Iterator[Scenes]:
    """One cloud a layout, built when it is first wanted: nothing changes in it."""
    with ExitStack() as stack:

        @cache
        def scene(name: str) -> Scene:
            layout = LAYOUTS[name]
            cloud = stack.enter_context(
                Cloud.start(layout.enis, base=base, metadata=layout.config is not None)
            )
            cloud.client.echo()
            askers = {"the client": (cloud.client, {4: outside(4), 6: outside(6)})}
            for asker in layout.table.keys() & VSWITCHES.keys():
                host, nic = neighbour(cloud, VSWITCHES[asker])
                askers[asker] = (host, {4: nic.v4[0], 6: nic.v6[0]})
            for _, addresses in askers.values():
                # The VPC's proxy ARP is mute to a wrong sender; a real one's is not. So let the
                # instance know every neighbour's MAC before it answers by a wrong wire.
                assert [cloud.instance.probe(ip) for ip in addresses.values()]
            if layout.config is not None:
                cloud.daemon.start(layout.config)
            return Scene(cloud, askers)

        yield scene


def contrasting(cell: Cell, version: int) -> tuple[str, ...]:
    """The kinds that show the problem: ICMPv6 alone finds the way back to a neighbour by itself."""
    vswitch = LAYOUTS[cell.layout].enis[cell.nic].vswitch.number
    if version == 6 and VSWITCHES.get(cell.asker) == vswitch:
        return tuple(kind for kind in KINDS if kind != "icmp")
    return KINDS


@VERSIONS
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_an_answer_leaves_by_the_wire_of_the_table_and_arrives_only_if_that_is_its_own(
    scenes: Scenes, cell: Cell, version: int
) -> None:
    cloud, askers = scenes(cell.layout)
    asker, back = askers[cell.asker]
    asked = LAYOUTS[cell.layout].enis[cell.nic]
    right = asked.name == cell.wire
    cloud.wire.reset()
    kinds = KINDS if right else contrasting(cell, version)
    answers = ask(
        asker,
        first(asked, version),
        kinds=kinds,
        timeout_s=PATIENCE_S if right else DROPPED_S,
    )
    assert answers == dict.fromkeys(kinds, right)
    assert [*left_by(cloud, first(asked, version), back[version])] == [cell.wire]


@VERSIONS
@pytest.mark.parametrize(
    "cell",
    [cell for cell in CELLS if "without" not in cell.layout and cell.wire == f"eth{cell.nic}"],
    ids=str,
)
def test_a_socket_bound_to_an_address_asks_by_the_wire_of_that_address(
    scenes: Scenes, cell: Cell, version: int
) -> None:
    cloud, askers = scenes(cell.layout)
    target = askers[cell.asker][1][version]
    source = first(LAYOUTS[cell.layout].enis[cell.nic], version)
    cloud.wire.reset()
    answers = ask(cloud.instance, target, src=source)
    assert answers == dict.fromkeys(KINDS, True)
    assert [*left_by(cloud, source, target)] == [cell.wire]


@VERSIONS
def test_a_socket_bound_to_nothing_goes_by_the_primary_as_ever(
    scenes: Scenes, version: int
) -> None:
    cloud, _ = scenes("with srcroutd")
    cloud.wire.reset()
    assert all(ask(cloud.instance, outside(version)).values())
    assert [*left_by(cloud, first(ETH0, version), outside(version))] == ["eth0"]


@VERSIONS
def test_without_its_route_to_eth0s_subnet_eth1_would_answer_that_subnet_by_eth0(
    start_cloud: Callable[..., Cloud], version: int
) -> None:
    """Decision 5, from the other side."""
    cloud = start_cloud((ETH0, ETH1))
    asker, nic = neighbour(cloud, 0)
    cloud.daemon.start()
    address, back = first(ETH1, version), first(nic, version)
    assert_answers(cloud, address, "eth1", asker)
    cloud.daemon.stop()
    assert_answers(cloud, address, "eth1", asker)
    subnet = ETH0.vswitch.v4 if version == 4 else ETH0.vswitch.v6
    forget_route(cloud, subnet, 18001, version)
    cloud.instance.probe(back)
    cloud.wire.reset()
    assert not any(ask(asker, address, timeout_s=DROPPED_S).values())
    assert [*left_by(cloud, address, back)] == ["eth0"]


@pytest.mark.parametrize("strictness", [0, 1, 2])
def test_reverse_path_filtering_does_not_mind(
    start_cloud: Callable[..., Cloud], strictness: int
) -> None:
    cloud = start_cloud(APART)
    askers = [cloud.client, *(neighbour(cloud, number)[0] for number in (0, 1, 5))]
    cloud.daemon.start()
    cloud.instance.sysctl(
        {
            f"net/ipv4/conf/{where}/rp_filter": str(strictness)
            for where in ("all", "default", "eth0", "eth1", "eth2")
        }
    )
    for asker in askers:
        assert_answers(cloud, ETH1.v4[0], "eth1", asker)
        assert_answers(cloud, ETH2.v4[0], "eth2", asker)
    assert_answers(cloud, ETH0.v4[0], "eth0")
