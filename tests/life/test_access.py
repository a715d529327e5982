"""Access control through the daemon: kept like everything else, taken away whole, and never the
rule that locks somebody out unless he insists.
"""

import signal
from pathlib import Path

import pytest

from tests.life.administrator import PEER, logged_in
from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until

ENTRIES = """
[[access]]
name = "the lab is off limits"
action = "prohibit"
to = ["192.0.2.0/24", "2001:db8:9::/48"]

[[access]]
via = "eth1"
to = "198.51.100.0/24"
protocol = "tcp"
port = 443

[[access]]
via = "eth7"
to = "203.0.113.0/24"
"""
RULES = [
    "17000: from all to 192.0.2.0/24 prohibit",
    "17001: from all to 198.51.100.0/24 ipproto tcp dport 443 lookup 18001",
    "17000: from all to 2001:db8:9::/48 prohibit",
]
TO_PEER = f'[[access]]\naction = "prohibit"\nto = "{PEER}"\n'
HARMLESS = '[[access]]\naction = "blackhole"\nto = "192.0.2.99"\n'
RESOLVER = "203.0.113.53"
WOULD_STOP = f"unreachable would stop what this host sends to the DNS server {RESOLVER}"
TO_RESOLVER = '[[access]]\naction = "unreachable"\nto = "203.0.113.0/24"\n'


@pytest.fixture
def entries(host: Host) -> Host:
    """Configured, not started."""
    host.configure(ETH0, ETH1, ETH2, extra=ENTRIES)
    return host


def access_rules(host: Host) -> list[str]:
    """The rules of access control, as iproute2 shows them, IPv4 first."""
    lines = [line for family in "46" for line in host.ip(f"-{family} rule").splitlines()]
    return [" ".join(line.split()).removesuffix(" proto 83") for line in lines if line[:2] == "17"]


def resolving_by(host: Host, server: str) -> tuple[str, ...]:
    """What starts a program to whom resolv.conf names this server."""
    (host.folder / "resolv.conf").write_text(f"nameserver {server}\n")
    mount = f'mount --bind {host.folder}/resolv.conf "$(realpath /etc/resolv.conf)" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", mount, "sh")


def test_entries_are_rules_in_their_band_and_status_says_what_waits(entries: Host) -> None:
    entries.start()
    entries.settled()
    assert access_rules(entries) == RULES
    said = entries.ctl("status")[1]
    assert "[[access]] number 3: eth7 is not on this host" in said
    assert "in sync" in said


def test_drift_is_healed(entries: Host) -> None:
    entries.start()
    full = entries.settled()
    entries.ip("rule del priority 17000", "-6 rule del priority 17000", "rule del priority 17001")
    entries.healed(full)
    entries.ip("rule del priority 17000", "rule add priority 17000 to 192.0.2.0/24 blackhole")
    entries.healed(full)
    assert "blackhole" in entries.ip("rule"), "a stranger's is left alone"
    entries.ip("rule del priority 17000 blackhole")
    entries.ip("rule add priority 17003 to 192.0.2.7 prohibit protocol 83")
    entries.healed(full)


def test_explain_names_the_entry_that_refuses(entries: Host) -> None:
    entries.start()
    for words in ("192.0.2.7", "2001:db8:9::7 --from fd00:1::5", "192.0.2.7 --uid 1000"):
        code, said = entries.ctl("explain", *words.split())
        assert (code, "rule 17000 refuses it; the kernel agrees" in said) == (0, True), said
        assert "srcroutd.toml:" in said
        assert "[[access]] number 1 (the lab is off limits)" in said
    _, said = entries.ctl("explain", *"198.51.100.9 --proto tcp --dport 443".split())
    assert "leaves by eth1, next hop 172.16.1.253; the kernel agrees" in said
    assert "rule 17001 is ours" in said
    assert "[[access]] number 2" in said


def test_explain_knows_that_ipv4_refuses_no_bound_socket(entries: Host) -> None:
    entries.start()
    for words, refused in (("192.0.2.7", False), ("2001:db8:9::7", True)):
        code, said = entries.ctl("explain", words, "--oif", "eth2")
        assert (code, "refuses it; the kernel agrees" in said) == (0, refused), said
        assert ("out by eth2" in said or "leaves by eth2" in said) is not refused, said


