"""What a running daemon would meet at its next start, in a lab's instance."""

from srcroutd.lab.cloud import Cloud
from tests.doctor.conftest import Ask


def test_a_configuration_that_broke_beside_the_daemon_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "configuration" not in ask()
    cloud.daemon.config.write_text("protokoll = 5\n")
    finding = ask()["configuration"]
    assert finding["severity"] == "risk"
    assert f"{cloud.daemon.config}" in finding["what"]
    assert "protokoll" in finding["what"]


def test_a_state_directory_that_is_read_only_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "state-directory" not in ask()
    state = str(cloud.daemon.state_dir)
    cloud.instance.run("mount", "--bind", state, state)
    cloud.instance.run("mount", "-o", "remount,bind,ro", state)
    finding = ask()["state-directory"]
    assert finding["severity"] == "risk"
    assert state in finding["what"]
