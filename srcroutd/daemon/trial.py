"""A configuration on trial: it is used for some seconds, and without a word of confirmation the one
of before returns by itself.

The daemon keeps the time, so the return needs neither the administrator nor his connection. The
file that is tried lies beside the real one, which stays as it is: a crash, a restart or a reboot
ends a trial, too.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from srcroutd.core import entries_config
from srcroutd.core.config import Config
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.configfile import load

LONGEST_S = 3600
"""Whoever needs longer to look has gone home."""


class NoTrial(OperatorError):
    """There is nothing to confirm, or nothing that could be tried; the sentence says what next."""

    exit_code = Exit.USAGE


def trial_file(config: Path) -> Path:
    """Where the configuration to be tried lies, for the one of ``config``."""
    return config.with_name(f"{config.name}.trial")


class Trial:
    """At most one trial. ``check`` raises OperatorError for a configuration that must not be used,
    ``use`` has the service use one.
    """

    def __init__(
        self,
        config: Path,
        check: Callable[[Config], None],
        use: Callable[[Config], None],
        audit: Audit,
    ) -> None:
        self._config = config
        self._check = check
        self._use = use
        self._audit = audit
        self._before: Config | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ends_at_s = 0.0

    def begin(self, seconds: int, present: Config) -> None:
        """Use the file on trial for so long; one that runs already goes on with the new file.

        Raises ConfigError where the file is no good, NoTrial for a time that makes no sense.
        """
        if not 1 <= seconds <= LONGEST_S:
            raise NoTrial(f"a trial lasts 1 to {LONGEST_S} s, not {seconds}")
        file = trial_file(self._config)
        if not file.exists():
            raise NoTrial(f"{file} does not exist; next: srcroutctl apply --confirm FILE")
        config = load(file, drop_ins=self._config)
        self._check(config)
        if self._before is None:
            self._before = present
        self._restart_timer(seconds)
        self._audit.say(entries_config.trial_began(str(file), seconds))
        self._use(config)

    def keep(self) -> None:
        """What is tried stays. Raises NoTrial where nothing is."""
        if self._before is None:
            raise NoTrial(
                "no configuration is on trial: its time was over and the one of before is back, or "
                "srcroutd was restarted; next: srcroutctl apply --confirm FILE"
            )
        self.forget()
        self._audit.say(entries_config.trial_kept(str(self._config)))

    def forget(self) -> None:
        """End the trial without going back: something newer is used."""
        self._before = None
        if self._timer:
            self._timer.cancel()

    def note(self) -> str:
        """A sentence for status, empty where nothing is on trial."""
        if self._before is None:
            return ""
        left_s = max(0.0, self._ends_at_s - time.monotonic())
        return (
            f"a configuration is on trial: {left_s:.0f} s until the one of before returns; "
            "srcroutctl apply --keep keeps it"
        )

    def _restart_timer(self, seconds: int) -> None:
        if self._timer:
            self._timer.cancel()
        self._ends_at_s = time.monotonic() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._return)

    def _return(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._audit.say(entries_config.trial_returned(str(self._config)))
            self._use(before)