def test_what_an_edit_removes_goes_and_what_moves_moves(entries: Host) -> None:
    daemon = entries.start()
    full = entries.settled()
    entries.configure(ETH0, ETH1, ETH2, extra=HARMLESS + ENTRIES)
    daemon.send(signal.SIGHUP)
    until(lambda: any("17002" in rule for rule in access_rules(entries)), 5, "the entries moved")
    assert access_rules(entries)[0] == "17000: from all to 192.0.2.99 blackhole"
    entries.configure(ETH0, ETH1, ETH2, extra=ENTRIES)
    daemon.send(signal.SIGHUP)
    entries.healed(full, within_s=5)
    entries.configure(ETH0, ETH1, ETH2)
    daemon.send(signal.SIGHUP)
    until(lambda: not access_rules(entries), 5, "the entries are gone")


def test_cleanup_leaves_no_byte_of_it(entries: Host) -> None:
    entries.ip("rule add priority 17000 to 10.99.0.0/16 prohibit", "rule add priority 500 lookup 7")
    before = entries.theirs()
    everything = entries.ip("rule"), entries.ip("-6 rule"), entries.ip("route show table all")
    daemon = entries.start()
    entries.settled()
    assert daemon.stop() == 0
    assert len(access_rules(entries)) == 4, "stopping changes nothing"
    assert entries.cleanup()[0] == 0
    assert (entries.ours(), entries.theirs()) == ("", before)
    after = entries.ip("rule"), entries.ip("-6 rule"), entries.ip("route show table all")
    assert after == everything


def test_a_nic_that_goes_takes_its_entry_along_and_brings_it_back(entries: Host) -> None:
    entries.start()
    full = entries.settled()
    entries.ip("link del eth1")
    until(lambda: access_rules(entries) == [RULES[0], RULES[2]], 5, "the entry by eth1 is gone")
    entries.plug(ETH1)
    entries.healed(full, within_s=5)


def test_who_is_logged_in_is_not_locked_out(host: Host) -> None:
    daemon = host.start()
    full, present = host.settled(), host.config.read_text()
    with logged_in(host) as administrator:
        assert administrator.types("one") == "one"
        file = host.folder / "newer.toml"
        file.write_text(present + TO_PEER)
        line = present.count("\n") + 1
        sentence = (
            f"{file}:{line}: [[access]] number 1: prohibit would stop what this host sends to the "
            f"ssh session of {PEER}"
        )
        for words in (["apply"], ["apply", "--confirm", "60s"], ["apply", "--dry-run"]):
            code, said = host.ctl(*words, str(file))
            assert (code, sentence in said, "force = true" in said) == (78, True, True), said
        host.config.write_text(present + TO_PEER)
        code, said = host.run("--check")
        assert (code, f"the ssh session of {PEER}" in said) == (78, True), said
        daemon.send(signal.SIGHUP)
        daemon.wait_said("ssh session of", "going on with the configuration of before")
        assert host.settled() == full
        assert administrator.types("two") == "two"
        host.config.write_text(present)


def test_who_insists_is_obeyed(host: Host) -> None:
    daemon = host.start()
    host.settled()
    forced = host.config.read_text() + TO_PEER + "force = true\n"
    with logged_in(host) as administrator:
        assert administrator.types("one") == "one"
        host.config.write_text(forced)
        assert host.run("--check")[0] == 0
        daemon.send(signal.SIGHUP)
        until(lambda: access_rules(host), 5, "the forced entry")
        assert administrator.types("two") == "", "it was meant"


def test_a_session_is_not_sent_out_by_another_nic(host: Host) -> None:
    host.start()
    full = host.settled()
    entry = f'[[access]]\nvia = "{{}}"\nto = "{PEER}"\n'
    file = host.folder / "newer.toml"
    with logged_in(host):
        file.write_text(host.config.read_text() + entry.format("eth1"))
        code, said = host.ctl("apply", str(file))
        assert code == 78, said
        assert "from 172.16.0.10 out by eth1, and 172.16.0.10 is eth0's" in said
        assert host.settled() == full
        file.write_text(host.config.read_text() + entry.format("main"))
        assert host.ctl("apply", str(file))[0] == 0, "main is eth0's own"


