"""``status`` and ``plan`` as an administrator reads them: columns, 80 of them if need be, and no
meaning in colour alone.
"""

from dataclasses import replace

import pytest

from srcroutd.cli.paint import ago, columns
from srcroutd.cli.verbs import plan, status
from srcroutd.core.join import State
from srcroutd.core.net import Route
from srcroutd.core.operation import Operation, Phase
from tests.pure.views import NOW, missing, second, view
from tests.pure.worlds import address


def test_a_wide_screen_shows_a_nic_a_line() -> None:
    v4_only = replace(second(), addresses=(address(1, "198.51.100.5/24"),))
    v4_only = replace(v4_only, eni=replace(v4_only.eni, v6=None))  # type: ignore[type-var]
    assert status.render(view(v4_only), None) == [
        "in sync   generation 42, 3 min ago   aliyun, read 20 s ago   1 NIC kept, 1 waiting",
        "",
        "NIC   ENI    ROLE       STATE       TABLE  MODE    ADDRESSES     GATEWAY",
        "eth0  eni-0  primary    left alone  main   -       192.0.2.10    192.0.2.253",
        "eth1  eni-1  secondary  in sync     18001  source  198.51.100.5  198.51.100.253",
        "eth3  -      -          waiting     -      -       203.0.113.5   not in metadata yet, 8 s",
    ]


def test_eighty_columns_are_enough_for_the_longest_ipv6_addresses() -> None:
    lines = status.render(view(), 80)
    assert max(map(len, lines)) <= 85  # the headline is one sentence and may wrap
    assert max(map(len, lines[1:])) <= 80
    at = lines.index("eth1  eni-1  secondary  in sync     18001  source")
    assert lines[at + 1 : at + 5] == [
        "      198.51.100.5",
        "      2001:db8:1111:2222:3333:4444:5555:6666",
        "      via 198.51.100.253",
        "      via 2001:db8:1111:2222:ffff:ffff:ffff:1",
    ]


def test_drift_is_said_in_words_with_what_to_type_next() -> None:
    one = second()
    said = "\n".join(
        status.render(view(one, operations=missing(one), in_sync=False, why="2 contested"), None)
    )
    assert said.startswith("not in sync")
    assert "drift (2)" in said
    assert said.endswith("next: srcroutctl plan (2 contested)")


def test_standing_by_says_how_to_go_on() -> None:
    lines = status.render(view(standing_by=True, in_sync=False), None)
    assert lines[0].startswith("standing by")
    assert lines[-1] == "next: srcroutctl reconcile puts everything back"


def test_trouble_conflicts_and_notes_are_on_the_screen() -> None:
    one = second()
    one = replace(one, desired=replace(one.desired, notes=("eth1 is down: only the guard stands",)))
    facts = replace(view().facts, trouble="aliyun: no answer in 2 s", read_at_s=None)
    said = "\n".join(status.render(view(one, facts=facts, conflicts=("a stranger's route",)), None))
    assert "aliyun, not read yet" in said
    assert "metadata: aliyun: no answer in 2 s" in said
    assert "conflict: a stranger's route" in said
    assert "eth1: eth1 is down: only the guard stands" in said


def test_many_addresses_are_counted_not_listed() -> None:
    many = tuple(address(1, f"198.51.100.{number}/24") for number in range(1, 65))
    said = "\n".join(status.render(view(second(addresses=many)), None))
    assert "198.51.100.5  198.51.100.1" in said  # the cloud's first one first
    assert "and 58 more" in said


def test_a_host_without_nics_and_without_a_read_says_so() -> None:
    bare = replace(view(), nics=(), changed_at_s=None, generation=0)
    lines = status.render(bare, None)
    assert lines[2] == "No NIC here could be an ENI."
    assert "0 NICs kept" in lines[0]


def test_the_plan_shows_each_change_with_its_reason_and_counts_them() -> None:
    one = second()
    gone = Operation(
        Phase.DELETE_RULES, "delete", "k", one.desired.rules[0].thing, 1, "gone from metadata"
    )
    lines = plan.render(view(one, operations=(*missing(one), gone)), None)
    assert lines[0] == "eth1  eni-1  table 18001"
    assert lines[1].startswith("  + route  -6 default via 2001:db8:1111:2222:ffff:ffff:ffff:1 dev")
    assert lines[1].endswith("gateway of eni-1, read from aliyun")
    assert lines[3].startswith("  - rule   18010: from all oif eth1")
    assert lines[3].index("gone from metadata") == lines[1].index("gateway of eni-1")
    assert lines[-1] == (
        "2 to add, 1 to delete. 3 foreign rules left alone. At no step does a rule lack its route."
    )


def test_a_narrow_plan_puts_the_reason_below() -> None:
    one = second()
    lines = plan.render(view(one, operations=missing(one, routes=0, rules=3)), 80)
    assert lines[1].startswith("  + rule   -6 18014: from 2001:db8:")
    assert lines[2] == "           first address of eni-1, read from aliyun"


def test_what_a_replaced_route_was_is_shown() -> None:
    one = second()
    ours = one.desired.routes[2].thing
    assert isinstance(ours, Route)
    theirs = replace(ours, protocol=4, gateway=None)
    swap = replace(missing(one, rules=0)[0], verb="replace", replaces=theirs)
    (line,) = [x for x in plan.render(view(one, operations=(swap,)), None) if x.startswith("  ~")]
    assert f"; was: {theirs}" in line


def test_nothing_to_do_is_a_sentence() -> None:
    assert plan.render(view(), None)[-1] == (
        "Nothing to do: the kernel is as it should be. 3 foreign rules left alone."
    )


def test_a_waiting_or_refused_nic_is_in_the_plan_with_its_reason() -> None:
    refused = replace(second(), state=State.REFUSED, why="all numbers are taken")
    assert "eth1  refused: all numbers are taken" in plan.render(view(refused), None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-3, "0 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"),
     (86399, "23 h"), (2 * 86400, "2 d")],
)  # fmt: skip
def test_a_stretch_of_time_has_one_unit(seconds: float, words: str) -> None:
    assert ago(seconds) == words


def test_columns_align_and_lines_end_with_their_last_word() -> None:
    assert columns([("a", "bb", ""), ("ccc", "d", "e")]) == ["a    bb", "ccc  d   e"]


def test_since_is_told_only_for_a_nic_that_waits() -> None:
    old = replace(second(), since_s=NOW - 500)
    assert "500" not in "\n".join(status.render(view(old), None))
