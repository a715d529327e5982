"""The control socket as its clients see it: every page, every no, and the record as it happens."""

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from srcroutd.control.documents import (
    CleanupDocument,
    EntryDocument,
    ErrorDocument,
    IndexDocument,
    PlanDocument,
    StatusDocument,
    ViewDocument,
)
from srcroutd.control.limits import Limits
from srcroutd.control.mailbox import TOO_SLOW
from srcroutd.control.pages import CONTROL
from srcroutd.control.server import control_server
from srcroutd.core.entries import applied, once_done, ready
from srcroutd.core.entry import Kind, Who
from srcroutd.core.errors import Exit, OperatorError
from tests.control.scene import Desk, Scene, a_scene, body, read_all, until
from tests.control.world import a_view


@pytest.fixture
def scene(folder: Path) -> Iterator[Scene]:
    """A server of a view with drift."""
    with a_scene(folder, Desk(a_view(drift=True)), metrics=True) as running:
        yield running


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def sentence(answer: bytes) -> str:
    """The words of an error, which is of the documented type."""
    error = strictly(ErrorDocument, body(answer))
    assert error.status == status_of(answer)
    message: str = error.message
    return message


def strictly(shape: type, text: bytes) -> Any:
    """What was read, if it is of this very type."""
    return TypeAdapter(shape).validate_json(text, strict=True, extra="forbid")


@pytest.mark.parametrize("pages", [(2, 2), (2, 500)])
def test_each_page_answers_with_a_document_of_its_very_type(
    folder: Path, pages: tuple[int, int]
) -> None:
    with a_scene(folder, Desk(a_view(*pages, drift=True))) as scene:
        for target, method, shape in (
            ("/", "GET", IndexDocument),
            ("/v1/schemas", "GET", IndexDocument),
            ("/v1/status", "GET", StatusDocument),
            ("/v1/plan", "GET", PlanDocument),
            ("/v1/view", "GET", ViewDocument),
            ("/v1/view?brief=1", "GET", ViewDocument),
            ("/v1/reconcile", "POST", ViewDocument),
            ("/v1/cleanup?dry_run=1", "POST", CleanupDocument),
        ):
            answer = scene.get(target, method)
            assert status_of(answer) == 200, target
            assert b"Content-Type: application/json\r\n" in answer
            assert body(answer).endswith(b"}\n")
            strictly(shape, body(answer))


def test_the_client_gets_the_view_that_the_daemon_has(scene: Scene) -> None:
    view = scene.desk.now
    got = scene.client().view()
    assert got.nics == view.nics
    assert [str(one) for one in got.operations] == [str(one) for one in view.operations]
    assert scene.client().view(brief=True).nics == view.brief().nics
    assert scene.client().status().due == len(view.operations)
    assert scene.client().plan().add == len(view.operations)


def test_a_writer_has_it_done_and_a_dry_run_is_told_as_one(scene: Scene) -> None:
    assert scene.client().reconcile().generation == 42
    assert scene.desk.reconciled == 1
    done = scene.client().cleanup(dry_run=True)
    assert done.refused[0].words == "Operation not permitted"
    assert len(done.operations) == len(scene.desk.now.operations)
    scene.client().cleanup(dry_run=False)
    assert scene.desk.cleanups == [True, False]


def test_the_index_names_every_page_and_every_schema(scene: Scene) -> None:
    index = json.loads(body(scene.get("/")))
    assert set(index["paths"]) == {f"{page.method} {path}" for path, page in CONTROL.items()}
    for name in index["schemas"]:
        schema = json.loads(body(scene.get(f"/v1/schemas/{name}")))
        assert schema["properties"]["kind"]["const"] == f"srcroutd.{name}"


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("/v1/statsu", 404, "do you mean /v1/status?"),
        ("/v1/status/", 404, "do you mean /v1/status?"),
        ("/v2/status", 404, "this srcroutd speaks version 1: /v1/status"),
        ("/v1/schemas/viwe", 404, "no schema 'viwe' (do you mean view?)"),
        ("/v1/schemas/../../pages", 404, "no schema '../../pages'"),
        ("/v1/schemas/..%2f..%2fpages.py", 404, "no schema"),
        ("/v1/schemas/%00", 404, "no schema"),
        ("/../../etc/passwd", 404, "is not known"),
        ("//etc/passwd", 404, "is not known"),
        ("/v1/reconcile", 405, "/v1/reconcile is asked by POST, not by 'GET'"),
        ("/v1/view?breif=1", 400, "no option 'breif' (do you mean brief?)"),
        ("/v1/view?brief=yes", 400, "brief is 1 or 0, not 'yes'"),
        ("/v1/view?brief=1&brief=0", 400, "only one option 'brief'"),
        ("/v1/status?brief=1", 400, "known: none"),
        ("/metrics", 404, "do you mean /v1/metrics?"),
    ],
)
def test_what_is_not_known_is_answered_with_the_nearest_that_is(
    scene: Scene, target: str, status: int, said: str
) -> None:
    answer = scene.get(target)
    assert status_of(answer) == status
    assert said in sentence(answer)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"])
