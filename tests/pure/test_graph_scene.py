"""What a picture says of a host, whatever the format: NICs, addresses, rules, tables, gateways and
what is out of step, from real derivations and real plans.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from srcroutd.core.desired import Nic, Settings
from srcroutd.core.join import State
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import Route, Rule
from srcroutd.core.plan import Observed, Pruning, plan
from srcroutd.core.view import NicView, View
from srcroutd.export.graph.document import document
from srcroutd.export.graph.picture import Kind, Mark, Picture
from srcroutd.export.graph.scene import scene
from tests.pure.views import kept, second, view
from tests.pure.worlds import DOMAIN, address, addressing, desired, eni, nic

Thing = Rule | Route


def v4_net(number: int) -> str:
    """Three octets for the subnet of an ENI: the documentation's (RFC 5737), then the benchmarks'
    (RFC 2544).
    """
    return ("192.0.2", "198.51.100", "203.0.113")[number] if number < 3 else f"198.18.{number}"


def numbered(number: int, *, addresses: int = 1, v6: bool = True, prefixes: int = 0) -> Nic:
    """The NIC eth``number`` with so many addresses a family."""
    v4 = [f"{v4_net(number)}.{host}" for host in range(5, 5 + addresses)]
    sixes = [
        f"2001:db8:1111:{number:04x}:aaaa:bbbb:cccc:{host:04x}" for host in range(1, 1 + addresses)
    ]
    known = eni(
        number,
        addressing(
            *v4,
            subnet=f"{v4_net(number)}.0/24",
            gateway=f"{v4_net(number)}.253",
            prefixes=tuple(f"{v4_net(number)}.{128 + 16 * one}/28" for one in range(prefixes)),
        ),
        addressing(
            *sixes,
            subnet=f"2001:db8:1111:{number:x}::/64",
            gateway=f"2001:db8:1111:{number:x}:ffff:ffff:ffff:fffd",
        )
        if v6
        else None,
    )
    here = [address(number, f"{ip}/24") for ip in v4]
    here += [address(number, f"{ip}/64") for ip in sixes if v6]
    elsewhere = tuple(
        (f"{v4_net(other)}.0/24", f"eni-{other}") for other in range(3) if other != number
    )
    return nic(number, known, here, elsewhere=elsewhere)


def host(*nics: Nic, lost: Iterable[Thing] = (), stray: Iterable[Thing] = ()) -> View:
    """A view of managed NICs; the kernel has lost some things and holds some strays of ours."""
    gone, wanted = frozenset(lost), desired(*nics)
    held = [one for one in (*wanted.rules, *wanted.routes) if one not in gone] + list(stray)
    rules = Counter(one for one in held if isinstance(one, Rule))
    routes = {one.identity: one for one in held if isinstance(one, Route)}
    kernel: Observed[Thing] = Observed(
        {rule: rule for rule in rules},
        {route: route for route in routes.values()},
        tuple(rule for rule, times in rules.items() if times > 1),
    )
    due = plan(wanted, kernel, Pruning((DOMAIN,), lambda *_: "gone from metadata"))
    return replace(view(*map(kept, nics)), operations=due, in_sync=not due)


def rules_of(one: Nic) -> list[Rule]:
    """The rules that a NIC should have."""
    return [want.thing for want in derive_source(one).rules if isinstance(want.thing, Rule)]


def routes_of(one: Nic) -> list[Route]:
    """The routes that a NIC should have."""
    return [want.thing for want in derive_source(one).routes if isinstance(want.thing, Route)]


def three_enis() -> View:
    """The host of the documentation: primary left alone, one NIC in sync, one out of step."""
    one, two = numbered(1, addresses=2), numbered(2, addresses=3, v6=False)
    rules, routes = rules_of(two), routes_of(two)
    lost = [rule for rule in rules if str(rule.src) == "203.0.113.6/32"]
    theirs = replace(routes[-1], gateway=ip_address("203.0.113.1"), protocol=4)
    gone = [
        replace(rule, src=ip_network("203.0.113.9/32"))
        for rule in rules
        if str(rule.src) == "203.0.113.5/32"
    ]
    whole = host(one, two, lost=[*lost, routes[-1]], stray=[theirs, *gone])
    return replace(whole, nics=whole.nics[:-1])


def told(picture: Picture, name: str) -> list[str]:
    return [line.words() for line in picture.node(name).lines]


TIERS = "own subnet, then main, then default"


def test_one_nic_reads_from_its_addresses_to_its_gateway() -> None:
    picture = scene(host(numbered(1, addresses=3, v6=False)))
    assert [nic.heading() for nic, _ in picture.lanes()] == [
        "eth0  eni-0  primary  left alone",
        "eth1  eni-1  secondary  in sync",
        "eth3  waiting, 8 s",
    ]
    assert told(picture, "nic2addresses0") == [
        "198.51.100.5 (primary)",
        "198.51.100.6",
        "198.51.100.7",
    ]
    assert told(picture, "nic2rules0") == [
        f"18010..18012 sockets bound to eth1: {TIERS}",
        f"18014..18016 from each of 3 addresses: {TIERS}",
    ]
    assert picture.node("nic2table0").title == "table 18001"
    assert told(picture, "nic2table0") == [
        "198.51.100.0/24 on the link",
        "192.0.2.0/24 via the gateway",
        "203.0.113.0/24 via the gateway",
        "default via the gateway",
        "default unreachable (guard)",
    ]
    assert picture.node("nic2gateway0").title == "leaves by eth1"
    assert told(picture, "nic2gateway0") == ["via 198.51.100.253"]
    arrows = [(edge.start, edge.end) for edge in picture.edges if edge.start.startswith("nic2")]
    assert arrows == [
        ("nic2addresses0", "nic2rules0"),
        ("nic2rules0", "nic2table0"),
        ("nic2table0", "nic2gateway0"),
    ]


def test_a_family_is_a_row_of_its_own_ipv4_first() -> None:
    picture = scene(host(numbered(1)))
    assert [(n.row, n.title) for n in picture.nodes if n.kind is Kind.ADDRESSES][1:3] == [
        (0, "IPv4"),
        (1, "IPv6"),
    ]
    assert told(picture, "nic2rules1")[1] == (
        f"18014..18016 from 2001:db8:1111:1:aaaa:bbbb:cccc:1: {TIERS}"
    )
    assert told(picture, "nic2gateway1") == ["via 2001:db8:1111:1:ffff:ffff:ffff:fffd"]


def test_many_addresses_are_counted_and_strangers_pass_them_by() -> None:
    picture = scene(host(numbered(1, addresses=55, v6=False)))
    addresses = told(picture, "nic2addresses0")
    assert addresses[0] == "198.51.100.5 (primary)"
    assert addresses[-1] == "and 47 more"
    assert told(picture, "nic2rules0")[1:] == [
        "18013, 18019 from outside 198.51.100.0/24: skip to 18019",
        f"18014..18016 from each of 55 addresses: {TIERS}",
    ]


def test_delegated_prefixes_are_told_apart_from_addresses() -> None:
    picture = scene(host(numbered(1, v6=False, prefixes=2)))
    assert told(picture, "nic2addresses0") == [
        "198.51.100.5",
        "198.51.100.128/28 (delegated)",
        "198.51.100.144/28 (delegated)",
    ]
    assert told(picture, "nic2rules0")[1:] == [
        "18013 to 198.51.100.128/28: main, nothing wider",
        "18013 to 198.51.100.144/28: main, nothing wider",
        f"18014..18016 from 198.51.100.5: {TIERS}",
        f"18014..18016 from each of 2 prefixes: {TIERS}",
    ]


def test_many_delegated_prefixes_are_counted() -> None:
    lines = told(scene(host(numbered(1, v6=False, prefixes=7))), "nic2rules0")
    assert lines[2] == "18013 to each of 7 delegated prefixes: main, nothing wider"


def test_many_addresses_out_of_step_are_counted_too() -> None:
    one = numbered(1, addresses=9, v6=False)
    lost = [rule for rule in rules_of(one) if rule.src and rule.priority == 18014]
    lines = told(scene(host(one, lost=lost[:6])), "nic2rules0")
    assert lines[2:] == [
        f"18014..18016 from each of 6 addresses: {TIERS} [18014 missing]",
        f"18014..18016 from each of the other 3 addresses: {TIERS}",
    ]


def test_the_clouds_first_address_comes_first_whatever_its_value() -> None:
    one = numbered(1, addresses=3, v6=False)
    half = one.eni.v4
    assert half
    turned = replace(half, addresses=half.addresses[::-1])
    one = replace(one, eni=replace(one.eni, v4=turned))
    assert told(scene(host(one)), "nic2addresses0") == [
        "198.51.100.7 (primary)",
        "198.51.100.6",
        "198.51.100.5",
    ]


def test_an_address_without_rules_says_so() -> None:
    one = numbered(1, addresses=2, v6=False)
    one = replace(one, settings=Settings(ignore=frozenset({ip_network("198.51.100.6/32")})))
    assert told(scene(host(one)), "nic2addresses0") == [
        "198.51.100.5 (primary)",
        "198.51.100.6 (no rules)",
    ]


def test_what_the_cloud_lists_beyond_the_nic_is_counted() -> None:
    one = numbered(1, addresses=3, v6=False)
    one = replace(one, addresses=one.addresses[:1])
    assert told(scene(host(one)), "nic2addresses0") == [
        "198.51.100.5",
        "2 more listed (not on the NIC)",
    ]


def test_a_missing_rule_names_its_address_and_its_tier() -> None:
    one = numbered(1, addresses=3, v6=False)
    last = rules_of(one)[-1]
    picture = scene(host(one, lost=[last]))
    assert not picture.in_sync
    assert picture.summary.startswith("drift: 1 missing")
    assert picture.node("nic2").state == "drift (1)"
    assert told(picture, "nic2rules0")[1:] == [
        f"18014..18016 from 198.51.100.7: {TIERS} [18016 missing]",
        f"18014..18016 from each of the other 2 addresses: {TIERS}",
    ]
    assert [edge.mark for edge in picture.edges if edge.mark is not Mark.NONE] == []


def test_a_lost_default_breaks_the_arrow_to_the_gateway() -> None:
    one = numbered(1, v6=False)
    picture = scene(host(one, lost=[routes_of(one)[-1]]))
    assert "default via the gateway [missing]" in told(picture, "nic2table0")
    assert [(e.start, e.end, e.mark) for e in picture.edges if e.mark is not Mark.NONE] == [
        ("nic2table0", "nic2gateway0", Mark.MISSING)
    ]


def test_lost_rules_break_the_arrow_to_the_table() -> None:
    one = numbered(1, v6=False)
    picture = scene(host(one, lost=rules_of(one)))
    assert ("nic2rules0", "nic2table0", Mark.MISSING) in [
        (edge.start, edge.end, edge.mark) for edge in picture.edges
    ]


def test_each_verb_of_drift_has_its_words_and_its_line_in_the_legend() -> None:
    picture = scene(three_enis())
    assert told(picture, "nic3rules0") == [
        f"18020..18022 sockets bound to eth2: {TIERS}",
        f"18024..18026 from 203.0.113.6: {TIERS} [missing]",
        f"18024..18026 from each of the other 2 addresses: {TIERS}",
        f"18024..18026 from 203.0.113.9: {TIERS} [to delete]",
    ]
    assert told(picture, "nic3table0")[-2:] == [
        "default via the gateway: in its place via 203.0.113.1 dev eth2, protocol 4 [to replace]",
        "default unreachable (guard)",
    ]
    assert [mark.value for mark, _ in picture.legend()] == ["missing", "to delete", "to replace"]
    assert picture.summary.startswith("drift: 3 missing, 3 to delete, 1 to replace")
    assert [nic.state for nic, _ in picture.lanes()] == ["left alone", "in sync", "drift (7)"]
    assert [nic.tone.value for nic, _ in picture.lanes()] == ["quiet", "good", "bad"]


def test_without_the_daemon_what_would_change_is_what_counts() -> None:
    seen = replace(three_enis(), by_daemon=False)
    assert not scene(replace(seen, in_sync=True)).in_sync
    clean = scene(replace(seen, operations=(), in_sync=False))
    assert clean.in_sync
    assert clean.summary.startswith("nothing to change, facts from aliyun")


def test_a_daemon_that_is_not_in_sync_for_another_reason_says_which() -> None:
    picture = scene(view(in_sync=False, why="not looked yet"))
    assert not picture.in_sync
    assert picture.summary.startswith("not in sync: not looked yet")


def test_a_legend_is_there_only_with_drift() -> None:
    assert scene(host(numbered(1))).legend() == ()


def test_rules_held_twice_are_one_line_too_many() -> None:
    one = numbered(1, v6=False)
    twice = rules_of(one)[-1]
    lines = told(scene(host(one, stray=[twice])), "nic2rules0")
    assert lines[1:] == [
        f"18014..18016 from 198.51.100.5: {TIERS}",
        "18016 from 198.51.100.5: default [to delete]",
    ]


def test_what_is_left_of_a_nic_that_is_gone_has_a_lane_of_its_own() -> None:
    gone = numbered(7, v6=False)
    strays: list[Thing] = [*rules_of(gone), *routes_of(gone)]
    picture = scene(host(numbered(1), stray=strays))
    assert picture.node("seat7").heading() == "number 7  no NIC"
    assert told(picture, "seat7rules0")[1] == f"18074..18076 from 198.18.7.5: {TIERS} [to delete]"
    assert all(line.mark is Mark.TO_DELETE for line in picture.node("seat7table0").lines)


def test_a_nic_left_alone_goes_by_main() -> None:
    picture = scene(host(numbered(1)))
    assert told(picture, "nic1addresses0") == ["192.0.2.10"]
    assert picture.node("nic1table0").title == "table main"
    assert told(picture, "nic1table0") == [
        "the primary NIC, unless the configuration says manage = true"
    ]
    assert told(picture, "nic1gateway0") == ["via 192.0.2.253"]
    assert [edge.label for edge in picture.edges if edge.start == "nic1addresses0"] == [
        "no rules of srcroutd"
    ]


def test_a_nic_that_waits_says_why_and_for_how_long() -> None:
    picture = scene(host(numbered(1)))
    assert picture.node("nic3").state == "waiting, 8 s"
    assert told(picture, "nic3note0") == ["not in metadata yet", "until then table main decides"]


def test_a_refused_and_a_kept_nic_give_their_reasons() -> None:
    refused = replace(second(), state=State.REFUSED, why="all numbers are taken", seat=0)
    assert told(scene(view(refused)), "nic2note0")[0] == "all numbers are taken"
    still = replace(second(), state=State.KEPT, why="aliyun no longer lists it")
    picture = scene(view(still))
    assert told(picture, "nic2") == ["aliyun no longer lists it"]
    assert picture.node("nic2rules0").lines


def test_a_nic_that_is_down_shows_its_guard_only() -> None:
    one = replace(numbered(1, v6=False), link=replace(numbered(1).link, up=False))
    picture = scene(host(one))
    assert told(picture, "nic2table0") == ["default unreachable (guard)"]
    assert told(picture, "nic2gateway0") == ["nothing leaves: the NIC is down"]
    assert told(picture, "nic2") == ["eth1 is down: only the fail-closed guard stands"]


def test_a_nic_without_addresses_yet_is_drawn_with_a_note() -> None:
    bare = replace(kept(replace(numbered(1, v6=False), addresses=())), eni=None)
    picture = scene(view(bare))
    assert told(picture, "nic2addresses0") == ["no address yet"]
    assert told(picture, "nic2rules0") == ["none to keep yet"]


def test_many_other_subnets_are_counted() -> None:
    elsewhere = tuple((f"{v4_net(other)}.0/24", f"eni-{other}") for other in range(2, 17))
    one = nic(1, numbered(1, v6=False).eni, numbered(1, v6=False).addresses, elsewhere=elsewhere)
    assert told(scene(host(one)), "nic2table0") == [
        "198.51.100.0/24 on the link",
        "15 other subnets via the gateway",
        "default via the gateway",
        "default unreachable (guard)",
    ]
    lost = [route for route in routes_of(one) if str(route.dst) == "198.18.9.0/24"]
    assert told(scene(host(one, lost=lost)), "nic2table0")[1:3] == [
        "14 other subnets via the gateway",
        "198.18.9.0/24 via the gateway [missing]",
    ]


def test_of_very_many_nics_those_in_trouble_are_drawn_whole() -> None:
    nics = [numbered(number, v6=False) for number in range(1, 41)]
    lost = rules_of(nics[37])[-1]
    picture = scene(host(*nics, lost=[lost]))
    folded = [node for node in picture.nodes if node.folded]
    assert len(folded) == 42 - 16
    assert not next(node for node in picture.nodes if node.state == "waiting, 8 s").folded
    assert not next(node for node in picture.nodes if node.title == "eth38").folded
    assert told(picture, folded[-1].id) == ["1 address, table 18040"]


def test_a_folded_nic_still_says_that_it_is_out_of_step() -> None:
    nics = [numbered(number, v6=False) for number in range(1, 41)]
    picture = scene(host(*nics, lost=[rule for one in nics for rule in rules_of(one)]))
    last = next(node for node in picture.nodes if node.title == "eth40")
    assert last.folded
    assert told(picture, last.id) == ["1 address, table 18040 [6 missing]"]


def test_standing_by_conflicts_and_trouble_are_said() -> None:
    whole = view(conflicts=("a stranger's route",), standing_by=True, in_sync=False)
    whole = replace(whole, facts=replace(whole.facts, trouble="no answer in 2 s"))
    picture = scene(whole)
    assert picture.summary.startswith("standing by, not in sync")
    assert picture.notes == ("conflict: a stranger's route", "metadata: no answer in 2 s")


def test_a_host_without_nics_says_so() -> None:
    assert scene(replace(view(), nics=())).notes == ("No NIC here could be an ENI.",)


def test_every_rule_and_route_is_behind_a_line_exactly_once() -> None:
    whole = three_enis()
    behind = [thing for node in scene(whole).nodes for line in node.lines for thing in line.things]
    wants = [want for one in whole.nics for want in (*one.desired.rules, *one.desired.routes)]
    deleted = [op.thing for op in whole.operations if op.verb == "delete"]
    assert sorted(map(str, behind)) == sorted(map(str, [*(w.thing for w in wants), *deleted]))


def test_the_json_has_the_same_boxes_and_arrows() -> None:
    picture = scene(three_enis())
    whole = json.loads(document(picture))
    assert (whole["version"], whole["kind"], whole["in_sync"]) == (1, "srcroutd.graph", False)
    assert [node["id"] for node in whole["nodes"]] == [node.id for node in picture.nodes]
    assert [(e["from"], e["to"]) for e in whole["edges"]] == [
        (e.start, e.end) for e in picture.edges
    ]
    rules = next(node for node in whole["nodes"] if node["id"] == "nic3rules0")
    assert rules["nic"] == "nic3"
    assert rules["mark"] == "missing"
    assert rules["lines"][1]["flag"] == "missing"
    assert rules["lines"][1]["things"][0] == (
        "18024: from 203.0.113.6 lookup 18002 suppress_prefixlength 0"
    )


def test_the_same_view_gives_the_same_picture_whatever_the_order_of_its_operations() -> None:
    whole = three_enis()
    turned = replace(whole, operations=whole.operations[::-1])
    assert document(scene(turned)) == document(scene(whole))


def unkept(one: NicView) -> NicView:
    """The same NIC left alone."""
    return replace(one, state=State.LEFT_ALONE, seat=0)


def test_a_nic_left_alone_that_still_has_rules_shows_them_apart() -> None:
    strays = rules_of(numbered(1, v6=False))
    whole = replace(host(stray=strays), nics=(unkept(kept(numbered(1))),))
    picture = scene(whole)
    assert picture.node("seat1").tone == "bad"
    assert all("[to delete]" in line for line in told(picture, "seat1rules0"))
