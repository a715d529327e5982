"""The socket under attack: the loop goes on, root is served, and nothing is left behind."""

import grp
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from srcroutd.control.client import Declined, NotUnderstood
from srcroutd.control.encode import encode
from srcroutd.control.limits import Limits
from srcroutd.control.translate import view_document
from srcroutd.core.entry import Kind
from srcroutd.core.errors import Exit
from tests.control.scene import Desk, Scene, a_scene, body, descriptors, read_all, until
from tests.control.test_who import STRANGER, _may_become_anybody
from tests.control.world import a_view

ROOT = Path(__file__).parents[2]
QUICK = Limits(head_s=1.0, answer_s=4.0, stall_s=1.0, last_s=1.0)
REQUESTS = 1000
MEDIAN_S, WORST_S = 0.02, 0.5


def served(scene: Scene, *, patiently: bool) -> int:
    """Ask as somebody who means well; how often he was told to try again."""
    told = 0
    while True:
        try:
            view = scene.client().view()
        except Declined as declined:
            if not patiently or declined.exit_code != Exit.TEMPORARY:
                raise
            told += 1
            time.sleep(0.05)
        else:
            assert view == scene.desk.now
            return told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_hostile_requests_change_nothing_for_anybody_else(folder: Path) -> None:
    as_another = _may_become_anybody()
    uid = STRANGER if as_another else os.getuid()
    group = next(one for one in grp.getgrall() if one.gr_gid) if as_another else None
    folder.chmod(0o755)
    desk = Desk(a_view(2, 250))
    with a_scene(folder, desk, limits=QUICK, group=group.gr_name if group else "-") as scene:
        served(scene, patiently=True)
        before = (descriptors(), scene.tasks(), len(desk.subscribers))
        scene.held_s.clear()
        gid = group.gr_gid if group else os.getgid()
        command = [sys.executable, "-m", "tests.control.attackers", str(scene.path)]
        command += map(str, (uid, gid, REQUESTS, 83))
        calls = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as attackers:
            while attackers.poll() is None:
                scene.in_loop(desk.chatter)
                served(scene, patiently=not as_another)
                calls += 1
                time.sleep(0.05)
            told: dict[str, int] = json.loads(attackers.stdout.read()) if attackers.stdout else {}
        held = sorted(scene.held_s)
        assert attackers.returncode == 0
        assert sum(told.values()) == REQUESTS
        assert {what for what in told if what.endswith(": open")} == set(), told
        assert calls > 5
        assert statistics.median(held) < MEDIAN_S
        assert held[-1] < WORST_S
        assert [entry for entry in desk.record if entry.kind is Kind.BUG] == []
        assert until(lambda: (descriptors(), scene.tasks(), len(desk.subscribers)) == before)
        served(scene, patiently=False)
        assert (desk.reconciled, desk.cleanups) == (0, [])


def test_a_head_that_never_ends_is_cut_off(folder: Path) -> None:
    with a_scene(folder, limits=replace(QUICK, head_s=0.3)) as scene, scene.connect() as connection:
        connection.sendall(b"GET /v1/status HTTP/1.1\r\n")
        began = time.monotonic()
        assert read_all(connection) == b""
        assert time.monotonic() - began < 5


def test_a_large_answer_that_nobody_reads_is_cut_off_and_not_kept(folder: Path) -> None:
    limits = replace(QUICK, answer_s=0.5)
    with a_scene(folder, Desk(a_view(2, 530)), limits=limits) as scene:
        served(scene, patiently=True)
        before = descriptors()
        with scene.connect() as connection:
            connection.sendall(b"GET /v1/view HTTP/1.1\r\nHost: x\r\n\r\n")
            assert until(lambda: descriptors() == before + 2)
            assert until(lambda: descriptors() == before + 1), "the server's end is closed"
            answer = read_all(connection)
        assert b"\r\n0\r\n\r\n" not in answer, "it does not look whole"


