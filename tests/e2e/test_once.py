"""The temporary form as a service: routing stands after the boot, and no daemon runs."""

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH0, ETH1, ETH2
from tests.e2e.conftest import Layers, StartCloud
from tests.e2e.expect import assert_answers, assert_silent, entry


def test_srcroutd_once_sets_up_routing_at_boot_and_leaves_no_process(
    start_cloud: StartCloud, installed: Layers
) -> None:
    cloud = start_cloud(installed)
    cloud.boot()
    machine = cloud.machine
    machine.run("systemctl enable srcroutd-once")

    cloud.reboot()

    assert_answers(cloud, ETH1)
    assert_answers(cloud, ETH0)
    state = machine.unit("srcroutd-once", "ActiveState", "SubState", "ExecMainStatus")
    assert state == {"ActiveState": "active", "SubState": "exited", "ExecMainStatus": "0"}
    assert machine.run("pgrep -u srcroutd || true") == ""
    entry(machine, Kind.ONCE_DONE)

    cloud.attach(ETH2)
    assert_silent(cloud, ETH2)
    machine.run("systemctl restart srcroutd-once")
    assert_answers(cloud, ETH2)


def test_the_daemon_takes_over_from_the_oneshot(start_cloud: StartCloud, installed: Layers) -> None:
    cloud = start_cloud(installed)
    cloud.boot()
    machine = cloud.machine
    machine.run("systemctl start srcroutd-once")
    assert_answers(cloud, ETH1)
    before = machine.run("ip rule; ip -6 rule")

    machine.run("systemctl start srcroutd")

    assert machine.unit("srcroutd-once", "ActiveState") == {"ActiveState": "inactive"}
    assert machine.run("ip rule; ip -6 rule") == before
    assert_answers(cloud, ETH1)
