"""What service manager and administrator rely on: signals, readiness, reloads, exit codes."""

import re
import signal
import time
from itertools import pairwise

import pytest

from srcroutd.providers.dmi import detect
from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until
from tests.life.witness import Witness

OPT_OUT = '[[nic]]\nname = "eth1"\nmanage = false\n'
NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
MOVES = {
    "the protocol": ("protocol = 84", 84, range(18000, 19000)),
    "the tables": ("tables = '20000-20999'", 83, range(18000, 21000)),
    "the priorities": ("priorities = '20000-20999'", 83, range(18000, 21000)),
    "everything": (
        "protocol = 84\ntables = '20000-20999'\npriorities = '20000-20999'",
        84,
        range(20000, 21000),
    ),
}


def without_eth1(full: str) -> str:
    """What stands without eth1's own rules and routes."""
    mine = re.compile(r"rule 1801|table 18001")
    return "\n".join(line for line in full.splitlines() if not mine.search(line))


def test_sigterm_leaves_everything_standing(host: Host) -> None:
    daemon = host.start()
    full, theirs = host.ours(), host.theirs()
    with Witness() as witness:
        assert daemon.stop() == 0
        assert not witness.heard()
    assert daemon.told("STOPPING=1")
    assert "routing stays" in daemon.said()[-1]
    same(full, host.ours())
    same(theirs, host.theirs())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_restart_changes_nothing(number: signal.Signals, host: Host) -> None:
    daemon = host.start()
    daemon.send(number)
    daemon.wait()
    full = host.ours()
    with Witness() as witness:
        daemon = host.start()
        assert not witness.heard()
    assert daemon.operations() == []
    assert daemon.generation == 0
    assert daemon.status.startswith("in sync")
    same(full, host.ours())


def test_ready_comes_after_the_rules(host: Host) -> None:
    with Witness() as witness:
        host.start()
        # What the kernel has not announced by now came after READY.
        announced = len(witness.ours())
        assert announced == len(host.ours().splitlines())
        time.sleep(0.2)
        assert len(witness.ours()) == announced


def test_sighup_takes_a_nic_out_and_in_again(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    host.configure(ETH0, ETH1, ETH2, extra=OPT_OUT)
    daemon.send(signal.SIGHUP)
    host.healed(without_eth1(full))
    until(lambda: "2 left alone" in daemon.status, 1.0, daemon.status)
    assert daemon.told("RELOADING=1")
    until(lambda: len(daemon.told("READY=1")) == 2, 1.0, "READY ends the reload")
    host.configure(ETH0, ETH1, ETH2)
    daemon.send(signal.SIGHUP)
    host.healed(full)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("provdier = 'static'\n", "srcroutd.toml:1: unknown key provdier; did you mean provider?"),
        ("look = 5\nlook = 6\n", "srcroutd.toml"),
        ("\n\nprotocol = 4\n", "srcroutd.toml:3: protocol"),
        ("[[nic]]\nname = 'eth1'\nmanaged = false\n", "srcroutd.toml:3: unknown key"),
        ("provider = 'static'\n", "srcroutd.toml:1: provider"),
    ],
)
def test_a_bad_configuration_is_told_of_and_not_used(text: str, place: str, host: Host) -> None:
    daemon = host.start()
    full, good = host.settled(), host.config.read_text()
    host.config.write_text(text)
    daemon.send(signal.SIGHUP)
    line = daemon.wait_said("ERROR", "reload")
    assert place in line
    same(full, host.settled())
    # And it goes on healing.
    host.ip("rule flush protocol 83")
    host.healed(full)
    host.config.write_text(good)
    assert daemon.stop() == 0
    host.config.write_text(text)
    code, said = host.run("--check")
    assert code == 78
    assert place in said
    code, said = host.run()
    assert code == 78
    assert place in said
    same(full, host.ours())