def test_another_port_of_sshd_is_known_from_its_configuration(host: Host) -> None:
    (host.folder / "sshd_config").write_text("Include x\nPort 2222\n")
    host.config.write_text(host.config.read_text() + TO_PEER)
    script = (
        "mkdir -p /etc/ssh && mount -t tmpfs none /etc/ssh && "
        f'cp {host.folder}/sshd_config /etc/ssh/ && exec "$@"'
    )
    below = ("unshare", "--mount", "sh", "-c", script, "sh")
    if not Path("/etc/ssh").exists():
        pytest.skip("NOT TESTED: no /etc/ssh to cover")
    with logged_in(host, port=2222):
        assert host.run("--check")[0] == 0
        code, said = host.run("--check", below=below)
        assert (code, f"the ssh session of {PEER}" in said) == (78, True), said


def test_what_only_the_daemon_knows_it_refuses_and_the_file_is_as_before(host: Host) -> None:
    host.start(below=resolving_by(host, RESOLVER))
    full, present = host.settled(), host.config.read_text()
    file = host.folder / "newer.toml"
    file.write_text(present + TO_RESOLVER)
    code, said = host.ctl("apply", str(file))
    assert (code, f"the DNS server {RESOLVER}" in said) == (78, True), said
    assert host.config.read_text() == present
    code, said = host.ctl("apply", "--confirm", "60s", str(file))
    assert (code, f"the DNS server {RESOLVER}" in said) == (78, True), said
    assert "on trial" not in host.ctl("status")[1]
    assert host.settled() == full


def test_a_start_leaves_a_dangerous_entry_out_and_routes_all_the_same(host: Host) -> None:
    host.start().stop()
    full = host.settled()
    host.cleanup()
    host.config.write_text(host.config.read_text() + TO_RESOLVER + HARMLESS)
    daemon = host.start(below=resolving_by(host, RESOLVER))
    host.settled()
    assert access_rules(host) == ["17001: from all to 192.0.2.99 blackhole"]
    same(full, "\n".join(line for line in host.ours().splitlines() if "17001:" not in line))
    (said,) = daemon.said("ERROR", "access:", "left out")
    assert f"the DNS server {RESOLVER}" in said
    for verb in ("status", "plan"):
        assert (
            f"left out: unreachable would stop what this host sends to the DNS server {RESOLVER}"
            in host.ctl(verb)[1]
        )
    host.config.write_text(host.config.read_text().replace("203.0.113.0/24", "203.0.113.0/28"))
    daemon.send(signal.SIGHUP)
    until(lambda: len(access_rules(host)) == 2, 5, "the entry that asks for less")
    assert access_rules(host)[0] == "17000: from all to 203.0.113.0/28 unreachable"
    assert "left out" not in host.ctl("status")[1]


def test_a_plan_before_the_first_start_leaves_it_out_too(host: Host) -> None:
    host.config.write_text(host.config.read_text() + TO_PEER + HARMLESS)
    with logged_in(host):
        said = host.ctl("plan")[1]
    assert ("left out: prohibit would stop" in said, "17001:" in said) == (True, True), said
    assert "17000:" not in said


def test_a_danger_that_appears_later_takes_nothing_away(host: Host) -> None:
    host.config.write_text(host.config.read_text() + TO_RESOLVER)
    below = resolving_by(host, "192.0.2.53")
    daemon = host.start(below=below)
    full = host.settled()
    (host.folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    assert host.ctl("reconcile")[0] == 0
    assert host.settled() == full
    daemon.stop()
    host.start(below=resolving_by(host, RESOLVER))
    assert host.settled() == full, "a restart does not either"
    host.config.write_text(host.config.read_text().replace("unreachable", "prohibit"))
    host.daemons[-1].stop()
    host.start(below=resolving_by(host, RESOLVER))
    host.settled()
    assert access_rules(host) == [], "what is in force is another entry"


def test_the_metadata_service_of_the_provider_is_spared(host: Host) -> None:
    prohibit = '[[access]]\naction = "prohibit"\nto = "100.64.0.0/10"\n'
    host.config.write_text(f'provider = "aliyun"\n{prohibit}')
    code, said = host.run("--check")
    assert (code, "the metadata service 100.100.100.200 (tcp port 80)" in said) == (78, True), said
    host.config.write_text(f'provider = "aliyun"\n{prohibit}uid = "1000-65533"\n')
    assert host.run("--check")[0] == 0
    host.configure(ETH0, ETH1, extra=prohibit)
    assert host.run("--check")[0] == 0, "this provider asks nobody"
