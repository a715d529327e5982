"""Mode connmark through its life: switched on and off, stopped, killed in between, beside
everybody's tables; and what is left of it afterwards, which is nothing.
"""

import signal
import time
from functools import partial

import pytest

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until
from tests.life.marked_host import (
    BOTH,
    HEALED_S,
    MARKS,
    RARELY,
    by_mark,
    drop_rules,
    everything,
    is_again,
    marked,
    reload,
    sysctls,
    table,
    valid_mark,
)
from tests.life.strangers_tables import nft, theirs

pytestmark = pytest.mark.long


def holds_eth2(*, there: bool) -> bool:
    return ('"eth2"' in table()) is there


def test_switched_on_and_off_by_reload_it_leaves_nothing(crowded: Host) -> None:
    before = everything(crowded)
    crowded.configure(ETH0, ETH1, ETH2, more=RARELY)
    crowded.start()
    crowded.settled()
    plain = everything(crowded)
    for extra in (MARKS, BOTH, MARKS):
        reload(crowded, extra)
        until(lambda: 'iifname "eth1"' in table(), HEALED_S, "the table")
        there = extra == BOTH
        until(partial(holds_eth2, there=there), HEALED_S, f"eth2 in the table: {there}")
        assert everything(crowded) != plain
    reload(crowded, "")
    is_again(crowded, plain)
    reload(crowded, BOTH)
    marked(crowded)
    assert crowded.cleanup()[0] == 0
    is_again(crowded, before)


def test_a_cleanup_without_the_daemon_leaves_nothing_either(crowded: Host) -> None:
    before = everything(crowded)
    crowded.start()
    marked(crowded)
    until(lambda: valid_mark("eth1") == "1", HEALED_S, "src_valid_mark")
    crowded.daemons[-1].kill()
    assert crowded.cleanup()[0] == 0
    same(before, everything(crowded))


def test_stopping_changes_nothing(crowded: Host) -> None:
    daemon = crowded.start()
    marked(crowded)
    until(lambda: valid_mark("eth1") == "1", HEALED_S, "src_valid_mark")
    stands = everything(crowded)
    assert daemon.stop() == 0
    same(stands, everything(crowded))
    crowded.start()
    crowded.settled()
    same(stands, everything(crowded))


def test_another_mask_moves_the_marks_and_leaves_none_behind(crowded: Host) -> None:
    daemon = crowded.start()
    marked(crowded)
    more = f'{RARELY}\nmark_mask = "0xff000000"'
    crowded.configure(ETH0, ETH1, ETH2, more=more, extra=MARKS)
    daemon.send(signal.SIGHUP)
    until(lambda: "0x01000000" in table(), HEALED_S, "the table has the other mask")
    until(lambda: crowded.ours().count("fwmark 0x1000000/0xff000000") == 6, HEALED_S, "rules")
    assert "0xff0000 " not in crowded.ours()
    assert "0x00ff0000" not in table()


def test_a_nic_that_goes_away_leaves_the_table_and_comes_back_to_it(crowded: Host) -> None:
    crowded.configure(ETH0, ETH1, ETH2, more=RARELY, extra=BOTH)
    crowded.start()
    until(lambda: '"eth2"' in table(), HEALED_S, "both")
    full, whole = crowded.settled(), table()
    crowded.ip("link del eth2")
    until(lambda: '"eth2"' not in table(), HEALED_S, "eth2 is out")
    assert '"eth1"' in table()
    crowded.plug(ETH2)
    until(lambda: table() == whole, 5.0, "eth2 is back")
    crowded.healed(full, within_s=5.0)


@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
def test_killed_while_it_begins_the_next_start_ends_it(crowded: Host, wait_s: float) -> None:
    others = theirs()
    daemon = crowded.start()
    full, whole = marked(crowded), table()
    until(lambda: valid_mark("eth1") == "1", HEALED_S, "src_valid_mark")
    settings = sysctls()
    daemon.kill()
    assert crowded.cleanup()[0] == 0
    crowded.start(ready=False)
    time.sleep(wait_s)
    crowded.daemons[-1].kill()
    assert not crowded.dangling()
    crowded.start()
    crowded.healed(full)
    until(lambda: table() == whole, HEALED_S, "the table is whole")
    until(lambda: sysctls() == settings, HEALED_S, "src_valid_mark")
    same(others, theirs())


@pytest.mark.parametrize("left", ["table", "rules", "half the rules"])
def test_what_a_kill_left_half_done_is_made_whole(crowded: Host, left: str) -> None:
    daemon = crowded.start()
    full, whole = marked(crowded), table()
    daemon.kill()
    rules = by_mark(full)
    if left == "rules":
        nft("delete", "table", "inet", "srcroutd")
    else:
        drop_rules(crowded, rules if left == "table" else rules[::2])
    crowded.start()
    crowded.healed(full)
    until(lambda: table() == whole, HEALED_S, "the table is whole")