def test_nothing_but_post_has_anything_done(scene: Scene, method: str) -> None:
    scene.get("/v1/cleanup", method)
    scene.get("/v1/reconcile", method)
    assert (scene.desk.cleanups, scene.desk.reconciled) == ([], 0)


@pytest.mark.parametrize(
    "target",
    ["/v1/cleanup?dryrun=1", "/v1/cleanup?dry_run=true1", "/v1/cleanup?dry_run=1&dry_run=0"],
)
def test_a_misspelt_dry_run_removes_nothing(scene: Scene, target: str) -> None:
    assert status_of(scene.get(target, "POST")) == 400
    assert scene.desk.cleanups == []


def test_a_body_is_refused_for_it_might_have_said_dry_run(scene: Scene) -> None:
    answer = scene.raw(
        b"POST /v1/cleanup HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n" + b'{"dry_run":true}'
    )
    assert status_of(answer) == 413
    assert "takes no body" in sentence(answer)
    assert scene.desk.cleanups == []


@pytest.mark.parametrize(
    "header", ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"]
)
def test_a_web_page_is_turned_away_even_where_its_user_is_root(scene: Scene, header: str) -> None:
    for target, method in (("/v1/cleanup", "POST"), ("/v1/status", "GET")):
        assert status_of(scene.get(target, method, f"{header}\r\n")) == 403
    assert scene.desk.cleanups == []


def test_the_host_header_does_not_matter(scene: Scene) -> None:
    assert status_of(scene.get("http://example.com/v1/status")) == 200
    assert status_of(scene.raw(b"GET /v1/status HTTP/1.0\r\n\r\n")) == 200


def test_one_connection_is_one_request(scene: Scene) -> None:
    request = b"GET /v1/metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    assert scene.raw(request * 40).count(b"HTTP/1.1 200") == 1


def test_a_bug_behind_a_page_is_a_sentence_and_an_entry_and_the_server_goes_on(
    scene: Scene,
) -> None:
    scene.desk.broken = RuntimeError("the picture is upside down")
    answer = scene.get("/v1/status")
    assert status_of(answer) == 500
    assert sentence(answer) == "this is a bug in srcroutd; next: journalctl -u srcroutd"
    assert [entry.kind for entry in scene.desk.record] == [Kind.BUG]
    assert "GET '/v1/status': the picture is upside down" in scene.desk.record[0].message
    scene.desk.broken = None
    assert scene.client().status().generation == 42


def test_an_operators_error_behind_a_page_is_his_sentence_and_exit_code(scene: Scene) -> None:
    class Torn(OperatorError):
        exit_code = Exit.TEMPORARY

    scene.desk.broken = Torn("the kernel never holds still; next: try again")
    with pytest.raises(OperatorError, match="the kernel never holds still") as raised:
        scene.client().view()
    assert raised.value.exit_code == Exit.TEMPORARY
    assert scene.desk.record == []


def test_the_record_is_told_as_it_happens(scene: Scene) -> None:
    heard: list[EntryDocument] = []
    watcher = threading.Thread(target=lambda: heard.extend(scene.client().watch()))
    watcher.start()
    assert until(lambda: len(scene.desk.subscribers) == 2)
    operation = scene.desk.now.operations[0]
    scene.in_loop(lambda: scene.desk.say(ready(3.0, "in sync")))
    scene.in_loop(lambda: scene.desk.say(applied(operation, Who("eth1", "eni-1"), 43)))
    scene.stop()
    watcher.join(10)
    assert not watcher.is_alive(), "the end of the daemon ends the watching"
    assert [entry.event for entry in heard] == ["ready", "route-added"]
    assert heard[1].fields["generation"] == "43"
    assert heard[1].fields["interface"] == "eth1"
    assert len(scene.desk.subscribers) == 1


