"""Entries as lines on stderr: readable ones, JSON, or those of a stream that systemd connected to
the journal.
"""

import json
import time
from collections.abc import Callable

from srcroutd.core import entries
from srcroutd.core.entry import Entry, one_line
from srcroutd.daemon.outlet import Outlet

Form = Callable[[Entry], str]
CLOSE_S = 1.0
"""How long the end of the program waits for a slow reader."""


class Lines:
    """Writes an entry a line. What a reader never took is counted, and told when it reads again."""

    def __init__(self, descriptor: int, form: Form) -> None:
        self._outlet = Outlet(descriptor)
        self._form = form
        self._missed = 0

    @property
    def behind(self) -> bool:
        """Whether much waits to be written."""
        return self._outlet.behind

    def write(self, entry: Entry) -> None:
        """Write a line, now or soon."""
        if self._missed and self._put(
            entries.not_delivered(self._missed, "nobody read what was written to stderr")
        ):
            self._missed = 0
        if not self._put(entry):
            self._missed += 1

    def close(self) -> None:
        """Write what the reader has not taken yet."""
        self._outlet.close(CLOSE_S)

    def _put(self, entry: Entry) -> bool:
        return self._outlet.put(f"{self._form(entry)}\n".encode(errors="backslashreplace"))


def readable(entry: Entry) -> str:
    """``14:02:11.042 INFO generation 3  eth1 eni-x  + ip rule ...``."""
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    return f"{clock}.{int(now % 1 * 1000):03d} {entry.level.name} {entry.message}"


def verbose(entry: Entry) -> str:
    """The readable line, and below it each field; what a value says in more lines stays indented,
    so that none can pass for an entry.
    """
    fields = [f"    {name}={_indented(value)}" for name, value in entry.fields.items()]
    return "\n".join([readable(entry), *fields])


def streamed(entry: Entry) -> str:
    """With the priority prefix that journald takes off a stream (sd-daemon(3))."""
    return f"<{entry.level:d}>{entry.message}"


def as_json(entry: Entry) -> str:
    """One object a line: time (RFC 3339, UTC), kind, message_id, level, message and the fields."""
    now = time.time()
    clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    own = {
        "time": f"{clock}.{int(now % 1 * 1_000_000):06d}Z",
        "kind": entry.kind.slug,
        "message_id": entry.kind.message_id,
        "level": entry.level.name.lower(),
        "message": entry.message,
    }
    return json.dumps(own | entry.plain_fields())


def _indented(value: str) -> str:
    return "\n        ".join(one_line(line) for line in value.splitlines())