def test_nobody_gets_more_connections_than_his_share(folder: Path) -> None:
    limits = replace(QUICK, head_s=5.0, connections=4, for_root=0, each=4)
    with a_scene(folder, limits=limits) as scene:
        served(scene, patiently=True)
        idle = [scene.connect() for _ in range(4)]
        assert until(lambda: scene.get("/v1/status").startswith(b"HTTP/1.1 503"))
        message = json.loads(body(scene.get("/v1/status")))["message"]
        assert message == "too many connections at once; next: try again in a moment"
        with pytest.raises(Declined, match="too many connections at once") as raised:
            scene.client().status()
        assert raised.value.exit_code == Exit.TEMPORARY
        for connection in idle:
            connection.close()
        assert until(lambda: scene.get("/v1/status").startswith(b"HTTP/1.1 200"))


def test_a_bug_in_the_middle_of_a_large_answer_does_not_make_it_look_whole(folder: Path) -> None:
    view = a_view(1, 1500)
    nic = view.nics[1]
    spoilt: Any = (*nic.desired.rules, "no rule at all")
    broken = replace(nic, desired=replace(nic.desired, rules=spoilt))
    desk = Desk(replace(view, nics=(view.nics[0], broken)))
    with a_scene(folder, desk) as scene:
        with pytest.raises(NotUnderstood, match="the connection was closed"):
            scene.client().view()
        assert scene.client().status().generation == 42
        assert [entry.kind for entry in desk.record] == [Kind.BUG]


def test_a_large_view_is_encoded_in_slices_however_many_want_it(folder: Path) -> None:
    view = a_view(2, 1700)
    began = time.perf_counter()
    assert sum(1 for _ in encode(view_document(view))) > 10_000
    in_one_go_s = time.perf_counter() - began
    with a_scene(folder, Desk(view)) as scene:
        scene.client().status()
        asking = (
            "import sys; from srcroutd.control.client import Client\n"
            f"for _ in range(2): Client({str(scene.path)!r}, read_s=60).view()"
        )
        scene.held_s.clear()
        clients = [subprocess.Popen([sys.executable, "-c", asking], cwd=ROOT) for _ in range(3)]
        assert [client.wait(100) for client in clients] == [0] * 3
        held = sorted(scene.held_s)
    assert statistics.median(held) < MEDIAN_S
    # Six views were asked for; a machine that is busy elsewhere may hold the loop now and then.
    assert sum(held_s > in_one_go_s / 2 for held_s in held) < 6


def test_the_first_client_does_not_hold_the_loop_while_aiohttp_is_imported(folder: Path) -> None:
    program = """
import asyncio, sys, time
from pathlib import Path
from tests.control.scene import Desk
from tests.control.world import a_view
from srcroutd.control.server import control_server

async def main():
    server = control_server(Path(sys.argv[1]), Desk(a_view()))
    assert "aiohttp" not in sys.modules
    serving = asyncio.create_task(server.run())
    await asyncio.sleep(0)
    reader, writer = await asyncio.open_unix_connection(sys.argv[1])
    writer.write(b"GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    answer = asyncio.create_task(reader.read())
    held = []
    while not answer.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        held.append(time.perf_counter() - began)
    assert "aiohttp" in sys.modules
    assert answer.result().startswith(b"HTTP/1.1 200")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    print(sum(held), max(held))

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder / "s")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    took_s, worst_s = map(float, done.stdout.split())
    assert worst_s < took_s / 2, "the import was done in one go"


@pytest.mark.timeout(60)
def test_the_end_comes_within_a_second_whatever_the_clients_do(folder: Path) -> None:
    desk = Desk(a_view(2, 530))
    desk.round_s = 1000.0
    with a_scene(folder, desk) as scene:
        served(scene, patiently=True)
        requests = (
            b"",
            b"GET /v1/vi",
            b"GET /v1/view HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /v1/reconcile HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /v1/cleanup HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        )
        connections: list[socket.socket] = []
        for request in requests:
            connections.append(scene.connect())
            connections[-1].sendall(request)
        assert until(lambda: len(desk.subscribers) == 3)
        filling = threading.Event()
        scene.in_loop(desk.chatter)
        filling.wait(0.3)
        before = descriptors()
        scene.stop()
        assert scene.ended_after_s < 2.5
        assert descriptors() <= before - len(requests)
        for connection in connections:
            connection.close()
        assert len(desk.subscribers) == 1
