"""What a picture says of a host, whatever the format: NICs, addresses, rules, tables, gateways and
what is out of step, from real derivations and real plans.
"""

import json
from dataclasses import replace
from ipaddress import ip_network

from srcroutd.core.desired import NicDesired, Settings, Want
from srcroutd.core.join import State
from srcroutd.core.net import Action, Family, Rule
from srcroutd.core.operation import Operation, Phase
from srcroutd.export.graph.document import document
from srcroutd.export.graph.picture import Kind
from srcroutd.export.graph.scene import scene
from tests.pure.graphs import host, numbered, routes_of, three_enis, told, v4_net
from tests.pure.views import kept, second, view
from tests.pure.worlds import nic

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


def test_a_host_without_nics_says_so() -> None:
    assert scene(replace(view(), nics=())).notes == ("No NIC here could be an ENI.",)


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


def test_rules_that_ask_for_ports_or_users_are_told_whole_and_each_on_its_own() -> None:
    one = kept(numbered(1, v6=False))
    plain = Rule(Family.V4, 18017, table=18001, src=ip_network("198.51.100.5"), protocol=83)
    rules = (replace(plain, dport=(443, 443), ip_proto=6), replace(plain, uids=(33, 33)), plain)
    wants = tuple(Want(rule, "a test") for rule in rules)
    picture = scene(view(replace(one, desired=NicDesired(rules=wants))))
    assert [line for line in told(picture, "nic2rules0") if "198.51" in line] == [
        "18017 from 198.51.100.5 ipproto tcp dport 443 lookup 18001",
        "18017 from 198.51.100.5 uidrange 33-33 lookup 18001",
        "18017 from 198.51.100.5: default",
    ]


def test_replies_by_mark_are_told_in_words() -> None:
    one = kept(numbered(1, v6=False))
    by_mark = Rule(Family.V4, 18012, table=18001, mark=0x10000, mask=0xFF0000, protocol=83)
    wants = (Want(by_mark, "a test"),)
    picture = scene(view(replace(one, desired=NicDesired(rules=wants))))
    assert "18012 replies of connections marked 0x10000: default" in told(picture, "nic2rules0")


def test_what_concerns_the_whole_host_is_a_note_and_no_box() -> None:
    rule = Rule(Family.V4, 17000, action=Action.PROHIBIT, uids=(33, 33), protocol=83)
    due = Operation(Phase.ADD_RULES, "add", "", rule, 0, "a test")
    whole = replace(
        view(kept(numbered(1))),
        policies=NicDesired(rules=(Want(rule, "a test"),)),
        operations=(due,),
    )
    picture = scene(whole)
    assert "asked first: 17000: from all uidrange 33-33 prohibit" in picture.notes
    assert f"due for the whole host: {due}" in picture.notes
    assert not [node for node in picture.nodes if node.id.startswith("seat")]
