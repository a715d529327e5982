"""The record: every operation a line, and nothing said twice."""

import logging
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from srcroutd.core.net import Family, Rule
from srcroutd.core.plan import Operation, Phase
from srcroutd.daemon.audit import Audit, log

RULE = Rule(Family.V6, 18016, table=18001, src=ip_network("2001:db8::5/128"), protocol=83)
ADD = Operation(Phase.ADD_RULES, "add", RULE, RULE, 1, "first address of eni-1")

Said = Callable[[], list[str]]


@pytest.fixture
def said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.INFO, "srcroutd")
    return lambda: caplog.messages


def test_an_operation_is_one_line_with_generation_nic_what_and_why(said: Said) -> None:
    Audit().applied(7, [(ADD, "eth1 eni-1")])
    (line,) = said()
    assert line.startswith("generation 7  eth1 eni-1  + ip -6 rule 18016: from 2001:db8::5 ")
    assert line.endswith("(first address of eni-1)")


def test_a_refusal_is_said_once_until_all_is_in_sync_again(said: Said) -> None:
    audit = Audit()
    for _ in range(3):
        audit.refused(ADD, "eth1", "Network is unreachable")
    assert len(said()) == 1
    audit.settled()
    audit.refused(ADD, "eth1", "Network is unreachable")
    assert len(said()) == 2


def test_a_topic_is_said_again_only_when_the_words_change_and_its_end_only_if_it_began(
    said: Said,
) -> None:
    audit = Audit()
    audit.over("metadata", "metadata answers again")
    audit.once("metadata", "metadata: refused")
    audit.once("metadata", "metadata: refused")
    audit.once("metadata", "metadata: 100 % of reads time out")
    audit.over("metadata", "metadata answers again")
    assert said() == [
        "metadata: refused",
        "metadata: 100 % of reads time out",
        "metadata answers again",
    ]
