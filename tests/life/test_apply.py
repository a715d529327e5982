"""Another configuration: taken at once, or on trial with a way back that needs nobody."""

import signal
import time

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host

ALONE = '[[nic]]\nname = "eth1"\nmanage = false\n'
"""What locks out whoever came in by eth1."""


def newer(host: Host, more: str = ALONE) -> str:
    """A file with another configuration; the real one is as it was."""
    present = host.config.read_text()
    host.configure(ETH0, ETH1, ETH2, extra=more)
    file = host.folder / "newer.toml"
    file.write_text(host.config.read_text())
    host.config.write_text(present)
    return str(file)


def test_what_nobody_confirms_goes_by_itself(host: Host) -> None:
    daemon = host.start()
    full, present = host.settled(), host.config.read_text()
    code, said = host.ctl("apply", "--confirm", "2s", newer(host))
    assert (code, "on trial for 2 s" in said, "apply --keep" in said) == (0, True, True), said
    assert "table 18001" not in host.ours()
    code, said = host.ctl("status")
    assert "a configuration is on trial" in said
    host.healed(full, within_s=4.0)
    assert daemon.said("WARNING", "trial: not confirmed in time")
    assert host.config.read_text() == present
    assert "on trial" not in host.ctl("status")[1]


def test_what_is_kept_stays_and_becomes_the_file(host: Host) -> None:
    host.start()
    host.settled()
    file = newer(host)
    host.ctl("apply", "--confirm", "2s", file)
    code, said = host.ctl("apply", "--keep")
    assert (code, "kept" in said) == (0, True), said
    tried = host.settled()
    assert "table 18001" not in tried
    time.sleep(2.5)  # longer than the trial
    assert host.ours() == tried
    assert host.config.read_text() == (host.folder / "newer.toml").read_text()
    assert [path.name for path in host.folder.glob("*.trial")] == []
    code, said = host.ctl("apply", "--keep")
    assert (code, "Traceback" in said) == (64, False), said


def test_a_daemon_that_dies_on_trial_starts_with_the_file(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    host.ctl("apply", "--confirm", "60s", newer(host))
    daemon.kill()
    host.start()
    host.healed(full)


def test_a_reload_ends_the_trial(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    host.ctl("apply", "--confirm", "60s", newer(host))
    daemon.send(signal.SIGHUP)
    host.healed(full)
    code, said = host.ctl("apply", "--keep")
    assert (code, "no configuration is on trial" in said) == (64, True), said
    assert "table 18001" in host.settled()


def test_a_bad_file_changes_nothing(host: Host) -> None:
    host.start()
    full, present = host.settled(), host.config.read_text()
    for words in (["apply"], ["apply", "--confirm", "60s"]):
        code, said = host.ctl(*words, newer(host, more='[[nic]]\nnam = "eth1"\n'))
        assert (code, "did you mean name?" in said) == (78, True), said
    assert (host.ours(), host.config.read_text()) == (full, present)
    assert "on trial" not in host.ctl("status")[1]


def test_without_a_trial_it_is_taken_at_once_with_or_without_a_daemon(host: Host) -> None:
    code, said = host.ctl("apply", newer(host))
    assert (code, "is not running" in said) == (0, True), said
    host.start()
    assert "from 172.16.1.5" not in host.settled()
    code, said = host.ctl("apply", newer(host, more=""))
    assert (code, "in place and in use" in said) == (0, True), said
    assert "from 172.16.1.5" in host.settled()


def test_a_dry_run_only_checks(host: Host) -> None:
    host.start()
    full, present = host.settled(), host.config.read_text()
    code, said = host.ctl("apply", "--dry-run", newer(host))
    assert (code, "is good" in said) == (0, True), said
    assert (host.settled(), host.config.read_text()) == (full, present)
