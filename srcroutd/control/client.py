"""Ask the daemon: each call is one connection, one answer, or a sentence that says why not.

Synchronous and light: the command line has 300 ms for everything. What comes back is checked key by
key, so that no reader has to expect the impossible.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from srcroutd.control.decode import parse, read
from srcroutd.control.documents import (
    VERSION,
    CleanupDocument,
    EntryDocument,
    ErrorDocument,
    PlanDocument,
    StatusDocument,
    ViewDocument,
)
from srcroutd.control.translate import cleaned_of, view_of
from srcroutd.control.wire import Answer, CutOff, Line, Nonsense, ask
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import Cleaned, View

READ_S = 10.0
"""For a whole answer of a reader."""
ERRAND_S = 60.0
"""For something that the daemon does before it answers."""

Shape = TypeVar("Shape")


class NotReachable(OperatorError):
    """No daemon answers at the socket."""

    exit_code = Exit.UNREACHABLE


class NotAllowed(OperatorError):
    """This user may not ask that."""

    exit_code = Exit.NOT_PERMITTED


class NotUnderstood(OperatorError):
    """Something answers, but not what this program understands."""

    exit_code = Exit.UNREACHABLE


class Declined(OperatorError):
    """The daemon says why not; ``exit_code`` is the one that it names."""


class Client:
    """The daemon behind the socket at ``path``. Every call may raise the errors above."""

    def __init__(self, path: Path | str, *, read_s: float = READ_S) -> None:
        self._path = path
        self._read_s = read_s

    def view(self, *, brief: bool = False) -> View:
        """Everything; ``brief`` without what each NIC should have."""
        with self._line(self._read_s) as line:
            target = "/v1/view?brief=1" if brief else "/v1/view"
            return view_of(_document(ViewDocument, line, "GET", target))

    def status(self) -> StatusDocument:
        """How it stands, a NIC a line."""
        with self._line(self._read_s) as line:
            return _document(StatusDocument, line, "GET", "/v1/status")

    def plan(self) -> PlanDocument:
        """What would change now."""
        with self._line(self._read_s) as line:
            return _document(PlanDocument, line, "GET", "/v1/plan")

    def metrics(self) -> str:
        """The figures, in OpenMetrics."""
        with self._line(self._read_s) as line:
            return _asked(line, "GET", "/v1/metrics").body().decode()

    def watch(self) -> Iterator[EntryDocument]:
        """Each entry of the record as it happens; ends with the daemon."""
        with self._line(self._read_s) as line:
            answer = _asked(line, "GET", "/v1/watch")
            line.ends_at = None
            with suppress(CutOff):
                for text in answer.lines():
                    yield _shaped(EntryDocument, text)

    def reconcile(self) -> View:
        """Have it look at everything and put right what is not; a brief view of what came of it."""
        with self._line(ERRAND_S) as line:
            return view_of(_document(ViewDocument, line, "POST", "/v1/reconcile"))

    def try_config(self, seconds: int) -> View:
        """Have it use the configuration on trial for so long; a brief view of what came of it."""
        with self._line(ERRAND_S) as line:
            target = f"/v1/try?seconds={seconds}"
            return view_of(_document(ViewDocument, line, "POST", target))

    def reload(self) -> View:
        """Have it use what the configuration file says now; a brief view of what came of it."""
        with self._line(ERRAND_S) as line:
            return view_of(_document(ViewDocument, line, "POST", "/v1/reload"))

    def keep_config(self) -> View:
        """Have it stay with the configuration on trial."""
        with self._line(self._read_s) as line:
            return view_of(_document(ViewDocument, line, "POST", "/v1/keep"))

    def cleanup(self, *, dry_run: bool) -> Cleaned:
        """Have it remove all that is ours; with ``dry_run`` only tell."""
        with self._line(ERRAND_S) as line:
            target = f"/v1/cleanup?dry_run={int(dry_run)}"
            return cleaned_of(_document(CleanupDocument, line, "POST", target))

    @contextmanager
    def _line(self, within_s: float) -> Iterator[Line]:
        """A connection for one exchange, all of whose errors become sentences."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            self._connect(connection, within_s)
            try:
                yield Line(connection, time.monotonic() + within_s)
            except TimeoutError:
                raise NotUnderstood(
                    f"srcroutd gives no answer within {within_s:.0f} s at {self._path}; "
                    "next: journalctl -u srcroutd"
                ) from None
            except OSError as error:
                raise NotReachable(
                    f"the connection to srcroutd broke ({error.strerror}) at {self._path}; "
                    "next: systemctl status srcroutd"
                ) from None
            except OtherVersion as error:
                raise NotUnderstood(
                    f"what answers at {self._path} speaks version {error}, srcroutctl speaks "
                    f"version {VERSION}; next: systemctl restart srcroutd"
                ) from None
            except (Nonsense, ValueError) as error:
                raise NotUnderstood(
                    f"what answers at {self._path} cannot be understood ({error}); is it srcroutd, "
                    "and of this version? next: systemctl restart srcroutd"
                ) from None

    def _connect(self, connection: socket.socket, within_s: float) -> None:
        # A connect() that may not wait fails at once where many wait already (EAGAIN, unix(7)).
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(within_s) or 1, 0)
        )
        try:
            connection.connect(str(self._path))
        except PermissionError:
            raise NotAllowed(
                f"{self._path} is only for root and the group srcroutd; next: sudo, or "
                "usermod -aG srcroutd USER and a new login"
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise NotReachable(
                f"srcroutd is not running (no socket at {self._path}); "
                "next: systemctl start srcroutd"
            ) from None
        except ConnectionRefusedError:
            raise NotReachable(
                f"srcroutd is not running (nobody listens at {self._path}); "
                "next: systemctl start srcroutd"
            ) from None
        except BlockingIOError:
            raise NotUnderstood(
                f"srcroutd takes no connection within {within_s:.0f} s at {self._path}; "
                "next: journalctl -u srcroutd"
            ) from None
        except OSError as error:
            why = error.strerror or str(error)
            raise NotReachable(f"{self._path} cannot be asked: {why}; see --socket") from None


class OtherVersion(Exception):
    """What was read bears this version."""


def _document(shape: type[Shape], line: Line, method: str, target: str) -> Shape:
    return _shaped(shape, _asked(line, method, target).body())


def _asked(line: Line, method: str, target: str) -> Answer:
    """An answer that is one. Raises the daemon's own sentence where it is an error."""
    answer = ask(line, method, target)
    if answer.status == 200:
        return answer
    error = _shaped(ErrorDocument, answer.body())
    if answer.status == 403:
        raise NotAllowed(error.message)
    declined = Declined(f"srcroutd says: {error.message}")
    if error.exit_code in set(Exit):
        declined.exit_code = Exit(error.exit_code)
    raise declined


def _shaped(shape: type[Shape], text: bytes) -> Shape:
    found = parse(text)
    version = found.get("version")
    if version != VERSION:
        raise OtherVersion(repr(version)[:20])
    return read(shape, found)
