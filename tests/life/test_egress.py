"""``[[egress]]`` through the daemon: rules, routes and table come, are healed and go like all that
is ours.
"""

import json
import signal
import subprocess

import pytest

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until
from tests.life.test_marks import ruleset

LEADS = """
[[egress]]
name = "smtp"
to = ["203.0.113.0/24", "2001:db8:cafe::/48"]
protocol = "tcp"
port = 25
nic = "eth1"
"""
REWRITES = """
[[egress]]
name = "api"
to = "198.51.100.0/24"
source = "172.16.1.6"
snat = true
"""
NICS_AND_PORTS = 6


@pytest.fixture
def calm(host: Host) -> Host:
    """A host on which only events can heal: the full look comes once an hour."""
    host.configure(ETH0, ETH1, more="look = 3600", extra=LEADS + REWRITES)
    return host


def chosen(host: Host, words: str) -> str:
    """NIC and source that the kernel gives a new connection."""
    found = host.ip(f"route get {words}").split()
    source = "src" if "src" in found else "from"
    return f"{found[found.index('dev') + 1]} {found[found.index(source) + 1]}"


def test_new_connections_are_led_and_others_are_not(calm: Host) -> None:
    calm.start()
    assert chosen(calm, "203.0.113.9 ipproto tcp dport 25") == "eth1 172.16.1.5"
    assert chosen(calm, "203.0.113.9 ipproto tcp dport 26") == "eth0 172.16.0.10"
    assert chosen(calm, "203.0.113.9 from 172.16.0.10 ipproto tcp dport 25") == "eth0 172.16.0.10"
    assert chosen(calm, "2001:db8:cafe::9 ipproto tcp dport 25") == "eth1 fd00:1::5"
    assert chosen(calm, "198.51.100.9") == "eth1 172.16.1.6"
    assert chosen(calm, "198.51.100.9 from 172.16.0.10") == "eth0 172.16.0.10"
    assert chosen(calm, "198.51.100.9 from 172.16.0.10 mark 0xff0000") == "eth1 172.16.0.10"


@pytest.mark.parametrize(
    "harm",
    [
        "rule del priority 17501",
        "rule del priority 17502",
        "-6 rule del priority 17500",
        "-6 rule del priority 17999",
        "rule del priority 18000",
        "rule del priority 18001",
        "route flush table 18163",
        "-6 route flush table 18163",
        "route replace default dev eth0 table 18162",
    ],
)
def test_whatever_is_taken_is_put_back(calm: Host, harm: str) -> None:
    daemon = calm.start()
    whole = calm.settled()
    told = len(daemon.operations())
    calm.ip(harm)
    until(lambda: len(daemon.operations()) > told, 2.0, "it was seen")
    calm.healed(whole)


def test_the_rewriting_is_put_back(calm: Host) -> None:
    calm.start()
    until(lambda: "srcroutd" in ruleset(), 2.0, "the table is there")
    whole = ruleset()
    assert "snat ip to 172.16.1.6" in whole
    subprocess.run(["nft", "flush", "chain", "inet", "srcroutd", "source"], check=True)
    assert ruleset() != whole
    until(lambda: ruleset() == whole, 2.0, "the table is whole")


def test_an_entry_that_leaves_the_file_leaves_the_kernel(calm: Host) -> None:
    calm.configure(ETH0, ETH1, more="look = 3600")
    before = ruleset()
    daemon = calm.start()
    plain = calm.settled()
    calm.configure(ETH0, ETH1, more="look = 3600", extra=LEADS + REWRITES)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("+ nft table inet srcroutd", "sources rewritten to 172.16.1.6")
    daemon.wait_said("lookup 18163", 'new connections of egress entry "smtp"')
    calm.configure(ETH0, ETH1, more="look = 3600", extra=LEADS)
    daemon.send(signal.SIGHUP)
    until(lambda: ruleset() == before, 2.0, "the table is gone")
    daemon.wait_said("- ip rule 18001: ", "no policy of the configuration needs it")
    calm.configure(ETH0, ETH1, more="look = 3600")
    daemon.send(signal.SIGHUP)
    calm.healed(plain, 2.0)


def test_a_detached_nic_takes_its_entry_along_and_brings_it_back(calm: Host) -> None:
    calm.start()
    whole = calm.settled()
    until(lambda: "snat ip to" in ruleset(), 2.0, "the table is there")
    table = ruleset()
    calm.ip("link del eth1")
    until(lambda: "17502" not in calm.ours(), 2.0, "the rule is gone")
    until(lambda: "snat ip to" not in ruleset(), 2.0, "nothing is rewritten")
    assert chosen(calm, "203.0.113.9 ipproto tcp dport 25") == "eth0 172.16.0.10"
    _, said = calm.ctl("status")
    assert 'egress entry "smtp"' in said
    assert "waits: eth1 is not on this host" in said
    calm.plug(ETH1)
    calm.healed(whole, 3.0)
    until(lambda: ruleset() == table, 2.0, "the table is back")


def test_an_address_that_goes_and_comes_is_followed(calm: Host) -> None:
    calm.start()
    whole = calm.settled()
    calm.ip("address del 172.16.1.6/24 dev eth1")
    until(lambda: "18001: " not in calm.ours(), 2.0, "nothing is led by its mark")
    assert chosen(calm, "198.51.100.9") == "eth0 172.16.0.10"
    calm.ip("address add 172.16.1.6/24 dev eth1")
    calm.healed(whole, 2.0)


