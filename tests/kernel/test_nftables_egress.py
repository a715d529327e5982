"""Rewritten sources against the real nftables: it lists what was put as we expect it."""

from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.marking import MarkedNic, Marking, Mask
from srcroutd.core.marking_nft import script
from srcroutd.core.marking_snat import Snat
from srcroutd.kernel.nftables import MarkTable
from tests.kernel.test_nftables import TWO, looked, nft, ruleset, run

SNATS = (
    Snat(255, "eth1", ip_address("192.0.2.5"), (ip_network("198.51.100.0/24"),), 6, (25, 25)),
    Snat(255, "eth1", ip_address("2001:db8::5"), (ip_network("2001:db8:9::/48"),), 6, (25, 25)),
    Snat(254, "eth2", ip_address("192.0.2.6"), outer=("eth0", "eth1")),
    Snat(254, "eth2", ip_address("2001:db8::6"), outer=("eth0", "eth1")),
    Snat(
        253,
        "eth1",
        ip_address("192.0.2.7"),
        (ip_network("203.0.113.9/32"), ip_network("203.0.113.128/25")),
        17,
        (5, 9),
        (1000, 1999),
        mark=0x10,
        mask=0xF0,
    ),
    Snat(252, "eth1", ip_address("192.0.2.7"), (), 47, uids=(0, 0), mark=5, mask=0xFFFFFFFF),
    Snat(251, "eth1", ip_address("2001:db8::7"), (), 58, mark=1 << 31, mask=1 << 31),
    Snat(250, "eth1", ip_address("192.0.2.8"), (), 132, (9, 9)),
    Snat(249, "eth1", ip_address("192.0.2.8"), (), 199),
)
"""Every selector, in each way in which it can be said."""
pytestmark = pytest.mark.usefixtures("netns")


@pytest.fixture
def table() -> MarkTable:
    """Our door to the namespace's table, with nothing remembered."""
    return MarkTable()


@pytest.mark.parametrize("bits", [0x00FF0000, 0xFF000000], ids=hex)
@pytest.mark.parametrize("nics", [(), TWO.nics], ids=["alone", "beside connmark"])
def test_rewritten_sources_are_listed_as_they_were_put(
    table: MarkTable, nics: tuple[MarkedNic, ...], bits: int
) -> None:
    marking = Marking(nics, Mask(bits), SNATS)
    run(MarkTable().put(marking))
    assert table.drift(marking, looked(table)) == ()
    assert table.drift(Marking(nics, Mask(bits), SNATS[:-1]), looked(table)) != ()
    before = ruleset()
    nft(script(marking))
    assert table.drift(marking, looked(table)) == ()
    assert ruleset() == before
    run(table.remove())
    assert ruleset() == ""


@pytest.mark.parametrize("one", SNATS, ids=lambda one: f"{one.number} {one.source}")
def test_each_rewritten_source_alone_is_a_table(table: MarkTable, one: Snat) -> None:
    marking = Marking((), Mask(), (one,))
    run(MarkTable().put(marking))
    assert table.drift(marking, looked(table)) == ()
