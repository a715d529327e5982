"""Mode connmark through the daemon: the table of nftables comes, is healed and goes like a rule."""

import signal
import subprocess

import pytest

from tests.life.enis import ETH0, ETH1
from tests.life.host import Host, same, until

MARKS = '[[nic]]\nname = "eth1"\nmode = "connmark"\n'


def nft(*words: str) -> str:
    done = subprocess.run(["nft", *words], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def ruleset() -> str:
    return nft("list", "ruleset")


@pytest.fixture
def calm(host: Host) -> Host:
    """A host on which only events can heal: the full look comes once an hour."""
    host.configure(ETH0, ETH1, more="look = 3600", extra=MARKS)
    return host


def test_the_table_comes_with_its_rules_and_goes_with_the_mode(calm: Host) -> None:
    before, theirs = ruleset(), calm.theirs()
    daemon = calm.start()
    daemon.wait_said("+ nft table inet srcroutd", "eth1")
    assert 'iifname "eth1"' in ruleset()
    assert calm.ours().count("fwmark 0x10000/0xff0000") == 6
    code, said = calm.ctl("status")
    assert code == 0, said
    assert "connmark" in said
    calm.configure(ETH0, ETH1)
    daemon.send(signal.SIGHUP)
    until(lambda: ruleset() == before, 2.0, "the table is gone")
    until(lambda: "fwmark" not in calm.ours(), 2.0, "the rules are gone")
    same(theirs, calm.theirs())


@pytest.mark.parametrize(
    "harm",
    [
        "delete table inet srcroutd",
        "flush ruleset",
        "flush table inet srcroutd",
        "delete chain inet srcroutd output",
        "add rule inet srcroutd prerouting accept",
    ],
)
def test_what_somebody_does_to_the_table_is_healed_by_its_event(calm: Host, harm: str) -> None:
    calm.start()
    until(lambda: "srcroutd" in ruleset(), 2.0, "the table is there")
    whole = ruleset()
    nft(harm)
    assert ruleset() != whole
    until(lambda: ruleset() == whole, 2.0, "the table is whole")


def test_a_strangers_table_of_our_name_is_left_alone_and_said(calm: Host) -> None:
    nft("add table inet srcroutd")
    nft("add chain inet srcroutd theirs { type filter hook input priority 0; }")
    theirs = ruleset()
    daemon = calm.start()
    daemon.wait_said("not srcroutd's stands in nftables")
    same(theirs, ruleset())
    _, said = calm.ctl("status")
    assert "conflict: " in said
    assert "not srcroutd's" in said
    assert "from 172.16.1.5 lookup 18001" in calm.ours()
    assert calm.cleanup()[0] == 0
    same(theirs, ruleset())


def test_a_cleanup_takes_the_table_with_the_daemon_and_without(calm: Host) -> None:
    before = ruleset()
    daemon = calm.start()
    until(lambda: "srcroutd" in ruleset(), 2.0, "the table is there")
    daemon.kill()
    code, said = calm.cleanup()
    assert code == 0, said
    assert "- nft table inet srcroutd" in said
    same(before, ruleset())
    assert calm.ours() == ""


def test_what_an_earlier_run_left_is_taken_away_when_nobody_wants_it(calm: Host) -> None:
    before = ruleset()
    daemon = calm.start()
    until(lambda: "srcroutd" in ruleset(), 2.0, "the table is there")
    daemon.kill()
    calm.configure(ETH0, ETH1, more="look = 1")
    calm.start()
    until(lambda: ruleset() == before, 5.0, "the table is gone")
