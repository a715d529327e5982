"""The instance's own record of its rules and routes: what ``ip -ts monitor`` prints, with the
kernel's order.

Repairs take less time than starting ``ip`` twice, so they cannot be timed by asking: both the loss
and the repair are read from one record, with that record's clock.
"""

import re
import time
from dataclasses import dataclass
from datetime import datetime

from srcroutd.lab.calls import LabError
from srcroutd.lab.cloud import Cloud

_SENTINEL = "unreachable 192.0.2.1 table 4242"
_LOOK_AGAIN_S = 0.01
_PATIENCE_S = 5.0
_LINE = re.compile(r"\[(?P<at>[^\]]+)\] ?(?P<gone>Deleted )?(?P<what>.*)")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the record. ``at`` is time.time(); ``what`` is what ``ip`` prints of a rule or
    route.
    """

    at: float
    gone: bool
    what: str


class Recorder:
    """Records from its making on; make a new one after a reboot of the instance."""

    def __init__(self, cloud: Cloud) -> None:
        self._log = cloud.folder / "log" / "monitor.log"
        self._instance = cloud.instance
        self._start = self._log.stat().st_size if self._log.exists() else 0
        argv = ["ip", "-ts", "-o", "monitor", "rule", "route"]
        self._instance.ask({"do": "spawn", "name": "monitor", "argv": argv})
        self._catch_up()
        self.mark()

    def mark(self) -> None:
        """Forget what has happened so far."""
        self._catch_up()
        self._start = self._log.stat().st_size

    def changes(self) -> list[Change]:
        """All that has happened since the last ``mark``; nothing is still on its way."""
        self._catch_up()
        return self._read()

    def _read(self) -> list[Change]:
        with self._log.open() as log:
            log.seek(self._start)
            found = [_LINE.match(line.rstrip("\n")) for line in log if line.endswith("\n")]
        return [
            Change(
                datetime.fromisoformat(one["at"]).timestamp(),
                bool(one["gone"]),
                _plain(one["what"]),
            )
            for one in found
            if one and _SENTINEL not in one["what"]
        ]

    def healed_ms(self, limit_s: float = 5.0) -> float | None:
        """From the first loss to the moment when all that was lost is back; None if it is not in
        ``limit_s``.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            changes = self._read()
            lost = [one for one in changes if one.gone]
            last = {one.what: one for one in changes}
            if lost and not any(last[one.what].gone for one in lost):
                back = max(last[one.what].at for one in lost)
                return (back - lost[0].at) * 1000
            time.sleep(0.01)
        return None

    def _catch_up(self) -> None:
        """Until a route of our own making, come and gone, is on record: then so is all that was
        before.
        """
        seen = self._log.stat().st_size
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            self._instance.ip_batch([f"route add {_SENTINEL}", f"route del {_SENTINEL}"])
            time.sleep(_LOOK_AGAIN_S)
            if f"Deleted {_SENTINEL}".encode() in self._log.read_bytes()[seen:]:
                return
        raise LabError(f"ip monitor records nothing; see {self._log}")


def _plain(words: str) -> str:
    return " ".join(words.split())
