"""One question, one answer: a JSON line each way over a Unix socket, one connection a call.

This is how whoever uses a lab talks to the processes inside it. The sockets lie in the lab's
folder, which only its owner can enter; the kernel says who is at the other end (SO_PEERCRED), so
that no stored process number is ever believed.
"""

import json
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from srcroutd.core.errors import Exit, OperatorError

Request = dict[str, Any]
Answer = dict[str, Any]

_LINE_LIMIT = 16 * 1024 * 1024
_PATIENCE_S = 30.0


class LabError(OperatorError):
    """Something in the lab did not work; the text is for people."""

    exit_code = Exit.UNREACHABLE


def call(path: Path, request: Mapping[str, Any], timeout_s: float = _PATIENCE_S) -> Answer:
    """Ask the process that listens at ``path``. Raises LabError if nobody does or if it says no."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = _read_line(connection)
    except OSError as error:
        raise LabError(f"the lab's {path.stem} does not answer at {path}: {error}") from error
    if not line:
        raise LabError(f"the lab's {path.stem} ended while doing: {request.get('do')}")
    answer: Answer = json.loads(line)
    if "error" in answer:
        raise LabError(f"{path.stem}: {answer['error']}")
    return answer


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path``."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(64)
    return server


def serve(connection: socket.socket, verbs: Mapping[str, Callable[[Request], Answer]]) -> None:
    """Read one request, answer it by the verb it names, and hang up. An error is an answer."""
    with connection:
        try:
            request = json.loads(_read_line(connection) or b"{}")
            answer = verbs[request["do"]](request)
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return  # Whoever asked has gone.


def listener_pid(path: Path) -> int:
    """Who listens at ``path``, by the number it has in our PID namespace. Raises LabError if nobody
    does.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError as error:
        raise LabError(f"nobody listens at {path}: {error}") from error
    pid: int = struct.unpack("3i", credentials)[0]
    return pid


def _read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.readline(_LINE_LIMIT)