def test_each_line_of_the_record_is_a_document(scene: Scene) -> None:
    with scene.connect() as connection:
        connection.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(lambda: len(scene.desk.subscribers) == 2)
        scene.in_loop(lambda: scene.desk.say(once_done("a\nb")))
        scene.in_loop(lambda: scene.desk.say(once_done("c")))
        scene.stop()
        answer = read_all(connection)
    assert b"Content-Type: application/x-ndjson" in answer
    lines = body(answer).splitlines()
    assert [strictly(EntryDocument, line).message for line in lines] == ["a | b", "c"]


def test_a_watcher_who_leaves_is_forgotten(scene: Scene) -> None:
    with scene.connect() as connection:
        connection.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(lambda: len(scene.desk.subscribers) == 2)
    assert until(lambda: len(scene.desk.subscribers) == 1)


def test_a_slow_watcher_is_told_what_he_missed(folder: Path) -> None:
    count = 20_000
    with a_scene(folder, limits=Limits(mail=50)) as scene, scene.connect() as connection:
        connection.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(lambda: len(scene.desk.subscribers) == 2)

        def say() -> None:
            for number in range(count // 10):
                scene.desk.say(once_done(str(number)))

        for _ in range(10):
            scene.in_loop(say)
        lines: list[dict[str, Any]] = []
        told, reader = 0, connection.makefile("rb")
        while told < count:
            line = reader.readline()
            if line.startswith(b"{"):
                lines.append(json.loads(line))
                missed = lines[-1]["fields"].get("missed")
                told += int(missed) if missed else 1
        reader.close()
    assert told == count
    gaps = [line for line in lines if line["event"] == "not-delivered"]
    assert gaps
    assert TOO_SLOW in gaps[0]["message"]
    assert len(lines) < count / 2


def test_one_user_watches_only_so_often(folder: Path) -> None:
    with a_scene(folder, limits=Limits(watchers=2)) as scene:
        watching = [scene.connect() for _ in range(3)]
        for number, connection in enumerate(watching):
            connection.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
            if number < 2:
                assert until(lambda number=number: len(scene.desk.subscribers) == number + 2)  # type: ignore[misc]
        answer = read_all(watching[2])
        assert status_of(answer) == 503
        assert "watch already" in sentence(answer)
        for connection in watching:
            connection.close()


def test_the_metrics_have_an_address_of_their_own_where_nothing_else_is(scene: Scene) -> None:
    assert scene.metrics_server is not None
    address = scene.metrics_server.address
    assert isinstance(address, tuple)

    def ask(target: str, method: str = "GET", header: str = "") -> bytes:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
            return read_all(connection)

    answer = ask("/metrics")
    assert status_of(answer) == 200
    assert b"Content-Type: application/openmetrics-text; version=1.0.0" in answer
    assert body(answer).endswith(b"# EOF\n")
    assert body(answer).decode() == scene.client().metrics()
    for target in ("/", "/v1/status", "/v1/view", "/v1/watch", "/v1/metrics", "/v1/schemas/view"):
        assert status_of(ask(target)) == 404
    for target in ("/v1/cleanup", "/v1/reconcile", "/metrics"):
        assert status_of(ask(target, "POST")) in {404, 405}
    assert status_of(ask("/metrics", header="Origin: http://evil.example\r\n")) == 403
    assert (scene.desk.cleanups, scene.desk.reconciled) == ([], 0)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_understands_every_answer(scene: Scene) -> None:
    for target in ("/v1/status", "/v1/view", "/v1/metrics", "/nonsense"):
        asked = ["curl", "-sS", "--unix-socket", str(scene.path), f"http://localhost{target}"]
        done = subprocess.run(asked, capture_output=True, check=True, timeout=20)
        assert done.stdout
        assert done.stderr == b""


def test_somebody_who_comes_as_the_door_is_closed_is_turned_away_without_a_word(
    folder: Path,
) -> None:
    complaints: list[dict[str, Any]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: complaints.append(context)
        )
        for number in range(20):
            path = folder / f"{number}.sock"
            serving = asyncio.create_task(control_server(path, Desk(a_view())).run())
            await asyncio.sleep(0.01)
            with socket.socket(socket.AF_UNIX) as visitor:
                visitor.connect(str(path))
                # In this turn the loop sees him come, and in the same turn the door is closed.
                await asyncio.sleep(0)
                serving.cancel()
                await asyncio.wait([serving])

    asyncio.run(story())
    assert complaints == []
