"""Making the socket: nobody comes in too early, nothing of others is taken away."""

import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from srcroutd.control.client import Client, NotReachable
from srcroutd.control.doors import CannotListen, control_door, metrics_door
from srcroutd.control.peers import Rights
from srcroutd.core.errors import AlreadyRunning
from tests.control.scene import a_scene

NO_GROUP = Rights(os.geteuid(), None)
OWN_GROUP = Rights(os.geteuid(), os.getegid())


def modes_seen(path: Path, rights: Rights) -> set[int]:
    """Every mode that somebody sees who looks at the file while it is made, again and again."""
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.add(stat.S_IMODE(path.lstat().st_mode))
            except FileNotFoundError:
                continue

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(100):
        door = control_door(path, rights)
        time.sleep(0.0005)
        seen.add(stat.S_IMODE(path.lstat().st_mode))
        door.close()
    stop.set()
    looking.join()
    return seen


def test_without_the_group_only_root_ever_sees_an_open_socket(folder: Path) -> None:
    before = os.umask(0)
    try:
        assert modes_seen(folder / "s", NO_GROUP) == {0o600}
    finally:
        os.umask(before)


def test_with_the_group_it_is_closed_until_it_is_the_groups(folder: Path) -> None:
    before = os.umask(0)
    try:
        seen = modes_seen(folder / "s", OWN_GROUP)
    finally:
        os.umask(before)
    assert 0o660 in seen
    assert seen <= {0o600, 0o660}


def test_a_dead_daemons_socket_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "control.sock"))
    with a_scene(folder) as scene:
        assert scene.client().status().generation == 42


def test_a_living_daemons_socket_is_left_alone(folder: Path) -> None:
    with a_scene(folder) as scene:
        with pytest.raises(AlreadyRunning, match="another srcroutd answers at"):
            control_door(scene.path, NO_GROUP)
        assert scene.client().status().generation == 42


def test_a_daemon_that_is_too_busy_to_answer_lives_too(folder: Path) -> None:
    door = control_door(folder / "s", NO_GROUP)
    waiting = []
    while True:
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        waiting.append(caller)
        try:
            caller.connect(str(folder / "s"))
        except BlockingIOError:
            break
    with pytest.raises(AlreadyRunning):
        control_door(folder / "s", NO_GROUP)
    for caller in waiting:
        caller.close()
    door.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(folder: Path, kind: str) -> None:
    path = folder / "control.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(folder / "elsewhere")
        (folder / "elsewhere").write_text("precious")
    with pytest.raises(CannotListen, match=r"is no socket, so it is not ours: remove it by hand"):
        control_door(path, NO_GROUP)
    assert os.path.lexists(path)


def test_the_end_takes_the_socket_away(folder: Path) -> None:
    with a_scene(folder) as scene:
        path = scene.path
    assert not path.exists()
    with pytest.raises(NotReachable):
        Client(path).view()


def test_the_end_leaves_what_another_has_put_in_its_place(folder: Path) -> None:
    door = control_door(folder / "s", NO_GROUP)
    (folder / "s").unlink()
    (folder / "s").write_text("precious")
    door.close()
    assert (folder / "s").read_text() == "precious"


def test_a_path_that_cannot_be_is_told_in_words(folder: Path) -> None:
    for path in (folder / ("x" * 120), folder / "missing" / "s"):
        with pytest.raises(CannotListen, match="cannot listen: "):
            control_door(path, NO_GROUP)


def test_an_address_for_metrics_that_cannot_be_is_told_in_words() -> None:
    door = metrics_door("127.0.0.1", 0)
    port = door.listener.getsockname()[1]
    for host, said in (
        ("127.0.0.1", f"cannot listen on 127.0.0.1:{port}: Address already in use"),
        ("localhost", "'localhost' is no address"),
        ("192.0.2.1", "cannot listen on 192.0.2.1"),
    ):
        with pytest.raises(CannotListen, match=said):
            metrics_door(host, port)
    door.close()
