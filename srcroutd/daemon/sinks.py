"""Where the record goes: to the journal if that is where stderr goes anyway, else to stderr."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from srcroutd.daemon.audit import Sink
from srcroutd.daemon.lines import Form, Lines, as_json, readable, streamed, verbose

Choice = Literal["auto", "journal", "json", "text"]
CHOICES: tuple[Choice, ...] = ("auto", "journal", "json", "text")


def sink_for(
    choice: Choice, environment: Mapping[str, str], descriptor: int, *, more: bool
) -> Sink:
    """The sink for ``srcroutd --log CHOICE``; ``more`` is ``--verbose``."""
    from srcroutd.daemon.journal import SOCKET
    from srcroutd.daemon.journal_sink import Journal

    streams = _is_journal(environment, descriptor)
    text: Form = streamed if streams else verbose if more else readable
    match choice:
        case "json":
            return Lines(descriptor, as_json)
        case "text":
            return Lines(descriptor, text)
        case "journal":
            return Journal(Lines(descriptor, text))
        case "auto":
            lines = Lines(descriptor, text)
            return Journal(lines) if streams and Path(SOCKET).exists() else lines


def _is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Whether this descriptor is the stream that systemd connected to the journal (JOURNAL_STREAM,
    systemd.exec(5)).
    """
    stat = os.fstat(descriptor)
    return environment.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"
