"""The first process of one machine of the lab: it does there what it is asked to over a socket.

It runs commands and services, probes other machines, echoes what probes send, and counts packets on
the wire. Each request has a thread of its own, so that a probe can go on while a command changes
something.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from srcroutd.lab import calls, echo, namespaces, probes
from srcroutd.lab.calls import Answer, Request
from srcroutd.lab.services import Services
from srcroutd.lab.sniffer import Sniffer


def main(name: str, folder: Path, tell: int, *, ecs: bool) -> None:
    """Become machine ``name``, serve at FOLDER/NAME.sock, and tell the pipe ``tell`` so."""
    _leave_the_holder(tell)
    namespaces.cover_run(folder)
    namespaces.become_machine(name)
    if ecs:
        namespaces.fake_dmi()
        namespaces.bind(folder / "run", Path("/run/srcroutd"))
    server = calls.listen(folder / f"{name}.sock")
    verbs = _verbs(folder)
    os.write(tell, b"listens yes\n")
    os.close(tell)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=calls.serve, args=(connection, verbs), daemon=True).start()


def _verbs(folder: Path) -> dict[str, Callable[[Request], Answer]]:
    services = Services(folder)
    sniffers: dict[str, Sniffer] = {}

    def sniff(_request: Request) -> Answer:
        if "wire" not in sniffers:
            sniffers["wire"] = Sniffer()
        return {}

    return {
        "run": _run,
        "sysctl": _sysctl,
        "probe": probes.probe,
        "stream": probes.stream,
        "echo": lambda _request: echo.start(),
        "sniff": sniff,
        "counts": lambda _request: sniffers["wire"].counts(),
        "spawn": services.spawn,
        "wait": services.wait,
        "signal": services.signal,
        "service": services.state,
    }


def _leave_the_holder(tell: int) -> None:
    """Let go of everything inherited but the log and ``tell``: the lab's lock is the holder's
    alone.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.closerange(3, tell)
    os.closerange(tell + 1, 1024)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(request: Request) -> Answer:
    """Run a command to its end; its words, and when it began and ended by the monotonic clock."""
    began = time.monotonic()
    done = subprocess.run(
        request["argv"],
        input=request.get("input"),
        stdin=None if request.get("input") is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=request.get("timeout_s", 20),
        env=os.environ | request.get("env", {}),
    )
    return {
        "code": done.returncode,
        "out": done.stdout,
        "err": done.stderr,
        "began": began,
        "ended": time.monotonic(),
    }


def _sysctl(request: Request) -> Answer:
    """Write sysctls of this network namespace: {"net/ipv4/ip_forward": "1"}."""
    for key, value in request["values"].items():
        (Path("/proc/sys") / key).write_text(str(value))
    return {}
