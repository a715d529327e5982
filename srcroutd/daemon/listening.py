"""The two ways in: the control socket, always, and a TCP address for metrics if configured.

A way in that cannot be opened is reported; routing goes on without it.
"""

import asyncio
from pathlib import Path

from srcroutd.control.server import Server, control_server, metrics_server
from srcroutd.core import entries
from srcroutd.core.errors import OperatorError
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.desk import Desk

SOCKET = "control.sock"


class Listening:
    """Opens and closes the ways in; their tasks belong to the service's group."""

    def __init__(self, runtime: Path, desk: Desk, audit: Audit, group: asyncio.TaskGroup) -> None:
        self._runtime = runtime
        self._desk = desk
        self._audit = audit
        self._group = group
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._metrics: tuple[str, int] | None = None

    def open(self, metrics: tuple[str, int] | None) -> None:
        """Open the control socket if it is not open, and the metrics address as configured."""
        if "control" not in self._tasks:
            path = self._runtime / SOCKET
            try:
                self._serve("control", control_server(path, self._desk))
            except OperatorError as error:
                self._audit.say(entries.cannot_listen(str(path), str(error)))
        if metrics != self._metrics:
            self._open_metrics(metrics)

    def close(self) -> None:
        """Close both."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _open_metrics(self, metrics: tuple[str, int] | None) -> None:
        if task := self._tasks.pop("metrics", None):
            task.cancel()
        self._metrics = metrics
        if metrics is None:
            return
        try:
            self._serve("metrics", metrics_server(*metrics, self._desk))
        except OperatorError as error:
            self._metrics = None  # a reload tries again
            self._audit.say(entries.cannot_listen(f"{metrics[0]} port {metrics[1]}", str(error)))

    def _serve(self, name: str, server: Server) -> None:
        self._tasks[name] = self._group.create_task(server.run())
