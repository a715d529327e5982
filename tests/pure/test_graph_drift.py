"""What a picture says of drift: each kind of it in words, with the arrows that it breaks, on any
number of NICs.
"""

from dataclasses import replace

from srcroutd.core.join import State
from srcroutd.core.view import NicView
from srcroutd.export.graph.document import document
from srcroutd.export.graph.picture import Mark
from srcroutd.export.graph.scene import scene
from tests.pure.graphs import Thing, host, numbered, routes_of, rules_of, three_enis, told
from tests.pure.test_graph_scene import TIERS
from tests.pure.views import kept, view


def test_many_addresses_out_of_step_are_counted_too() -> None:
    one = numbered(1, addresses=9, v6=False)
    lost = [rule for rule in rules_of(one) if rule.src and rule.priority == 18014]
    lines = told(scene(host(one, lost=lost[:6])), "nic2rules0")
    assert lines[2:] == [
        f"18014..18016 from each of 6 addresses: {TIERS} [18014 missing]",
        f"18014..18016 from each of the other 3 addresses: {TIERS}",
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
        "default via the gateway: in its place via 203.0.113.1 dev eth2 proto 4 [to replace]",
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


def test_every_rule_and_route_is_behind_a_line_exactly_once() -> None:
    whole = three_enis()
    behind = [thing for node in scene(whole).nodes for line in node.lines for thing in line.things]
    wants = [want for one in whole.nics for want in (*one.desired.rules, *one.desired.routes)]
    deleted = [op.thing for op in whole.operations if op.verb == "delete"]
    assert sorted(map(str, behind)) == sorted(map(str, [*(w.thing for w in wants), *deleted]))


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
