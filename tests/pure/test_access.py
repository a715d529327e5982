"""Access control: entries to rules, in words an operator would type."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.access import AccessEntry, covers, derive_access, hidden_by, selected
from srcroutd.core.desired import Host, HostNic, Want
from srcroutd.core.lookup_rules import Flow, Found, Verdict, walk_rules
from srcroutd.core.lookup_values import Rpdb
from srcroutd.core.net import Action, Family, Network, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from tests.pure.worlds import eni, link

DOMAIN = Domain()
HOST = Host(
    DOMAIN,
    (
        HostNic(link(0), (), eni(0), primary=True),
        HostNic(link(1), (), replace(eni(1), id="eni-bp1bexample0001"), table=18001),
    ),
)


def nets(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def rules(*entries: AccessEntry, host: Host = HOST) -> list[str]:
    return [
        f"{'ip -6' if want.thing.family is Family.V6 else 'ip'} rule {want.thing}"
        for want in derive_access(entries, host).rules
    ]


def test_entries_become_rules_in_their_order_one_priority_each() -> None:
    metadata = nets("100.100.100.200/32", "fd00:100::100:200/128")
    assert rules(
        AccessEntry(Action.LOOKUP, "eth1", dst=metadata),
        AccessEntry(Action.PROHIBIT, dst=metadata, uids=(1000, 65533)),
        AccessEntry(Action.UNREACHABLE, src=nets("172.17.0.0/16"), iif="docker0"),
        AccessEntry(Action.BLACKHOLE, protocol=6, dport=(25, 25), mark=1, mask=0xFF),
        AccessEntry(Action.LOOKUP, "main", protocol=17, sport=(4000, 4999), oif="wg0"),
    ) == [
        "ip rule 17000: from all to 100.100.100.200 lookup 18001",
        "ip -6 rule 17000: from all to fd00:100::100:200 lookup 18001",
        "ip rule 17001: from all to 100.100.100.200 iif lo uidrange 1000-65533 prohibit",
        "ip -6 rule 17001: from all to fd00:100::100:200 iif lo uidrange 1000-65533 prohibit",
        "ip rule 17002: from 172.17.0.0/16 iif docker0 unreachable",
        "ip rule 17003: from all fwmark 0x1/0xff ipproto tcp dport 25 blackhole",
        "ip -6 rule 17003: from all fwmark 0x1/0xff ipproto tcp dport 25 blackhole",
        "ip rule 17004: from all oif wg0 ipproto udp sport 4000-4999 lookup main",
        "ip -6 rule 17004: from all oif wg0 ipproto udp sport 4000-4999 lookup main",
    ]


def test_all_rules_are_ours_and_in_the_band_and_say_which_entry() -> None:
    one = AccessEntry(
        Action.PROHIBIT, dst=nets("192.0.2.0/24"), name="no lab", origin="a.toml:3: [[access]]"
    )
    (want,) = derive_access([one], HOST).rules
    assert isinstance(want.thing, Rule)
    assert DOMAIN.owns_rule(want.thing)
    assert want.thing.priority in DOMAIN.access
    assert want.because == "a.toml:3: [[access]] (no lab)"


def test_prefixes_multiply_within_their_family_only() -> None:
    one = AccessEntry(
        Action.PROHIBIT,
        src=nets("192.0.2.0/24", "2001:db8::/32", "198.51.100.0/24"),
        dst=nets("203.0.113.0/24", "2001:db8:1::/48"),
    )
    assert rules(one) == [
        "ip rule 17000: from 192.0.2.0/24 to 203.0.113.0/24 prohibit",
        "ip rule 17000: from 198.51.100.0/24 to 203.0.113.0/24 prohibit",
        "ip -6 rule 17000: from 2001:db8::/32 to 2001:db8:1::/48 prohibit",
    ]


def test_icmp_is_a_protocol_of_one_family() -> None:
    assert rules(AccessEntry(Action.PROHIBIT, protocol=1)) == [
        "ip rule 17000: from all ipproto icmp prohibit"
    ]
    assert rules(AccessEntry(Action.PROHIBIT, protocol=58)) == [
        "ip -6 rule 17000: from all ipproto ipv6-icmp prohibit"
    ]


def test_an_eni_is_known_by_its_id_and_a_bridge_by_its_name() -> None:
    one = AccessEntry(
        Action.LOOKUP, "eni-bp1bexample0001", nets("192.0.2.0/24"), iif="eni-bp1bexample0001"
    )
    assert rules(one) == ["ip rule 17000: from 192.0.2.0/24 iif eth1 lookup 18001"]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (AccessEntry(Action.LOOKUP, "eth7", nets("::/0")), "eth7 is not on this host"),
        (AccessEntry(Action.LOOKUP, "eth0", nets("::/0")), "eth0 has no table of its own"),
        (AccessEntry(Action.PROHIBIT, iif="eni-bp1zgone00000"), "eni-bp1zgone00000 is not on"),
        (AccessEntry(Action.PROHIBIT, iif="eth1", left_out="it bites"), "it bites"),
    ],
)
def test_what_cannot_be_followed_has_no_rule_and_a_note_and_keeps_its_place(
    entry: AccessEntry, why: str
) -> None:
    after = AccessEntry(Action.PROHIBIT, dst=nets("192.0.2.0/24"))
    wanted = derive_access([replace(entry, origin="a.toml:1"), after], HOST)
    assert [str(want.thing) for want in wanted.rules] == [
        "17001: from all to 192.0.2.0/24 prohibit"
    ]
    (note,) = wanted.notes
    assert note.startswith("a.toml:1: ")
    assert why in note


def test_a_later_entry_is_hidden_only_by_one_that_refuses() -> None:
    wide = AccessEntry(Action.PROHIBIT, dst=nets("192.0.2.0/24"), protocol=6)
    narrow = AccessEntry(
        Action.LOOKUP, "main", dst=nets("192.0.2.7/32"), protocol=6, dport=(80, 80)
    )
    assert list(hidden_by([wide, narrow])) == [(1, 0)]
    assert list(hidden_by([narrow, wide])) == []
    assert list(hidden_by([replace(wide, action=Action.LOOKUP, via="main"), narrow])) == []


# What follows says in general what the examples above say of some.

PREFIXES = [None, *nets("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.0.2.0/24")]
SPANS = [None, (1, 100), (50, 60), (80, 80)]
FLOWS = st.builds(
    Flow,
    dst=st.sampled_from([ip_address("10.1.2.3"), ip_address("10.9.9.9"), ip_address("192.0.2.1")]),
    src=st.sampled_from([ip_address("10.1.2.3"), ip_address("192.0.2.1")]),
    iif=st.sampled_from([1, 3]),
    oif=st.sampled_from([0, 3]),
    mark=st.integers(0, 3),
    proto=st.sampled_from([6, 17]),
    sport=st.sampled_from([55, 2000]),
    dport=st.sampled_from([55, 80, 2000]),
    uid=st.sampled_from([0, 55, 1000]),
)


@st.composite
def entries(draw: st.DrawFn, action: Action | None = None) -> AccessEntry:
    """An entry of few words, so that several meet the same packets."""
    chosen = action or draw(st.sampled_from([Action.LOOKUP, Action.PROHIBIT, Action.UNREACHABLE]))
    mask = draw(st.sampled_from([0, 1, 3]))
    src, dst = (draw(st.sampled_from(PREFIXES)) for _ in range(2))
    return AccessEntry(
        chosen,
        "main" if chosen is Action.LOOKUP else "",
        src=(src,) if src else (),
        dst=(dst,) if dst else nets("0.0.0.0/0"),
        iif=draw(st.sampled_from(["", "lo", "eth1"])),
        oif=draw(st.sampled_from(["", "eth1"])),
        protocol=draw(st.sampled_from([0, 6])),
        sport=draw(st.sampled_from(SPANS)),
        dport=draw(st.sampled_from(SPANS)),
        uids=draw(st.sampled_from([None, (50, 60)])),
        mark=draw(st.integers(0, 3)) & mask,
        mask=mask,
    )


def verdict(asked: list[Rule], flow: Flow) -> tuple[Action, int] | None:
    """What becomes of a packet; None where no rule decides."""
    links = {1: replace(link(0), index=1, name="lo"), 3: link(1)}
    rpdb = Rpdb(Family.V4, tuple(asked), {}, links)
    found = walk_rules(rpdb, flow, lambda table: Found(doubt=str(table)))
    return _decision(found)


def _decision(found: Verdict) -> tuple[Action, int] | None:
    if not found.steps:
        return None
    last = found.steps[-1]
    return (last.rule.action, last.rule.table) if found.doubt or found.rule else None


@given(entries(Action.PROHIBIT), entries(Action.PROHIBIT), FLOWS)
def test_what_is_covered_meets_nothing_that_its_cover_does_not(
    wide: AccessEntry, narrow: AccessEntry, flow: Flow
) -> None:
    first, second = next(selected(wide)), next(selected(narrow))
    if covers(first, second) and verdict([second], flow):
        assert verdict([first], flow)


@given(entries(Action.PROHIBIT))
def test_everything_covers_itself(entry: AccessEntry) -> None:
    (rule,) = selected(entry)
    assert covers(rule, rule)


@st.composite
def two_lists(draw: st.DrawFn) -> tuple[list[AccessEntry], list[AccessEntry]]:
    """Two lists of the same few entries, as somebody leaves who edits a file."""
    wide = [
        AccessEntry(action, "main" if action is Action.LOOKUP else "", dst=nets(prefix))
        for action in (Action.LOOKUP, Action.PROHIBIT)
        for prefix in ("10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24")
    ]
    some = st.lists(st.sampled_from(wide) | entries(), max_size=6)
    before = draw(some)
    kept = [entry for entry in before if draw(st.booleans())]
    return before, [*draw(some), *kept, *draw(some)]


@settings(max_examples=300)
@given(two_lists(), st.lists(FLOWS, min_size=1, max_size=8))
def test_on_the_way_from_one_list_to_another_no_packet_gets_a_third_verdict(
    lists: tuple[list[AccessEntry], list[AccessEntry]], flows: list[Flow]
) -> None:
    """What both lists treat alike is treated so after each single step."""
    before, after = lists
    standing = {str(want.thing): want for want in derive_access(before, HOST).rules}
    wanted = {str(want.thing): want for want in derive_access(after, HOST).rules}
    steps = plan(
        Desired(wanted, {}),
        Observed({key: _rule(want) for key, want in standing.items()}, {}),
        Pruning((DOMAIN,), lambda _domain, _thing: "not wanted"),
    )
    kernel = [_rule(want) for want in standing.values()]
    first = [verdict(kernel, flow) for flow in flows]
    last = [verdict([_rule(want) for want in wanted.values()], flow) for flow in flows]
    for step in steps:
        _carry_out(kernel, step.verb, step.thing)
        now = [verdict(kernel, flow) for flow in flows]
        for old, new, found in zip(first, last, now, strict=True):
            assert old != new or found == old, f"after {step}"
    assert sorted(map(str, kernel)) == sorted(wanted)


def _rule(want: Want) -> Rule:
    assert isinstance(want.thing, Rule)
    return want.thing


def _carry_out(kernel: list[Rule], verb: str, thing: object) -> None:
    """As the kernel does: a new rule goes behind those of its priority."""
    assert isinstance(thing, Rule)
    if verb == "delete":
        kernel.remove(thing)
    else:
        kernel.append(thing)
        kernel.sort(key=lambda rule: rule.priority)
