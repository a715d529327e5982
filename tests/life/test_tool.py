"""``srcroutctl`` beside the daemon and without it: what it says, what it changes, what it never
does.
"""

import json
import subprocess
from pathlib import Path

from tests.life.cloud import Cloud
from tests.life.enis import ETH0, ETH1
from tests.life.host import Host, same, until

RULE = "priority 18016"


def everything(host: Host) -> str:
    """The whole kernel state that a dry run must not change."""
    return host.ours() + host.theirs()


def test_status_without_a_verb_says_in_sync_and_every_nic(host: Host) -> None:
    host.start()
    code, said = host.ctl()
    assert (code, said.split("   ")[0]) == (0, "in sync")
    lines = {line.split()[0]: line for line in said.splitlines() if line}
    assert "left alone" in lines["eth0"]
    assert "in sync" in lines["eth1"]
    assert "18001" in lines["eth1"]
    assert "172.16.1.5  172.16.1.6  fd00:1::5" in lines["eth1"]
    assert host.ctl("status") == (code, said) or host.ctl("status")[0] == 0


def test_status_without_a_daemon_says_what_to_type(host: Host) -> None:
    code, said = host.ctl("status")
    assert code == 69
    assert "not running" in said
    assert "systemctl start srcroutd" in said


def test_a_plan_before_srcroutd_was_ever_started_shows_all_and_writes_nothing(host: Host) -> None:
    before, files = everything(host), sorted(host.folder.rglob("*"))
    code, said = host.ctl("plan")
    assert code == 1
    assert said.startswith("srcroutd is not running; this is what it would find and do.")
    assert "+ rule   18016: from 172.16.1.5 lookup 18001" in said
    assert "first address of eni-1" in said
    assert "At no step does a rule lack its route." in said
    same(before, everything(host))
    assert sorted(host.folder.rglob("*")) == files


def test_the_plan_of_a_dry_run_is_what_the_daemon_then_does(host: Host) -> None:
    _, said = host.ctl("plan", "--json")
    planned = [one["text"] for one in json.loads(said)["operations"]]
    daemon = host.start()
    assert sorted(planned) == sorted(daemon.operations())
    assert host.ctl("plan")[0] == 0
    daemon.stop()
    assert host.ctl("plan")[0] == 0


def test_a_plan_after_the_daemon_was_stopped_finds_the_drift(host: Host) -> None:
    host.start().stop()
    host.ip(f"rule del {RULE}")
    code, said = host.ctl("plan")
    assert code == 1
    assert [line for line in said.splitlines() if line.startswith("  ")] == [
        line for line in said.splitlines() if "18016" in line
    ]


def test_verify_asks_the_kernel_and_finds_the_address_that_leaves_by_the_wrong_nic(
    host: Host,
) -> None:
    host.start().stop()
    code, said = host.ctl("verify")
    assert code == 0
    assert "ok    172.16.1.5 leaves by eth1" in said
    assert "ok    fd00:2::5 leaves by eth2" in said
    host.ip("rule del priority 18016", "rule add from 172.16.2.5 lookup main priority 100")
    code, said = host.ctl("verify")
    assert code == 1
    assert "FAIL  172.16.1.5 leaves by eth0, should leave by eth1" in said
    assert "rule 18016 is missing; next: srcroutctl plan" in said
    assert "FAIL  172.16.2.5 leaves by eth0, should leave by eth2" in said
    assert "next: srcroutctl explain 198.51.100.1 --from 172.16.2.5" in said
    assert "2 of 5 addresses" in said
    assert host.ctl("verify", "--nic", "eth1", "--quiet")[1].count("172.16") == 1


def test_a_nic_that_is_not_there_gets_the_nearest_one_named(host: Host) -> None:
    code, said = host.ctl("plan", "--nic", "eht1")
    assert code == 64
    assert "do you mean eth1?" in said


def test_an_unknown_verb_gets_the_nearest_one_named(host: Host) -> None:
    code, said = host.ctl("explian")
    assert code == 64
    assert "do you mean explain?" in said


def test_cleanup_beside_the_daemon_stands_by_until_reconcile(host: Host) -> None:
    daemon = host.start()
    expected, theirs = host.settled(), host.theirs()
    code, said = host.ctl("cleanup", "--dry-run")
    assert code == 1
    assert "to remove" in said
    assert host.ours() == expected

    code, said = host.ctl("cleanup")
    assert code == 0
    assert "stands by" in said
    same("", host.ours())
    same(theirs, host.theirs())
    host.ip("link set eth1 down", "link set eth1 up")
    assert host.settled() == ""
    code, said = host.ctl()
    assert code == 1
    assert said.startswith("standing by")
    assert "srcroutctl reconcile" in said
    code, said = host.ctl("plan")
    assert code == 1
    assert "+ rule   18016" in said

    host.ip("-6 address add fd00:1::5/64 dev eth1 nodad")  # it went with the link
    code, said = host.ctl("reconcile")
    assert (code, said.split("   ")[0]) == (0, "in sync")
    same(expected, host.ours())
    assert daemon.running
    # Each deletion is on the record, too (promise 10).
    assert [line for line in daemon.operations() if line.startswith("- ")]


def test_cleanup_survives_a_restart_as_the_end_of_standing_by(host: Host) -> None:
    daemon = host.start()
    expected = host.settled()
    host.ctl("cleanup")
    daemon.stop()
    same("", host.ours())
    host.start()
    same(expected, host.settled())


def test_reconcile_reads_the_metadata_at_once(cloud: Cloud, bare: Host) -> None:
    bare.config.write_text('provider = "aliyun"')
    bare.start()
    bare.settled()
    # A newly delegated prefix: the kernel has no event for it.
    cloud.tell(ETH0.facts(), ETH1.facts(ipv4_prefixes=["172.16.1.128/28"]))
    code, said = bare.ctl("reconcile")
    assert code == 0, said
    assert "from 172.16.1.128/28 lookup 18001" in bare.ours()


def test_watch_prints_each_change_as_it_happens(host: Host) -> None:
    daemon = host.start()
    host.settled()
    log = Path(host.folder / "watch")
    with log.open("w") as out:
        watching = subprocess.Popen([*host.tool(), "watch"], stdout=out, stderr=out)
    try:
        # A watcher that has not come yet misses what happens before it.
        def heard() -> bool:
            host.ip(f"rule del {RULE}")
            until(lambda: f"{RULE.split()[1]}:" in host.ours(), 2, "the rule is back")
            return "+ ip rule 18016: from 172.16.1.5 lookup 18001" in log.read_text()

        until(heard, 10, "watch says it")
        assert daemon.stop() == 0
        assert watching.wait(5) == 69
    finally:
        watching.kill()
        watching.wait()
    assert "srcroutd has ended" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_pipe_that_nobody_reads_ends_it_quietly(host: Host) -> None:
    command = f"{' '.join(host.tool())} plan | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
