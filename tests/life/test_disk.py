"""A state directory on a disk that is full, and that has room again."""

from pathlib import Path

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host
from tests.life.running import Running

ON_A_FULL_DISK = """
mkdir -p "$STATE"
mount -t tmpfs -o size=64k tmpfs "$STATE"
dd if=/dev/zero of="$STATE/filler" bs=4k 2>/dev/null || :
exec "$@"
"""
"""Runs what follows in a mount namespace in which the state directory has not a byte to spare."""


def start_on_a_full_disk(host: Host) -> tuple[Running, Path]:
    """The daemon, and its state directory as seen from here."""
    script = f"STATE='{host.state}'{ON_A_FULL_DISK}"
    below = ("unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh")
    daemon = host.start(below=below)
    return daemon, Path(f"/proc/{daemon.pid}/root{host.state}")


def test_routing_goes_on_and_what_could_not_be_written_is_written_later(host: Host) -> None:
    daemon, state = start_on_a_full_disk(host)
    assert "table 18002" in host.settled()
    daemon.wait_said("ERROR", "cannot write", "numbers.json: No space left on device")
    host.ip("link set eth1 down", "link set eth1 up")
    host.settled()
    assert len(daemon.said("cannot write")) == 1
    (state / "filler").unlink()
    assert host.ctl("reconcile")[0] == 0
    daemon.wait_said("numbers.json can be written again")
    # Facts that a person wrote stand in his file: there is nothing else to remember.
    assert [path.name for path in state.iterdir()] == ["numbers.json"]


def test_what_was_written_late_is_what_a_restart_finds(host: Host) -> None:
    daemon, state = start_on_a_full_disk(host)
    before = host.settled()
    (state / "filler").unlink()
    host.ctl("reconcile")
    host.state.mkdir(exist_ok=True)
    (host.state / "numbers.json").write_bytes((state / "numbers.json").read_bytes())
    daemon.stop()
    host.ip("rule flush", "rule add priority 32766 lookup main")
    host.configure(ETH2, ETH1, ETH0)
    host.start()
    host.healed(before)