def test_a_restart_changes_nothing_and_a_cleanup_leaves_what_was_before(calm: Host) -> None:
    # The kernel's own routes of a link come once its carrier does.
    until(lambda: calm.theirs().count("ff00::/8") == NICS_AND_PORTS, 2.0, "all links are up")
    rules, theirs = ruleset(), calm.theirs()
    daemon = calm.start()
    whole = calm.settled()
    until(lambda: "snat ip to" in ruleset(), 2.0, "the table is there")
    table = ruleset()
    daemon.kill()
    second = calm.start()
    calm.healed(whole)
    same(table, ruleset())
    assert second.operations() == []
    second.kill()
    code, said = calm.cleanup()
    assert code == 0, said
    assert calm.ours() == ""
    same(rules, ruleset())
    same(theirs, calm.theirs())


def test_a_nic_that_is_left_alone_is_not_used_unless_it_is_the_primary(host: Host) -> None:
    alone = '\n[[nic]]\nname = "eth1"\nmanage = false\n'
    host.configure(ETH0, ETH1, ETH2, extra=LEADS + alone)
    host.start()
    assert "175" not in host.settled()
    _, said = host.ctl("status")
    assert "eth1 is left alone, so no rule leads its addresses out by it" in said


def test_strict_rp_filter_gets_what_it_needs_where_sysctls_are_automatic(host: Host) -> None:
    host.sysctl("ipv4/conf/eth1/rp_filter", "1")
    auto = '\n[[nic]]\nname = "eth1"\nsysctls = "auto"\n'
    host.configure(ETH0, ETH1, extra=REWRITES + auto)
    daemon = host.start()
    daemon.wait_said("net.ipv4.conf.eth1.src_valid_mark=1")
    host.configure(ETH0, ETH1, extra=auto)
    daemon.send(signal.SIGHUP)
    daemon.wait_said("net.ipv4.conf.eth1.src_valid_mark=0")


# --- explained ----------------------------------------------------------------------------------


def explained(host: Host, words: str) -> str:
    code, said = host.ctl("explain", *words.split())
    assert code == 0, said
    return said


def test_explain_names_the_route_and_the_entry_that_give_the_source(calm: Host) -> None:
    calm.start()
    for far, source in (("203.0.113.9", "172.16.1.5"), ("2001:db8:cafe::9", "fd00:1::5")):
        said = explained(calm, f"{far} --proto tcp --dport 25")
        entry = f'egress entry "smtp", {calm.config}:'
        assert "leaves by eth1" in said
        assert "KERNEL DISAGREES" not in said
        assert f"source {source}: src of the route in table 18163 ({entry}" in said
        assert "mechanism 2 of 3" in said
        assert f"rule 17502 is ours: new connections of {entry}" in said


def test_explain_tells_what_it_was_before(calm: Host) -> None:
    calm.start()
    said = explained(calm, "203.0.113.9 --proto tcp --dport 25")
    assert "without srcroutd's policies: leaves by eth0, next hop 172.16.0.253" in said
    assert "source 172.16.0.10: the first address on eth0" in said
    assert "without srcroutd's" not in explained(calm, "203.0.113.9 --proto tcp --dport 26")
    told = json.loads(explained(calm, "203.0.113.9 --proto tcp --dport 25 --json"))
    assert (told["question"]["source"], told["before"]["source"]) == ("172.16.1.5", "172.16.0.10")
    assert told["rewritten"] is None


def test_explain_tells_that_a_source_is_rewritten_and_by_whom(calm: Host) -> None:
    calm.start()
    until(lambda: "snat ip to" in ruleset(), 2.0, "the table is there")
    said = explained(calm, "198.51.100.9 --from 172.16.0.10")
    assert "if it begins a connection, nftables gives it mark 0xff0000, and then:" in said
    assert said.count("the kernel agrees") == 2
    assert "source 172.16.1.6: rewritten by nftables as it leaves by eth1 (SNAT)" in said
    assert 'rule 18001 is ours: rewritten connections of egress entry "api"' in said
    told = json.loads(explained(calm, "198.51.100.9 --from 172.16.0.10 --json"))
    assert told["question"]["leaves_by"] == "eth0"
    assert told["rewritten"]["look"]["leaves_by"] == "eth1"
    assert {key: told["rewritten"][key] for key in ("source", "nic", "mark")} == {
        "source": "172.16.1.6",
        "nic": "eth1",
        "mark": 0xFF0000,
    }
    assert "rewritten by" not in explained(calm, "198.51.100.9"), "the route gives it already"
    assert "rewritten by" not in explained(calm, "198.51.101.9 --from 172.16.0.10")


def test_explain_believes_the_table_that_stands_and_not_the_file(calm: Host) -> None:
    daemon = calm.start()
    until(lambda: "snat ip to" in ruleset(), 2.0, "the table is there")
    daemon.kill()
    subprocess.run(["nft", "delete", "table", "inet", "srcroutd"], check=True)
    assert "rewritten by" not in explained(calm, "198.51.100.9 --from 172.16.0.10")


def test_doctor_says_when_answers_to_rewritten_connections_would_be_dropped(host: Host) -> None:
    def findings() -> dict[str, str]:
        _, said = host.ctl("doctor", "--json")
        return {one["slug"]: one["nic"] for one in json.loads(said)["findings"]}

    host.sysctl("ipv4/conf/all/rp_filter", "0")
    host.sysctl("ipv4/conf/eth1/rp_filter", "1")
    host.configure(ETH0, ETH1, extra=REWRITES)
    host.start()
    host.settled()
    assert findings().get("rp-filter-strict") == "eth1"
    host.sysctl("ipv4/conf/eth1/src_valid_mark", "1")
    assert "rp-filter-strict" not in findings()