@pytest.mark.parametrize(("more", "protocol", "band"), MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("running", [True, False], ids=["by a reload", "while it was stopped"])
def test_other_numbers_move_what_is_ours_and_leave_nothing_behind(
    more: str, protocol: int, band: range, running: bool, host: Host
) -> None:
    daemon = host.start()
    full, theirs = host.settled(), host.theirs()
    host.configure(ETH0, ETH1, ETH2, more=more)
    with Witness() as witness:
        if running:
            daemon.send(signal.SIGHUP)
        else:
            daemon.stop()
            host.start()
        moved = _moved(full, more)
        until(lambda: _marked(host, protocol, band) == moved, 1.0, "ours have the new numbers")
        signs = "".join(line[0] for line in witness.heard())
    # Make before break: first all that is new, then what is old goes.
    assert re.fullmatch(r"\++-+", signs), signs
    assert _everything(host) == sorted([*theirs.splitlines(), *moved])
    # Back again.
    host.configure(ETH0, ETH1, ETH2)
    host.daemons[-1].send(signal.SIGHUP)
    before = sorted([*theirs.splitlines(), *full.splitlines()])
    until(lambda: _everything(host) == before, 1.0, "all is as it was")


def _marked(host: Host, protocol: int, band: range) -> list[str]:
    return sorted(host.ours(protocol=protocol, band=band).splitlines())


def _everything(host: Host) -> list[str]:
    return sorted([*host.ours().splitlines(), *host.theirs().splitlines()])


def _moved(full: str, more: str) -> list[str]:
    """The lines that stand, with the numbers that this configuration asks for."""
    if "protocol" in more:
        full = full.replace("proto 83", "proto 84")
    if "tables" in more:
        full = re.sub(r"(lookup|table) 18", r"\1 20", full)
    if "priorities" in more:
        full = full.replace("rule 18", "rule 20")
    return sorted(full.splitlines())


def test_check_says_good(host: Host) -> None:
    code, said = host.run("--check")
    assert code == 0
    assert said == f"{host.config}: good\n"
    same("", host.ours())


def test_once_reconciles_and_goes(host: Host) -> None:
    assert host.run("--once")[0] == 0
    full = host.ours()
    assert "lookup 18002" in full
    with Witness() as witness:
        assert host.run("--once")[0] == 0
        assert not witness.heard()
    host.ip("rule flush protocol 83")
    assert host.run("--once")[0] == 0
    same(full, host.ours())


def test_once_without_anybody_to_ask_says_so(bare: Host) -> None:
    if detect():
        pytest.skip("this machine says that it is a cloud")
    for option in ("--once", "--verbose"):
        code, said = bare.run(option)
        assert code == 69
        assert 'set provider = "static"' in said


def test_a_second_daemon_is_turned_away(host: Host) -> None:
    daemon = host.start()
    for option in ("--once", "--verbose"):
        code, said = host.run(option)
        assert code == 75
        assert f"another srcroutd runs already (process {daemon.pid}" in said
    daemon.kill()
    assert host.run("--once")[0] == 0


def test_a_wrong_option_is_a_usage_error(host: Host) -> None:
    code, said = host.run("--onec")
    assert code == 64
    assert "--help" in said


def test_without_the_right_to_change_routing_it_says_so(host: Host) -> None:
    for options in ((), ("--once",)):
        code, said = host.run(*options, below=NO_CAPABILITIES)
        assert code == 77
        assert "CAP_NET_ADMIN" in said
    same("", host.ours())


def test_a_right_that_ends_at_the_namespaces_owner_is_said_when_the_kernel_says_so(
    host: Host,
) -> None:
    for options in ((), ("--once",)):
        code, said = host.run(*options, below=("unshare", "--user", "--map-root-user"))
        assert (code, "CAP_NET_ADMIN" in said, "bug" in said) == (77, True, False), said
    same("", host.ours())


def test_it_says_so_too_where_nothing_is_to_be_changed_yet(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    daemon.stop()
    code, said = host.run(below=NO_CAPABILITIES)
    assert (code, "CAP_NET_ADMIN" in said) == (77, True), said
    same(full, host.ours())


def test_the_watchdog_is_fed_by_a_loop_that_moves_and_not_by_one_that_is_stuck(host: Host) -> None:
    daemon = host.start(watchdog_s=0.4)
    time.sleep(1.0)
    fed = daemon.told("WATCHDOG=1")
    assert 4 <= len(fed) <= 12
    assert max(later - earlier for earlier, later in pairwise(fed)) < 0.4
    daemon.send(signal.SIGSTOP)
    time.sleep(0.1)
    before = len(daemon.told("WATCHDOG=1"))
    time.sleep(0.5)
    assert len(daemon.told("WATCHDOG=1")) == before
    daemon.send(signal.SIGCONT)
    until(lambda: len(daemon.told("WATCHDOG=1")) > before, 1.0, "it is fed again")


def test_the_watchdog_is_fed_while_the_bells_never_pause(host: Host) -> None:
    daemon = host.start(watchdog_s=0.4)
    began = time.monotonic()
    while time.monotonic() < began + 1.5:
        host.ip("address add 172.16.1.9/24 dev eth1")
        host.ip("address del 172.16.1.9/24 dev eth1")
    fed = [at for at in daemon.told("WATCHDOG=1") if at > began]
    assert max(later - earlier for earlier, later in pairwise([began, *fed])) < 0.4
    assert len(fed) >= 4


def test_a_service_manager_that_does_not_listen_holds_nothing_up(host: Host) -> None:
    daemon = host.start()
    full = host.settled()
    less = "\n".join(line for line in full.splitlines() if "from 172.16.1.6 " not in line)
    with daemon.deaf():
        for _ in range(20):
            host.ip("address del 172.16.1.6/24 dev eth1")
            host.healed(less)
            host.ip("address add 172.16.1.6/24 dev eth1")
            host.healed(full)
    until(lambda: daemon.status.startswith("in sync"), 1.0, "the manager learns of it later")


def test_nobody_is_fed_where_nobody_watches(host: Host) -> None:
    daemon = host.start()
    time.sleep(0.3)
    assert not daemon.told("WATCHDOG=1")


def test_at_rest_it_neither_writes_nor_works(host: Host) -> None:
    daemon = host.start()
    host.settled()
    lines, spent = len(daemon.said()), daemon.cpu_s()
    time.sleep(1.0)
    assert len(daemon.said()) == lines
    assert daemon.cpu_s() - spent <= 0.02
