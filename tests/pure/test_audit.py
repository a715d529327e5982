"""The record: every operation an entry, nothing said twice, and whoever keeps or hears it cannot
stop the daemon.
"""

import pytest

from srcroutd.core import entries
from srcroutd.core.entry import Entry, Kind
from srcroutd.core.inventory import Unknown
from srcroutd.core.view import Refusal
from srcroutd.daemon.audit import Audit
from tests.pure.records import ADD, ENI1, PUT

UNREACHABLE = Refusal(ADD, 101, "Network is unreachable")


class Kept:
    """A sink that keeps what it is given, and says no if it is told to."""

    behind = False

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.says_no = False
        self.closed = False

    def write(self, entry: Entry) -> None:
        """Keep it, or fail."""
        if self.says_no:
            raise RuntimeError("the disk is on fire")
        self.entries.append(entry)

    def close(self) -> None:
        """Remember that."""
        self.closed = True

    def said(self) -> list[str]:
        """Their messages."""
        return [entry.message for entry in self.entries]

    def kinds(self) -> list[Kind]:
        """Their kinds."""
        return [entry.kind for entry in self.entries]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def unknown(reason: str) -> Entry:
    return entries.metadata_unknown(Unknown(reason))


def test_each_operation_is_one_entry_in_order(kept: Kept) -> None:
    Audit(kept).applied(7, [(PUT, ENI1), (ADD, ENI1)])
    assert kept.kinds() == [Kind.ROUTE_ADDED, Kind.RULE_ADDED]
    assert {entry.fields["SRCROUTD_GENERATION"] for entry in kept.entries} == {"7"}


def test_a_refusal_is_said_once_until_all_is_in_sync_again(kept: Kept) -> None:
    audit = Audit(kept)
    for _ in range(3):
        audit.refused(UNREACHABLE, ENI1)
    assert kept.kinds() == [Kind.OPERATION_REFUSED]
    assert kept.entries[0].fields["SRCROUTD_ERRNO"] == "101"
    audit.settled()
    audit.refused(UNREACHABLE, ENI1)
    assert len(kept.entries) == 2


def test_a_topic_is_said_again_only_when_the_words_change_and_its_end_only_if_it_began(
    kept: Kept,
) -> None:
    audit = Audit(kept)
    audit.over("metadata", entries.metadata_answers("aliyun"))
    audit.once("metadata", unknown("refused"))
    audit.once("metadata", unknown("refused"))
    audit.once("metadata", unknown("100 % of reads time out"))
    audit.over("metadata", entries.metadata_answers("aliyun"))
    assert kept.said() == [
        "metadata: refused; routing stays as it is",
        "metadata: 100 % of reads time out; routing stays as it is",
        "metadata: aliyun answers again",
    ]


def test_what_is_said_in_a_round_bears_its_generation(kept: Kept) -> None:
    audit = Audit(kept)
    audit.generation = 42
    audit.say(unknown("refused"))
    assert kept.entries[0].fields["SRCROUTD_GENERATION"] == "42"


def test_who_subscribes_hears_every_entry_until_he_leaves() -> None:
    audit, heard = Audit(), list[str]()
    leave = audit.subscribe(lambda entry: heard.append(entry.kind.slug))
    audit.say(entries.stopped())
    leave()
    leave()
    audit.say(entries.stopped())
    assert heard == ["stopped"]


def test_a_subscriber_that_fails_is_dropped_and_told_of(kept: Kept) -> None:
    audit, heard = Audit(kept), list[Entry]()

    def fails(_entry: Entry) -> None:
        raise ValueError("no")

    audit.subscribe(fails)
    audit.subscribe(heard.append)
    audit.say(entries.stopped())
    audit.say(entries.resumed())
    assert kept.kinds() == [Kind.STOPPED, Kind.BUG, Kind.RESUMED]
    assert "ValueError: no" in kept.said()[1]
    assert "in fails" in kept.entries[1].fields["SRCROUTD_TRACEBACK"]
    assert len(heard) == 2


def test_a_sink_that_fails_stops_neither_the_daemon_nor_the_others(kept: Kept) -> None:
    broken = Kept()
    broken.says_no = True
    audit = Audit(broken, kept)
    for _ in range(3):
        audit.say(entries.stopped())
    assert kept.kinds().count(Kind.STOPPED) == 3
    assert kept.kinds().count(Kind.BUG) == 1
    broken.says_no = False
    audit.say(entries.resumed())
    assert broken.kinds() == [Kind.RESUMED]


def test_the_end_closes_every_sink(kept: Kept) -> None:
    other = Kept()
    Audit(kept, other).close()
    assert kept.closed
    assert other.closed
