"""Lines on stderr: readable ones and JSON, none forged, and no reader that anybody waits for."""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from srcroutd.core import entries
from srcroutd.core.entry import Entry, Kind, Level
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.journal import SOCKET
from srcroutd.daemon.journal_sink import Journal
from srcroutd.daemon.lines import Lines, as_json, readable, streamed, verbose
from srcroutd.daemon.outlet import LIMIT
from srcroutd.daemon.sinks import sink_for
from tests.pure.records import ADD, ENI1, of_everything

FORGED = "x\n12:00:00.000 INFO all is well\n<6>all is well\x1b[2K"


class Pipe:
    """A pipe whose reader reads when told."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self) -> str:
        """What is in it now."""
        found = b""
        try:
            while data := os.read(self.reader, 1 << 20):
                found += data
        except BlockingIOError:
            pass
        return found.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reader)
    os.close(pipe.writer)


def test_a_line_has_the_time_how_much_it_matters_and_the_message() -> None:
    line = readable(entries.applied(ADD, ENI1, 7))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} INFO generation 7  eth1 eni-1  "
        r"\+ ip -6 rule 18016: from 2001:db8::5 lookup 18001  \(first address of eni-1\)",
        line,
    )


def test_a_stream_to_the_journal_has_the_priority_in_front() -> None:
    assert streamed(entries.cannot_run("no", 78)) == "<3>no"


@pytest.mark.parametrize("form", [readable, streamed, as_json])
def test_every_entry_is_one_line_whatever_is_in_it(form: object) -> None:
    assert callable(form)
    nasty = Entry(Kind.BUG, FORGED, Level.ERROR, {"SRCROUTD_WAS": FORGED})
    for entry in (*of_everything(), nasty):
        assert form(entry).isprintable()


def test_with_its_fields_an_entry_is_several_lines_and_only_the_first_begins_one() -> None:
    first, *rest = verbose(Entry(Kind.BUG, "x", Level.ERROR, {"SRCROUTD_WAS": FORGED})).split("\n")
    assert first.endswith(" ERROR x")
    assert rest == [
        "    SRCROUTD_WAS=x",
        "        12:00:00.000 INFO all is well",
        r"        <6>all is well\x1b[2K",
    ]


def test_a_line_of_json_holds_the_whole_entry() -> None:
    for entry in of_everything():
        found = json.loads(as_json(entry))
        assert found.pop("kind") == entry.kind.slug
        assert found.pop("message_id") == entry.kind.message_id
        assert found.pop("level") == entry.level.name.lower()
        assert found.pop("message") == entry.message
        assert re.fullmatch(r"\d{4}(-\d\d){2}T(\d\d:){2}\d\d\.\d{6}Z", found.pop("time"))
        assert found == entry.plain_fields()


def test_a_reader_that_does_not_read_is_not_waited_for_and_gets_it_later(pipe: Pipe) -> None:
    async def main() -> str:
        audit = Audit(Lines(pipe.writer, streamed))
        began = time.monotonic()
        audit.applied(1, [(ADD, ENI1)] * 3000)
        assert time.monotonic() - began < 1.0
        said = ""
        while said.count("\n") < 3000:
            await asyncio.sleep(0.01)
            said += pipe.read()
        return said

    lines = asyncio.run(main()).splitlines()
    assert set(lines) == {streamed(entries.applied(ADD, ENI1, 1))}


def test_what_a_reader_never_took_is_counted(pipe: Pipe) -> None:
    line = len(streamed(entries.applied(ADD, ENI1, 1))) + 1
    number = 2 * LIMIT // line

    async def main() -> str:
        audit = Audit(Lines(pipe.writer, streamed))
        audit.applied(1, [(ADD, ENI1)] * number)
        said, quiet = "", 0
        while quiet < 10:
            await asyncio.sleep(0.01)
            new = pipe.read()
            said, quiet = said + new, 0 if new else quiet + 1
        audit.say(entries.resumed())
        return said + pipe.read()

    *lines, missed, last = asyncio.run(main()).splitlines()
    assert missed.startswith(f"<4>{number - len(lines)} entries did not get through")
    assert last.startswith("<5>no longer standing by")
    assert number - len(lines) > 100


def test_a_reader_that_is_gone_is_no_reason_to_stop() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    audit = Audit(Lines(pipe.writer, streamed))
    audit.say(entries.resumed())
    audit.close()
    os.close(pipe.writer)


def test_the_last_words_get_out(pipe: Pipe) -> None:
    audit = Audit(Lines(pipe.writer, streamed))
    audit.say(entries.stopped())
    audit.close()
    assert pipe.read().startswith("<6>stopped; ")


def test_the_journal_is_chosen_only_where_stderr_goes_there(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        stat = os.fstat(log.fileno())
        there = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        elsewhere = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino + 1}"}
        wanted = Journal if Path(SOCKET).exists() else Lines
        assert isinstance(sink_for("auto", there, log.fileno(), more=False), wanted)
        for environment in (elsewhere, {}):
            assert isinstance(sink_for("auto", environment, log.fileno(), more=False), Lines)
        assert isinstance(sink_for("journal", {}, log.fileno(), more=False), Journal)
        sink_for("text", there, log.fileno(), more=False).write(entries.resumed())
    assert (tmp_path / "log").read_text().startswith("<5>no longer")
