"""The client against everything that may be at the other end of a path but a healthy daemon."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.control import wire
from srcroutd.control.client import (
    Client,
    Declined,
    NotReachable,
    NotUnderstood,
    OtherVersion,
    _document,
)
from srcroutd.control.decode import WrongShape
from srcroutd.control.documents import StatusDocument
from srcroutd.control.encode import encode
from srcroutd.control.translate import status_document
from srcroutd.core.errors import Exit, OperatorError
from tests.control.scene import a_scene
from tests.control.world import a_view

STATUS = "".join(encode(status_document(a_view()))).encode()


@contextmanager
def somebody(folder: Path, speak: Callable[[socket.socket], None]) -> Iterator[Client]:
    """A listener that is not srcroutd, and a client that asks it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "s"))
    listener.listen()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    speak(connection)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield Client(folder / "s", read_s=1.0)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join(10)
        (folder / "s").unlink()


def saying(answer: bytes) -> Callable[[socket.socket], None]:
    """Reads the request and answers this."""

    def speak(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    return speak


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + end


def test_where_no_daemon_runs_it_says_what_to_type(folder: Path) -> None:
    with pytest.raises(NotReachable) as raised:
        Client(folder / "control.sock").view()
    assert str(raised.value) == (
        f"srcroutd is not running (no socket at {folder}/control.sock); "
        "next: systemctl start srcroutd"
    )
    assert raised.value.exit_code == 69


def test_a_socket_that_nobody_listens_at_is_no_daemon(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "s"))
    with pytest.raises(NotReachable, match="nobody listens at"):
        Client(folder / "s").status()


def test_a_path_that_is_too_long_is_told_in_words(folder: Path) -> None:
    with pytest.raises(NotReachable, match="path too long; see --socket"):
        Client(folder / ("x" * 200)).status()


@pytest.mark.parametrize(
    "cut", [ok(STATUS), chunked(STATUS), chunked(*(STATUS[i : i + 7] for i in range(0, 2000, 7)))]
)
def test_an_answer_is_read_whole_or_in_chunks(folder: Path, cut: bytes) -> None:
    with somebody(folder, saying(cut)) as client:
        assert client.status().generation == 42


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the connection was closed before the answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "it answers b'SSH-2.0-OpenSSH_9.2'"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + STATUS, "b'-' is no number"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "it answers with a header b'no header'"),
        (b"x" * 20_000, "a line without an end"),
        (ok(STATUS)[:-5], "closed in the middle"),
        (chunked(STATUS, end=b""), "closed before the answer"),
        (chunked(STATUS, end=b"-1\r\n\r\n"), "b'-1' is no number"),
        (chunked(STATUS).replace(b"\r\n0\r\n", b"xx0\r\n"), "a chunk without an end"),
        (ok(b"<html>"), "not JSON"),
        (ok(STATUS.replace(b'"due":0', b'"due":null')), "due: should be a whole number"),
        (ok(b'{"version":1,"kind":"srcroutd.plan"}'), "should be 'srcroutd.status'"),
    ],
)
def test_nonsense_is_told_as_such(folder: Path, answer: bytes, said: str) -> None:
    with somebody(folder, saying(answer)) as client, pytest.raises(NotUnderstood) as raised:
        client.status()
    assert said in str(raised.value)
    assert str(raised.value).endswith("next: systemctl restart srcroutd")
    assert raised.value.exit_code == 69


@pytest.mark.parametrize("version", [b"2", b"null", b'"1"', b"true1"[:4]])
def test_another_version_is_told_as_such(folder: Path, version: bytes) -> None:
    answer = ok(STATUS.replace(b'"version":1', b'"version":' + version))
    with somebody(folder, saying(answer)) as client, pytest.raises(NotUnderstood) as raised:
        client.status()
    assert "speaks version" in str(raised.value) or "should be 1" in str(raised.value)


def test_an_error_bears_the_daemons_sentence_and_exit_code(folder: Path) -> None:
    body = b'{"version":1,"kind":"srcroutd.error","status":503,"message":"later","exit_code":75}'
    answer = ok(body).replace(b"200 OK", b"503 X")
    with somebody(folder, saying(answer)) as client, pytest.raises(Declined) as raised:
        client.reconcile()
    assert str(raised.value) == "srcroutd says: later"
    assert raised.value.exit_code == Exit.TEMPORARY


def hold(released: threading.Event) -> None:
    """Say nothing."""
    released.wait(20)


def test_one_who_never_answers_is_not_waited_for(folder: Path) -> None:
    released = threading.Event()
    with somebody(folder, lambda _: hold(released)) as client:
        began = time.monotonic()
        with pytest.raises(NotUnderstood, match="gives no answer within 1 s"):
            client.status()
        assert time.monotonic() - began < 5
        released.set()


def test_one_who_answers_a_byte_at_a_time_is_not_waited_for(folder: Path) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in ok(STATUS):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with somebody(folder, drip) as client:
        began = time.monotonic()
        with pytest.raises(NotUnderstood, match="gives no answer within 1 s"):
            client.status()
        assert time.monotonic() - began < 5


def test_an_answer_without_end_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BODY_BYTES", 1_000_000)

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    with (
        somebody(folder, flood) as client,
        pytest.raises(NotUnderstood, match="an answer of more than 1000000 bytes"),
    ):
        client.status()


def test_a_daemon_with_a_full_backlog_is_not_waited_for_for_ever(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(folder / "s"))
            with pytest.raises(NotUnderstood, match="takes no connection within 1 s"):
                Client(folder / "s", read_s=1.0).status()


def test_the_record_ends_with_a_daemon_that_was_killed(folder: Path) -> None:
    with somebody(folder, saying(chunked(end=b""))) as client:
        assert list(client.watch()) == []


@settings(max_examples=200)
@given(st.data())
def test_any_bytes_are_an_answer_or_a_sentence(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([ok(STATUS), chunked(STATUS[:100], STATUS[100:])]))
    place = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(max_size=5))
    answer = whole[:place] + put + whole[place + data.draw(st.integers(0, 3)) :]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        line = wire.Line(ours, time.monotonic() + 5)
        with suppress(wire.Nonsense, WrongShape, OtherVersion, OperatorError):
            _document(StatusDocument, line, "GET", "/v1/status")


def test_the_client_needs_neither_asyncio_nor_aiohttp_nor_pydantic(folder: Path) -> None:
    with a_scene(folder) as scene:
        program = (
            "import sys; from srcroutd.control.client import Client; "
            f"Client({str(scene.path)!r}).view(); "
            "print(sorted({'asyncio', 'aiohttp', 'pydantic', 'http', 'email', 'ssl', 'logging', "
            "'pyroute2'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert done.stdout == "[]\n"
