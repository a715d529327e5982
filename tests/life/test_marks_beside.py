"""What others do to our table of nftables, and what we do to theirs; and no nft at all."""

import subprocess
import time

import pytest

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until
from tests.life.marked_host import (
    HEALED_S,
    MARKS,
    OUR_TABLE,
    by_mark,
    drop_rules,
    marked,
    table,
    valid_mark,
)
from tests.life.strangers_tables import nft, ruleset, theirs

WITHOUT_NFT = ("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /usr/sbin/nft; exec "$@"')


@pytest.mark.parametrize(
    "harm",
    [
        "delete table inet srcroutd",
        "flush chain inet srcroutd prerouting",
        "insert rule inet srcroutd output accept",
        "add chain inet srcroutd prerouting { policy drop; }",
        "add table inet srcroutd { flags dormant; }",
        "add chain inet srcroutd mine",
        "delete table inet srcroutd\nadd table inet srcroutd",
    ],
)
def test_harm_to_our_table_is_healed_and_nobody_elses_is_touched(crowded: Host, harm: str) -> None:
    others = theirs()
    crowded.start()
    marked(crowded)
    whole = table()
    nft("-f", "-", text=harm)
    until(lambda: table() == whole, HEALED_S, f"healed after {harm}")
    same(others, theirs())


def test_a_flush_of_everything_brings_back_ours_and_no_more(crowded: Host) -> None:
    crowded.start()
    marked(crowded)
    whole = table()
    nft("flush", "ruleset")
    until(lambda: table() == whole, HEALED_S, "healed")
    assert theirs().strip() == ""


def test_what_others_do_to_their_own_tables_starts_nothing(crowded: Host) -> None:
    daemon = crowded.start()
    marked(crowded)
    before, handles = daemon.generation, nft("-a", *OUR_TABLE)
    for number in range(50):
        nft("add", "rule", "ip", "filter", "FORWARD", "meta", "mark", str(number), "accept")
    crowded.settled()
    assert daemon.generation == before
    same(handles, nft("-a", *OUR_TABLE))


def test_lost_rules_for_the_mark_are_healed(crowded: Host) -> None:
    crowded.start()
    full = marked(crowded)
    rules = by_mark(full)
    assert len(rules) == 6
    drop_rules(crowded, rules)
    crowded.healed(full)


def test_a_quarrel_about_the_table_is_lost_politely(crowded: Host) -> None:
    daemon = crowded.start()
    marked(crowded)
    until_s, undone = time.monotonic() + 10, 0
    while not daemon.said("WARNING", "nft table inet srcroutd"):
        assert time.monotonic() < until_s, daemon.log()
        if table():
            nft("delete", "table", "inet", "srcroutd")
            undone += 1
        time.sleep(0.02)
    assert undone < 20
    time.sleep(0.5)
    assert len(daemon.said("WARNING", "nft table inet srcroutd")) == 1
    # Routing by source is none of the quarrel's.
    assert "from 172.16.1.5 lookup 18001" in crowded.ours()


def test_a_strangers_table_of_our_name_is_said_left_alone_and_once_gone_replaced(
    crowded: Host,
) -> None:
    nft("add", "table", "inet", "srcroutd")
    nft("add", "chain", "inet", "srcroutd", "theirs", "{ type filter hook input priority 0; }")
    before = ruleset()
    daemon = crowded.start()
    daemon.wait_said("not srcroutd's stands in nftables", "nft list table inet srcroutd")
    crowded.settled()
    same(before, ruleset())
    assert "from 172.16.1.5 lookup 18001" in crowded.ours()
    assert "fwmark" not in crowded.ours()
    assert "conflict" in crowded.ctl("status")[1]
    nft("delete", "table", "inet", "srcroutd")
    until(lambda: "goes back by eth1" in table(), HEALED_S, "ours is there")
    until(lambda: "fwmark" in crowded.ours(), HEALED_S, "its rules are there")


def test_without_nft_the_package_is_named_and_routing_by_source_goes_on(crowded: Host) -> None:
    before = ruleset()
    daemon = crowded.start(below=(*WITHOUT_NFT, "sh"))
    daemon.wait_said("WARNING", "install the package nftables")
    ours = crowded.settled()
    assert "from 172.16.1.5 lookup 18001" in ours
    assert "fwmark" not in ours
    same(before, ruleset())
    code, said = crowded.ctl("status")
    assert code == 0, said
    assert "nftables" in said
    assert len(daemon.said("install the package nftables")) == 1


def test_without_nft_nobody_misses_it_who_marks_nothing(crowded: Host) -> None:
    crowded.configure(ETH0, ETH1, ETH2)
    daemon = crowded.start(below=(*WITHOUT_NFT, "sh"))
    crowded.settled()
    assert not daemon.said("nft")


def test_nft_that_is_installed_later_is_found_by_the_next_look(crowded: Host) -> None:
    crowded.configure(ETH0, ETH1, ETH2, more="look = 1", extra=MARKS)
    daemon = crowded.start(below=(*WITHOUT_NFT, "sh"))
    daemon.wait_said("install the package nftables")
    subprocess.run(
        ["nsenter", "--mount", "--target", str(daemon.pid), "umount", "/usr/sbin/nft"], check=True
    )
    until(lambda: "goes back by eth1" in table(), 5.0, "the table is there")
    until(lambda: by_mark(crowded.ours()), HEALED_S, "its rules are there")


def test_once_puts_the_table_and_goes(crowded: Host) -> None:
    code, said = crowded.run("--once")
    assert code == 0, said
    assert "goes back by eth1" in table()
    assert len(by_mark(crowded.ours())) == 6
    assert valid_mark("eth1") == "1"
