"""What waits for a watcher is bounded, and what is missing is told where it is missing."""

from hypothesis import given
from hypothesis import strategies as st

from srcroutd.control.mailbox import Mailbox
from srcroutd.core.entries import once_done
from srcroutd.core.entry import Kind


def told(mailbox: Mailbox) -> list[str]:
    """Everything that waits: the words of an entry, or how many are missing."""
    words = []
    while found := mailbox.take():
        entry = found[1]
        words.append(
            f"{entry.fields['SRCROUTD_MISSED']} missed"
            if entry.kind is Kind.NOT_DELIVERED
            else entry.message
        )
    return words


def test_entries_come_out_as_they_went_in() -> None:
    mailbox = Mailbox(8)
    for number in range(5):
        mailbox.put(once_done(str(number)), number)
    assert told(mailbox) == ["0", "1", "2", "3", "4"]
    assert len(mailbox) == 0


def test_a_slow_reader_is_told_how_many_he_missed_and_where() -> None:
    mailbox = Mailbox(3)
    for number in range(10):
        mailbox.put(once_done(str(number)), number)
    first = mailbox.take()
    assert first is not None
    assert first[1].message == "0"
    mailbox.take()
    mailbox.put(once_done("late"), 11)
    assert told(mailbox) == ["2", "7 missed", "late"]


def test_what_was_missed_last_is_told_though_nothing_follows() -> None:
    mailbox = Mailbox(2)
    for number in range(5):
        mailbox.put(once_done(str(number)), number)
    assert told(mailbox) == ["0", "1", "3 missed"]
    assert told(mailbox) == []


@given(st.integers(2, 6), st.lists(st.booleans(), max_size=60))
def test_every_entry_is_told_or_counted_and_never_more_than_the_bound_wait(
    most: int, puts: list[bool]
) -> None:
    mailbox = Mailbox(most)
    sent, found = 0, []
    for put in puts:
        if put:
            mailbox.put(once_done(str(sent)), sent)
            sent += 1
        elif taken := mailbox.take():
            found.append(taken[1])
        assert len(mailbox) <= most + 1  # the last is a number, not an entry
    while taken := mailbox.take():
        found.append(taken[1])
    expected = 0
    for entry in found:
        if entry.kind is Kind.NOT_DELIVERED:
            expected += int(entry.fields["SRCROUTD_MISSED"])
        else:
            assert entry.message == str(expected)
            expected += 1
    assert expected == sent
