"""Which entries of access control would cut a host off, and which only look like it."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from srcroutd.core.access import AccessEntry
from srcroutd.core.access_danger import Around, Lifeline, dangers, without
from srcroutd.core.net import IP, Action, Network

METADATA = Lifeline(
    "the metadata service",
    ip_address("100.100.100.200"),
    (6,),
    (80,),
    (ip_address("192.0.2.10"),),
    uids=(0, 990),
)
DNS = Lifeline(
    "the DNS server",
    ip_address("2001:db8:53::1"),
    (17, 6),
    (53, 853),
    (ip_address("2001:db8::10"),),
)
SESSION = Lifeline(
    "the ssh session of",
    ip_address("203.0.113.9"),
    (6,),
    (50123,),
    (ip_address("198.51.100.5"),),
    sport=22,
    nic="eth1",
)
DEVICES = {name: name for name in ("lo", "eth0", "eth1", "eth2")} | {"eni-2": "eth2"}
AROUND = Around((METADATA, DNS, SESSION), DEVICES, frozenset(("eth1", "eth2")))
SAVING = AccessEntry(Action.LOOKUP, "main", dst=(ip_network("100.100.100.200/32"),))


def nets(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def stop(**more: object) -> AccessEntry:
    return replace(AccessEntry(Action.PROHIBIT, origin="a.toml:7: [[access]]"), **more)  # type: ignore[arg-type]


def cut(*entries: AccessEntry, around: Around = AROUND) -> list[tuple[int, str]]:
    """The place of each dangerous entry and what it would cut."""
    return [(found.place, str(found.lifeline)) for found in dangers(entries, around)]


TO_METADATA = (0, "the metadata service 100.100.100.200")
TO_DNS = (0, "the DNS server 2001:db8:53::1")
TO_SESSION = (0, "the ssh session of 203.0.113.9")


@pytest.mark.parametrize("action", [Action.PROHIBIT, Action.UNREACHABLE, Action.BLACKHOLE])
@pytest.mark.parametrize(
    ("asks", "found"),
    [
        ({"dst": nets("100.100.100.200/32")}, TO_METADATA),
        ({"dst": nets("100.64.0.0/10")}, TO_METADATA),
        ({"src": nets("192.0.2.0/24")}, TO_METADATA),
        ({"iif": "lo", "protocol": 6, "dport": (1, 100)}, TO_METADATA),
        ({"dst": nets("0.0.0.0/0"), "uids": (900, 1000)}, TO_METADATA),
        ({"protocol": 6, "dst": nets("100.0.0.0/8"), "sport": (60000, 65534)}, TO_METADATA),
        ({"dst": nets("2001:db8:53::/48"), "protocol": 17}, TO_DNS),
        ({"dst": nets("2001:db8:53::/48"), "protocol": 6, "dport": (853, 853)}, TO_DNS),
        ({"dst": nets("203.0.113.0/24")}, TO_SESSION),
        ({"src": nets("198.51.100.5/32"), "protocol": 6, "sport": (22, 22)}, TO_SESSION),
    ],
)
def test_what_stops_a_lifeline_is_a_danger(
    action: Action, asks: dict[str, object], found: tuple[int, str]
) -> None:
    assert cut(stop(action=action, **asks)) == [found]


@pytest.mark.parametrize(
    "asks",
    [
        {"dst": nets("192.0.2.0/24")},
        {"iif": "docker0"},
        {"src": nets("172.17.0.0/16")},
        {"oif": "eth1"},
        {"dst": nets("100.100.100.200/32"), "uids": (1000, 65533)},
        {"dst": nets("100.100.100.200/32"), "protocol": 17},
        {"dst": nets("100.100.100.200/32"), "protocol": 6, "dport": (81, 65534)},
        {"dst": nets("100.100.100.200/32"), "protocol": 6, "sport": (1, 1024)},
        {"mark": 1, "mask": 1},
        {"protocol": 6, "sport": (2222, 2222)},
        {"dst": nets("100.100.100.200/32"), "force": True},
        {"dst": nets("100.100.100.200/32"), "left_out": "already"},
    ],
)
def test_what_spares_them_is_none(asks: dict[str, object]) -> None:
    assert cut(stop(**asks)) == []


def test_packets_without_a_mark_meet_an_entry_that_asks_for_none() -> None:
    assert cut(stop(dst=nets("100.100.100.200/32"), mark=0, mask=0xFF)) == [TO_METADATA]


def test_an_earlier_entry_that_routes_it_for_certain_saves_it() -> None:
    wide = stop(dst=nets("100.64.0.0/10"))
    assert cut(SAVING, wide) == []
    assert [place for place, _ in cut(wide, SAVING)] == [0]
    only_root = replace(SAVING, uids=(0, 0))
    assert [place for place, _ in cut(only_root, wide)] == [1], "990 asks, too"
    some_ports = replace(SAVING, protocol=6, sport=(40000, 50000))
    assert [place for place, _ in cut(some_ports, wide)] == [1]


def test_a_nic_saves_only_once_it_has_a_table() -> None:
    by_eth2 = replace(SAVING, via="eni-2")
    wide = stop(dst=nets("100.64.0.0/10"))
    assert cut(by_eth2, wide) == []
    early = replace(AROUND, kept=frozenset[str]())
    assert [place for place, _ in cut(by_eth2, wide, around=early)] == [1]


def test_after_a_forced_entry_the_next_ones_stop_nothing_more() -> None:
    forced = stop(dst=nets("100.100.100.200/32"), force=True)
    assert cut(forced, stop(dst=nets("100.64.0.0/10"))) == []


@pytest.mark.parametrize(
    ("via", "found"),
    [
        ("eth1", []),
        ("eth2", [TO_SESSION]),
        ("eni-2", [TO_SESSION]),
        ("main", [TO_SESSION]),
        ("eth9", []),
    ],
)
def test_answers_of_a_session_must_leave_by_the_nic_of_their_address(
    via: str, found: list[tuple[int, str]]
) -> None:
    away = AccessEntry(Action.LOOKUP, via, dst=nets("203.0.113.0/24"), origin="a.toml:7")
    assert cut(away) == found
    said = [str(one) for one in dangers([away], AROUND)]
    assert all(
        "a.toml:7" in one and "198.51.100.5 is eth1's" in one and "force = true" in one
        for one in said
    )


def test_main_is_right_for_a_session_on_a_nic_that_is_left_to_main() -> None:
    on_eth0 = replace(SESSION, nic="eth0", sources=(ip_address("192.0.2.10"),))
    away = AccessEntry(Action.LOOKUP, "main", dst=nets("203.0.113.0/24"))
    assert cut(away, around=replace(AROUND, lifelines=(on_eth0,))) == []


def test_a_resolver_that_binds_its_questions_meets_entries_about_any_nic() -> None:
    bound = replace(AROUND, lifelines=(replace(DNS, oif=None),))
    assert cut(stop(oif="eth0"), around=bound) == [TO_DNS]
    assert cut(stop(oif="eth0")) == []


def test_without_an_address_of_ours_no_entry_that_names_one_is_met() -> None:
    unborn = replace(AROUND, lifelines=(replace(METADATA, sources=tuple[IP, ...]()),))
    assert cut(stop(src=nets("0.0.0.0/0", "10.0.0.0/8")), around=unborn) == [TO_METADATA]
    assert cut(stop(src=nets("192.0.2.0/24")), around=unborn) == []


def test_the_sentence_names_entry_destination_reason_and_the_way_out() -> None:
    (found,) = dangers([stop(dst=nets("100.100.100.200/32"), name="no leaks")], AROUND)
    assert str(found) == (
        "a.toml:7: [[access]] (no leaks): prohibit would stop what this host sends to the metadata "
        "service 100.100.100.200 (tcp port 80); say force = true in the entry if that is meant, "
        "else make it ask for less or let an entry before it route this"
    )


def test_left_out_entries_keep_their_places() -> None:
    entries = (SAVING, stop(dst=nets("203.0.113.0/24")), stop(dst=nets("192.0.2.0/24")))
    rest = without(entries, dangers(entries, AROUND))
    assert [bool(entry.left_out) for entry in rest] == [False, True, False]
    assert "203.0.113.9" in rest[1].left_out
    assert dangers(rest, AROUND) == ()
