"""journald's native protocol, taken apart by the rules of its document; and a socket that blocks,
vanishes and comes back.
"""

import asyncio
import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core import entries
from srcroutd.core.entry import Entry, Kind, Level
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.journal import encode
from srcroutd.daemon.journal_sink import KEPT, Journal
from tests.pure.records import ADD, ENI1, of_everything
from tests.pure.test_audit import Kept

NAMES = st.from_regex(r"SRCROUTD_[A-Z_]{1,20}", fullmatch=True)
BIG = "x" * 20_000_000
"""More than the kernel holds for us, whatever its limits are (BUFFER)."""


def decode(datagram: bytes) -> list[tuple[str, bytes]]:
    """The fields of a datagram, in order."""
    found = []
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert end == b"\n"
        found.append((name.decode(), value))
        datagram = rest
    return found


class Ear:
    """A socket such as journald's, with the short queue that the kernel gives by default."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        """Listen at the path."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0)

    def close(self) -> None:
        """Be gone, and the path with it."""
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def heard(self) -> list[dict[str, str]]:
        """What has come so far."""
        found: list[dict[str, str]] = []
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._socket, 1 << 20, 1)
            except BlockingIOError:
                return found
            for file in files:
                with os.fdopen(file, "rb") as opened:
                    data = os.pread(opened.fileno(), 1 << 25, 0)
            found.append({name: value.decode() for name, value in decode(data)})


@pytest.fixture
def ear() -> Iterator[Ear]:
    # Not tmp_path: a socket's path must be short (unix(7)).
    with tempfile.TemporaryDirectory(prefix="srcroutd-") as folder:
        ear = Ear(Path(folder) / "socket")
        yield ear
        ear.close()


@given(st.dictionaries(NAMES, st.text()), st.text(), st.sampled_from(Level))
def test_every_value_comes_out_as_it_went_in(
    fields: dict[str, str], text: str, level: Level
) -> None:
    entry = Entry(Kind.BUG, text, level, fields)
    found = decode(encode(entry))
    assert sorted(found) == sorted(
        (name, value.encode())
        for name, value in {
            "SYSLOG_IDENTIFIER": "srcroutd",
            "PRIORITY": str(int(level)),
            "MESSAGE_ID": Kind.BUG.message_id,
            "MESSAGE": entry.message,
            **fields,
        }.items()
    )


def test_what_is_not_unicode_does_not_hinder_an_entry() -> None:
    found = dict(decode(encode(Entry(Kind.BUG, "x", Level.ERROR, {"SRCROUTD_WAS": "\udc80\n"}))))
    assert found["SRCROUTD_WAS"] == b"\\udc80\n"


