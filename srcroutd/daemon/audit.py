"""The record of every change: one line an operation with its generation, NIC, reason and outcome
(promise 10).

Nothing here decides. Below systemd each line bears journald's priority prefix, elsewhere a time
stamp.
"""

import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from srcroutd.core.plan import Operation

log = logging.getLogger("srcroutd")

_REFUSED = "refused "

_PRIORITY = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class _Line(logging.Formatter):
    def __init__(self, *, journal: bool) -> None:
        super().__init__(
            "%(message)s" if journal else "%(asctime)s.%(msecs)03d %(levelname)s %(message)s",
            "%H:%M:%S",
        )
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", " | ")
        return f"<{_PRIORITY.get(record.levelno, 6)}>{text}" if self._journal else text


def to_stderr(*, verbose: bool) -> None:
    """Send the record to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(journal=_is_journal(sys.stderr.fileno())))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


def _is_journal(descriptor: int) -> bool:
    """Whether this descriptor is the stream that systemd connected to the journal (JOURNAL_STREAM,
    sd-journal).
    """
    stat = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


@dataclass(slots=True)
class Audit:
    """Writes the entries; remembers only what it has said, so as not to say it again."""

    _said: dict[str, str] = field(default_factory=dict)

    def applied(self, generation: int, operations: Iterable[tuple[Operation, str]]) -> None:
        """One line for each operation that the kernel took; the second item names its NIC."""
        for operation, nic in operations:
            was = f"; was: {operation.replaces}" if operation.replaces else ""
            log.info(
                "generation %d  %s  %s  (%s%s)", generation, nic, operation, operation.because, was
            )

    def refused(self, operation: Operation, nic: str, words: str) -> None:
        """The kernel refused an operation: said once until it changes."""
        self.once(
            f"{_REFUSED}{operation}", f"{nic}: kernel refused {operation}: {words}", logging.ERROR
        )

    def once(self, topic: str, sentence: str, level: int = logging.WARNING) -> None:
        """Say a sentence on a topic, unless it was the last one said on it."""
        if self._said.get(topic) != sentence:
            self._said[topic] = sentence
            log.log(level, "%s", sentence)

    def settled(self) -> None:
        """All is in sync: a refusal that comes again is news again."""
        for topic in [topic for topic in self._said if topic.startswith(_REFUSED)]:
            del self._said[topic]

    def over(self, topic: str, sentence: str = "") -> None:
        """The topic is settled; says so if anything had been said."""
        if self._said.pop(topic, None) is not None and sentence:
            log.info("%s", sentence)
