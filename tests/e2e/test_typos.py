"""A typo in the configuration: the unit says line and key, gives up, and routing stands."""

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e.cloud import Cloud
from tests.e2e.expect import (
    assert_answers,
    assert_gave_up,
    entry,
    in_sync,
    live,
    routing,
)

TYPO = "refersh = 300\n"
SENTENCE = "/etc/srcroutd/srcroutd.toml:1: unknown key refersh; did you mean refresh?"


def test_a_typo_in_the_configuration_is_named_by_line_and_key(cloud: Cloud) -> None:
    machine = cloud.machine
    before = routing(machine)
    machine.write("/etc/srcroutd/srcroutd.toml", TYPO)
    with live(cloud, ETH1, 4):
        machine.attempt("systemctl restart srcroutd")
    assert_gave_up(machine, 78, SENTENCE)
    assert routing(machine) == before
    assert_answers(cloud, ETH1)
    check = machine.attempt("srcroutd --check")
    assert check.code == 78
    assert SENTENCE in check.said

    machine.write("/etc/srcroutd/srcroutd.toml", "refresh = 300\n")
    machine.run("systemctl restart srcroutd")
    in_sync(machine)
    assert routing(machine) == before


def test_a_typo_at_a_reload_leaves_the_configuration_of_before(cloud: Cloud) -> None:
    machine = cloud.machine
    pid = machine.unit("srcroutd", "MainPID")
    machine.write("/etc/srcroutd/srcroutd.toml", TYPO)
    machine.run("systemctl reload srcroutd")
    assert SENTENCE in entry(machine, Kind.RELOAD_REFUSED)["MESSAGE"]
    assert SENTENCE in machine.run("systemctl status --no-pager srcroutd")
    assert machine.unit("srcroutd", "MainPID") == pid
    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)


def test_a_typo_before_a_boot_does_not_stop_the_boot(cloud: Cloud) -> None:
    machine = cloud.machine
    machine.write("/etc/srcroutd/srcroutd.toml", TYPO)
    cloud.reboot()
    assert machine.boot_s < 30
    assert_gave_up(machine, 78, SENTENCE)