@pytest.mark.parametrize("name", ["", "_PID", "message", "A-B", "A B", "A=B", "A\nB", "1A", "Ä"])
def test_a_name_that_journald_would_not_take_is_a_bug(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a journal field"):
        encode(Entry(Kind.BUG, "x", Level.ERROR, {name: "value"}))


def test_each_kind_arrives_with_its_message_id(ear: Ear) -> None:
    journal, lost = Journal(Kept(), str(ear.path)), Kept()
    for entry in of_everything():
        journal.write(entry)
        (found,) = ear.heard()
        assert found["MESSAGE_ID"] == entry.kind.message_id
        assert found["MESSAGE"] == entry.message
        assert entry.fields.items() <= found.items()
    assert lost.entries == []


def test_what_is_too_large_for_a_datagram_comes_as_a_file(ear: Ear) -> None:
    lost = Kept()
    Journal(lost, str(ear.path)).write(
        Entry(Kind.BUG, "x", Level.ERROR, {"SRCROUTD_WAS": BIG, "SRCROUTD_ENI": "a\nb"})
    )
    (found,) = ear.heard()
    assert (found["SRCROUTD_WAS"], found["SRCROUTD_ENI"]) == (BIG, "a\nb")
    assert lost.entries == []


def test_what_cannot_be_sent_at_all_does_not_hold_up_the_rest(ear: Ear) -> None:
    lost = Kept()
    journal = Journal(lost, str(ear.path))
    journal.write(entries.stopped())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        journal.write(Entry(Kind.BUG, "x", Level.ERROR, {"SRCROUTD_WAS": BIG}))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    journal.write(entries.resumed())
    assert lost.kinds() == [Kind.BUG]
    ids = [found["MESSAGE_ID"] for found in ear.heard()]
    assert ids == [kind.message_id for kind in (Kind.STOPPED, Kind.NOT_DELIVERED, Kind.RESUMED)]


def test_a_full_queue_costs_the_loop_nothing_and_loses_nothing(ear: Ear) -> None:
    lost, number, found = Kept(), 500, list[dict[str, str]]()

    async def main() -> None:
        audit = Audit(Journal(lost, str(ear.path)))
        began = time.monotonic()
        audit.applied(1, [(ADD, ENI1)] * number)
        assert time.monotonic() - began < 1.0
        while len(found) < number:
            found.extend(ear.heard())
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert lost.entries == []
    assert len(found) == number


def test_while_the_queue_is_full_the_loop_goes_on_turning(ear: Ear) -> None:
    async def main() -> int:
        Audit(Journal(Kept(), str(ear.path))).applied(1, [(ADD, ENI1)] * 50)
        end, turns = time.monotonic() + 0.5, 0
        while time.monotonic() < end:
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    assert asyncio.run(main()) > 50


def test_whoever_writes_a_lot_breathes_until_a_slow_reader_is_there(ear: Ear) -> None:
    lost, number, found = Kept(), 3 * KEPT, list[dict[str, str]]()

    async def read() -> None:
        while len(found) + len(lost.entries) < number:
            found.extend(ear.heard())
            await asyncio.sleep(0.001)

    async def main() -> None:
        audit, reading = Audit(Journal(lost, str(ear.path))), asyncio.create_task(read())
        for _ in range(0, number, 64):
            audit.applied(1, [(ADD, ENI1)] * 64)
            await audit.breathe()
        await reading

    asyncio.run(main())
    assert lost.entries == []


def test_more_than_can_be_kept_goes_to_stderr_and_is_counted(ear: Ear) -> None:
    lost, found = Kept(), list[dict[str, str]]()

    async def main() -> None:
        audit = Audit(Journal(lost, str(ear.path)))
        audit.applied(1, [(ADD, ENI1)] * (KEPT + 1000))
        while Kind.NOT_DELIVERED.message_id not in {one["MESSAGE_ID"] for one in found}:
            found.extend(ear.heard())
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert lost.entries
    assert found[-1]["SRCROUTD_MISSED"] == str(len(lost.entries))
    assert len(found) - 1 + len(lost.entries) == KEPT + 1000


def test_a_socket_that_stays_full_is_given_up_and_found_again(ear: Ear) -> None:
    lost = Kept()

    async def main() -> None:
        audit = Audit(Journal(lost, str(ear.path), patience_s=0.1))
        audit.applied(1, [(ADD, ENI1)] * 50)
        await asyncio.sleep(0.3)
        taken = len(ear.heard())
        assert len(lost.entries) == 50 - taken
        audit.say(entries.resumed())
        assert len(lost.entries) == 50 - taken
        kinds = [found["MESSAGE_ID"] for found in ear.heard()]
        assert kinds == [Kind.NOT_DELIVERED.message_id, Kind.RESUMED.message_id]

    asyncio.run(main())


def test_a_socket_that_vanishes_is_found_again_wherever_it_comes_back(ear: Ear) -> None:
    lost = Kept()

    async def main() -> None:
        audit = Audit(Journal(lost, str(ear.path), patience_s=0.1))
        audit.say(entries.stopped())
        ear.heard()
        ear.close()
        audit.say(entries.ready(1, "first"))
        await asyncio.sleep(0.3)
        audit.say(entries.ready(2, "second"))
        assert lost.said() == ["ready after 1 ms: first", "ready after 2 ms: second"]
        ear.open()
        audit.say(entries.resumed())
        missed, resumed = ear.heard()
        assert missed["SRCROUTD_MISSED"] == "2"
        assert resumed["MESSAGE_ID"] == Kind.RESUMED.message_id

    asyncio.run(main())


def test_one_that_is_back_soon_gets_everything_and_in_order(ear: Ear) -> None:
    lost = Kept()

    async def main() -> None:
        audit = Audit(Journal(lost, str(ear.path)))
        audit.say(entries.stopped())
        ear.heard()
        ear.close()
        for number in range(5):
            audit.say(entries.ready(number, "again"))
        await asyncio.sleep(0.05)
        ear.open()
        await asyncio.sleep(0.2)
        assert [found["SRCROUTD_READY_MS"] for found in ear.heard()] == list("01234")

    asyncio.run(main())
    assert lost.entries == []


def test_before_and_after_the_loop_the_last_words_get_out(ear: Ear) -> None:
    lost = Kept()
    audit = Audit(Journal(lost, str(ear.path), patience_s=0.2))
    audit.applied(1, [(ADD, ENI1)] * 30)
    audit.close()
    assert len(ear.heard()) + len(lost.entries) == 30
    assert lost.closed


def test_where_nobody_ever_listened_all_goes_to_stderr(tmp_path: Path) -> None:
    lost = Kept()
    audit = Audit(Journal(lost, str(tmp_path / "nobody"), patience_s=0.1))
    audit.say(entries.stopped())
    audit.close()
    assert lost.kinds() == [Kind.STOPPED]
