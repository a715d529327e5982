"""Long-lived processes of one machine: started, watched until they say READY=1, signalled, waited
for.

The part of systemd that srcroutd relies on (sd_notify(3)), small enough for a machine of the lab.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from srcroutd.lab.calls import Answer, Request

_LOOK_AGAIN_S = 0.02


class _Service:
    """One process and what it has said to its NOTIFY_SOCKET, each with the time of arrival."""

    def __init__(self, process: subprocess.Popen[bytes], began: float) -> None:
        self.process = process
        self.began = began
        self.notices: list[tuple[float, str]] = []
        self.said = threading.Condition()

    def hear(self, notify: socket.socket) -> None:
        """Collect notices for as long as the process lives."""
        with notify:
            notify.settimeout(1)
            while True:
                try:
                    text = notify.recv(4096).decode(errors="replace")
                except TimeoutError:
                    if self.process.poll() is not None:
                        return
                    continue
                with self.said:
                    self.notices += [(time.monotonic(), line) for line in text.splitlines()]
                    self.said.notify_all()

    def when(self, notice: str) -> float | None:
        """When the process first said ``notice``."""
        return next((at for at, text in self.notices if text == notice), None)


class Services:
    """The services of one machine by name; starting a name again replaces the ended process of that
    name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, _Service] = {}

    def spawn(self, request: Request) -> Answer:
        """Start ``argv`` as service ``name``, its output appended to FOLDER/log/NAME.log."""
        name = request["name"]
        old = self.running.get(name)
        if old and old.process.poll() is None:
            raise ValueError(f"{name} is running")
        path = self.folder / f"{name}.notify"
        path.unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(path))
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            began = time.monotonic()
            process = subprocess.Popen(
                request["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"NOTIFY_SOCKET": str(path)} | request.get("env", {}),
            )
        service = self.running[name] = _Service(process, began)
        threading.Thread(target=service.hear, args=(notify,), daemon=True).start()
        return {"pid": process.pid, "began": began}

    def wait(self, request: Request) -> Answer:
        """Wait until service ``name`` has said ``notice``, or without one until it has ended."""
        service = self.running[request["name"]]
        notice: str | None = request.get("notice")
        deadline = time.monotonic() + request.get("timeout_s", 10)
        while time.monotonic() < deadline:
            at = service.when(notice) if notice else None
            code = service.process.poll()
            if at is not None or code is not None:
                return {"at": at, "code": code, "began": service.began}
            with service.said:
                service.said.wait(_LOOK_AGAIN_S)
        return {"at": None, "code": None, "began": service.began}

    def signal(self, request: Request) -> Answer:
        """Send a signal, by number, to service ``name``; an ended one is left alone."""
        process = self.running[request["name"]].process
        if process.poll() is None:
            process.send_signal(signal.Signals(request["signal"]))
        return {}

    def state(self, request: Request) -> dict[str, Any]:
        """Whether service ``name`` runs, its number here, and what it has said."""
        service = self.running.get(request["name"])
        if service is None:
            return {"pid": None, "code": None, "notices": []}
        code = service.process.poll()
        pid = service.process.pid if code is None else None
        return {"pid": pid, "code": code, "notices": service.notices}
