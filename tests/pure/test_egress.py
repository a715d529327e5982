"""The source of new connections: entries to rules and routes, in the words one would type."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from srcroutd.core.desired import Host, NicDesired
from srcroutd.core.egress import derive_egress, derive_snats
from srcroutd.core.egress_entry import EgressEntry, table_of, too_many
from srcroutd.core.marking import Marking, Mask
from srcroutd.core.net import Family, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.unbound import section
from tests.pure.egresses import (
    BOTH,
    FAR,
    FAR6,
    MASK,
    TCP,
    V4,
    entry,
    nic,
    said,
)
from tests.pure.worlds import DOMAIN, address, addressing, eni, link

# --- by rule and by src -------------------------------------------------------------------------


def test_a_nic_is_a_table_of_its_own_and_what_main_knows_more_narrowly_stays() -> None:
    assert said(derive_egress([entry()], BOTH, MASK)) == [
        "17501: from 0.0.0.0 to 203.0.113.0/24 iif lo lookup main suppress_prefixlength 24",
        "17502: from 0.0.0.0 to 203.0.113.0/24 iif lo lookup 18163",
        "192.0.2.0/24 dev eth2 table 18163 scope link src 192.0.2.5",
        "default via 192.0.2.253 dev eth2 table 18163 src 192.0.2.5",
    ]


def test_in_ipv6_whatever_has_a_source_jumps_over_the_entries() -> None:
    assert said(derive_egress([entry(FAR6)], BOTH, MASK), Family.V6) == [
        "17501: from all to 2001:db8:cafe::/48 iif lo lookup main suppress_prefixlength 48",
        "17502: from all to 2001:db8:cafe::/48 iif lo lookup 18163",
        "17500: from ::/1 goto 17999",
        "17500: from 8000::/1 goto 17999",
        "17999: from all nop",
        "2001:db8:2::/64 dev eth2 table 18163 src 2001:db8:2::5",
        "default via 2001:db8:2::fd dev eth2 table 18163 src 2001:db8:2::5",
    ]
    assert said(derive_egress([entry()], BOTH, MASK), Family.V6) == []


def test_everything_does_not_mean_the_clouds_own_services_nor_multicast() -> None:
    rules = said(derive_egress([entry("", nic="", source="192.0.2.6")], BOTH, MASK))
    assert rules == [
        "17501: from 0.0.0.0 to 100.64.0.0/10 iif lo lookup main",
        "17501: from 0.0.0.0 to 169.254.0.0/16 iif lo lookup main",
        "17501: from 0.0.0.0 to 224.0.0.0/3 iif lo lookup main",
        "17501: from 0.0.0.0 iif lo lookup main suppress_prefixlength 0",
        "17502: from 0.0.0.0 iif lo lookup 18163",
        "192.0.2.0/24 dev eth2 table 18163 scope link src 192.0.2.6",
        "default via 192.0.2.253 dev eth2 table 18163 src 192.0.2.6",
    ]


def test_who_names_a_service_of_the_cloud_means_it() -> None:
    rules = said(derive_egress([entry("100.64.0.0/10")], BOTH, MASK))
    assert rules[:2] == [
        "17501: from 0.0.0.0 to 100.64.0.0/10 iif lo lookup main suppress_prefixlength 10",
        "17502: from 0.0.0.0 to 100.64.0.0/10 iif lo lookup 18163",
    ]
    rules = said(derive_egress([entry("100.100.2.136/32")], BOTH, MASK))
    assert rules[0] == "17502: from 0.0.0.0 to 100.100.2.136 iif lo lookup 18163"


def test_each_selector_is_asked() -> None:
    asks = entry(ip_proto=TCP, port=(25, 26), uids=(1000, 1999), mark=0x10, mask=0xFF)
    assert said(derive_egress([asks], BOTH, MASK))[1] == (
        "17502: from 0.0.0.0 to 203.0.113.0/24 fwmark 0x10/0xff iif lo uidrange 1000-1999 "
        "ipproto tcp dport 25-26 lookup 18163"
    )


def test_a_nic_is_found_by_its_eni_and_a_source_by_who_bears_it() -> None:
    by_name = derive_egress([entry(nic="eth2", source="192.0.2.6")], BOTH, MASK)
    by_id = derive_egress([entry(nic="eni-2", source="192.0.2.6")], BOTH, MASK)
    by_source = derive_egress([entry(nic="", source="192.0.2.6")], BOTH, MASK)
    assert said(by_name) == said(by_id) == said(by_source)


def test_a_primary_that_is_left_alone_can_serve() -> None:
    routes = said(derive_egress([entry(nic="eth1")], BOTH, MASK))[2:]
    assert routes == [
        "192.0.1.0/24 dev eth1 table 18163 scope link src 192.0.1.5",
        "default via 192.0.1.253 dev eth1 table 18163 src 192.0.1.5",
    ]


def test_equal_ways_share_a_table_and_each_entry_has_priorities_of_its_own() -> None:
    entries = [entry(), entry("198.51.100.0/24"), entry("192.0.9.0/24", source="192.0.2.6")]
    wanted = derive_egress(entries, BOTH, MASK)
    tables = [want.thing.table for want in wanted.rules if "suppress" not in str(want.thing)]
    assert tables == [18163, 18163, 18162]
    assert [want.thing.priority for want in wanted.rules if isinstance(want.thing, Rule)] == [
        *range(17501, 17507)
    ]
    assert len(wanted.routes) == 4


def test_a_gateway_outside_the_subnet_is_said_to_be_on_the_link() -> None:
    far = addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="198.51.100.1")
    host = replace(BOTH, nics=(nic(2, known=eni(2, far)),))
    assert said(derive_egress([entry()], host, MASK))[-1].endswith("src 192.0.2.5 onlink")


# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "asks", "why"),
    [
        (Host(DOMAIN, (nic(1),)), entry(), "eth2 is not on this host"),
        (BOTH, entry(nic="", source="192.0.2.9"), "192.0.2.9 is not on this host"),
        (BOTH, entry(source="192.0.1.5"), "192.0.1.5 is not on eth2"),
        (Host(DOMAIN, (replace(nic(2), eni=None),)), entry(), "nobody has explained eth2 yet"),
        (Host(DOMAIN, (nic(2, up=False),)), entry(), "eth2 is down"),
        (
            Host(DOMAIN, (nic(2, "2001:db8:2::5/64"),)),
            entry(),
            "an IPv4 address is not on eth2",
        ),
        (
            Host(DOMAIN, (replace(nic(2), table=0),)),
            entry(),
            "eth2 is left alone, so no rule leads its addresses out by it",
        ),
        (
            Host(DOMAIN, (nic(2, known=eni(2, replace(V4[2], gateway=None))),)),
            entry(),
            "eth2 has no managed IPv4 gateway",
        ),
    ],
)
def test_an_entry_that_has_no_way_is_told_and_moves_nothing(
    host: Host, asks: EgressEntry, why: str
) -> None:
    asks = replace(asks, name="smtp", where="/etc/srcroutd/srcroutd.toml:7", snat=True)
    assert derive_egress([asks], host, MASK) == NicDesired(
        notes=(f'egress entry "smtp", /etc/srcroutd/srcroutd.toml:7 waits: {why}',)
    )
    assert derive_snats([asks], host, MASK) == ()


def test_a_tentative_address_is_not_given_to_a_connection_yet() -> None:
    six = replace(nic(2), addresses=(address(2, "2001:db8:2::5/64", tentative=True),))
    assert derive_egress([entry(FAR6)], Host(DOMAIN, (six,)), MASK).rules == ()


def test_a_nic_of_one_family_needs_no_word_about_the_other_unless_it_was_named() -> None:
    host = Host(DOMAIN, (nic(2, "192.0.2.5/24", known=eni(2, V4[2])),))
    assert derive_egress([entry("")], host, MASK).notes == ()
    (note,) = derive_egress([entry((FAR, FAR6))], host, MASK).notes
    assert note.endswith("eth2 has no managed IPv6 gateway")


def test_a_nic_that_goes_takes_nobody_elses_numbers() -> None:
    entries = [entry(), entry("198.51.100.0/24", nic="eth1"), entry("192.0.9.0/24", snat=True)]
    without = replace(BOTH, nics=(nic(1),))
    whole = {want.thing for want in derive_egress(entries, BOTH, MASK).rules}
    left = {want.thing for want in derive_egress(entries, without, MASK).rules}
    assert left
    assert left < whole


# --- rewritten sources --------------------------------------------------------------------------


def test_rewritten_connections_are_led_by_their_mark_behind_all_policies() -> None:
    marked = [
        one for one in said(derive_egress([entry("", snat=True)], BOTH, MASK)) if "ff0" in one
    ]
    assert marked == [
        "18000: from all to 100.64.0.0/10 fwmark 0xff0000/0xff0000 lookup main",
        "18000: from all to 169.254.0.0/16 fwmark 0xff0000/0xff0000 lookup main",
        "18000: from all to 224.0.0.0/3 fwmark 0xff0000/0xff0000 lookup main",
        "18000: from all fwmark 0xff0000/0xff0000 lookup main suppress_prefixlength 0",
        "18001: from all fwmark 0xff0000/0xff0000 lookup 18163",
    ]


def test_what_is_rewritten_has_the_selectors_of_its_entry_for_each_family() -> None:
    asks = entry((FAR, FAR6), ip_proto=TCP, port=(25, 25), uids=(7, 7), snat=True)
    four, six = derive_snats([entry(FAR), asks], BOTH, MASK)
    assert (four.number, four.device, str(four.source)) == (255, "eth2", "192.0.2.5")
    assert (six.number, six.device, str(six.source)) == (255, "eth2", "2001:db8:2::5")
    assert (four.to, six.to) == ((ip_network(FAR),), (ip_network(FAR6),))
    assert (four.ip_proto, four.port, four.uids, four.outer) == (TCP, (25, 25), (7, 7), ())


def test_containers_are_what_comes_in_by_no_nic_of_the_cloud() -> None:
    (four, _) = derive_snats([entry("", snat=True, forwarded=True)], BOTH, MASK)
    assert four.outer == ("eth1", "eth2")


def test_marks_of_rewritten_sources_and_of_nics_never_meet() -> None:
    entries = [entry(f"198.51.{n}.0/24", snat=True) for n in range(MASK.highest - 98)]
    assert too_many(entries[:122], DOMAIN, MASK) == ""
    numbers = {snat.number for snat in derive_snats(entries, BOTH, MASK)}
    assert min(numbers) > DOMAIN.seats[-1]
    assert len(numbers) == len(entries)


def test_where_nft_may_misread_a_name_nothing_is_rewritten_and_that_is_said() -> None:
    odd = replace(nic(2), link=link(2, name="eth@2"))
    host = Host(DOMAIN, (odd,))
    asks = entry(nic="eni-2", snat=True)
    wanted = derive_egress([asks], host, MASK)
    assert derive_snats([asks], host, MASK) == ()
    assert not any("fwmark" in one for one in said(wanted))
    assert said(wanted), "who bound nothing is led all the same"
    (note,) = wanted.notes
    assert "rewrites nothing: nftables may misread the name 'eth@2'" in note


# --- room ---------------------------------------------------------------------------------------


def test_there_is_room_for_so_many_and_the_sentence_says_for_how_many() -> None:
    many = [entry(f"198.51.{n}.0/24") for n in range(125)]
    assert too_many(many[:124], DOMAIN, MASK) == ""
    assert too_many(many, DOMAIN, MASK) == "125 entries, and policies leaves room for 124"
    narrow = Mask(0x007F0000)
    snats = [replace(one, snat=True) for one in many[:30]]
    assert too_many(snats[:29], DOMAIN, narrow) == ""
    assert too_many(snats, DOMAIN, narrow) == (
        "30 entries with snat, and mark_mask leaves room for 29"
    )
    small = Domain(tables=range(18000, 18013), priorities=range(18000, 18100))
    some = [entry(nic=f"eth{n}") for n in range(3)]
    assert too_many(some, small, MASK) == "3 different sources, and tables leaves room for 1"


def test_all_numbers_of_a_full_house_lie_where_they_should() -> None:
    full = [entry(f"198.51.{n}.0/24", nic=f"eth{n % 32}", snat=n < 100) for n in range(124)]
    rules = [want.thing for want in derive_egress(full[:2], BOTH, MASK).rules]
    inner = {one.priority for one in rules if isinstance(one, Rule)} & {*section(DOMAIN)}
    assert inner <= {17501, 17502, 17503, 17504}
    assert table_of(DOMAIN, full, full[-1]) in DOMAIN.policy_tables
    hosts = [replace(nic(2), link=link(n)) for n in range(2, 9)]
    made = Marking((), MASK, derive_snats(full, Host(DOMAIN, tuple(hosts)), MASK))
    assert {snat.device for snat in made.snats} == {f"eth{n}" for n in range(2, 9)}
