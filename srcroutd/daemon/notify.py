"""What systemd is told: READY, STATUS, RELOADING, STOPPING and the watchdog (sd_notify(3)).

The watchdog is fed by the loop that does the work, so a stuck loop misses it.
"""

import os
import time
from collections.abc import Mapping

from sdnotify import SystemdNotifier

IDLE_FEED_S = 3600.0
"""How long the loop may rest where nobody watches."""


class Notify:
    """Talks to the service manager; silently does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._notifier = SystemdNotifier()
        if self._notifier.socket is not None:
            # A service manager that does not read must not hold up the loop.
            self._notifier.socket.settimeout(0.0)
            self._notifier.debug = True
        self._sentence = ""
        self.ready_sent = False
        self.feed_s = _watchdog_s(environment) / 2

    def ready(self) -> None:
        """The first round has converged, or a reload is done."""
        self.ready_sent = self._send("READY=1")

    def status(self, sentence: str) -> None:
        """One sentence for ``systemctl status``, sent when it changes."""
        if sentence != self._sentence and self._send(f"STATUS={sentence}"):
            self._sentence = sentence

    def feed(self) -> None:
        """The loop is alive."""
        if self.feed_s < IDLE_FEED_S / 2:
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """The daemon ends; routing stays."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> bool:
        """Whether the message is on its way, or nobody wants it."""
        try:
            self._notifier.notify(text)
        except OSError:
            return False
        return True


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """WATCHDOG_USEC in seconds if it is meant for this process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return IDLE_FEED_S
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) else IDLE_FEED_S
