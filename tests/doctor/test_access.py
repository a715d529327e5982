"""Entries of access control that cut the host off, in a lab's instance."""

from srcroutd.lab.cloud import Cloud
from tests.doctor.conftest import Ask

ENTRY = '[[access]]\naction = "prohibit"\nto = "100.64.0.0/10"\nprotocol = "tcp"\n'


def test_an_entry_that_is_forced_or_came_to_bite_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    present = cloud.daemon.config.read_text() if cloud.daemon.config.exists() else ""
    cloud.daemon.config.write_text(f"{present}\n{ENTRY}port = 81\n")
    assert "access-cuts-off" not in ask()
    for more, why in (("force = true", "says force = true"), ("", "a reload is refused")):
        cloud.daemon.config.write_text(f"{present}\n{ENTRY}{more}\n")
        finding = ask()["access-cuts-off"]
        assert finding["severity"] == "risk"
        assert "[[access]] number 1: prohibit would stop" in finding["what"]
        assert "the metadata service 100.100.100.200" in finding["what"]
        assert why in finding["why"]
