"""Who may ask what: the kernel's word on the other end, tried as real users in processes of their
own.
"""

import grp
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from srcroutd.control.limits import Caller, Limits, has_room
from srcroutd.control.peers import Peer, Rights, rights
from tests.control.scene import Desk, a_scene
from tests.control.world import a_view

STRANGER, OTHER_GROUP = 54_321, 54_322

_AS_SOMEBODY = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[4])
# Before it becomes somebody who may not read root's Python.
from srcroutd.control.client import Client
from srcroutd.core.errors import OperatorError
uid, gid, groups = json.loads(sys.argv[2])
os.setgroups(groups)
os.setgid(gid)
os.setuid(uid)
client = Client(sys.argv[1])
said = {}
for verb, ask in json.loads(sys.argv[3]):
    try:
        {"view": client.view, "reconcile": client.reconcile, "metrics": client.metrics,
         "watch": lambda: next(client.watch()),
         "cleanup": lambda: client.cleanup(dry_run=ask)}[verb]()
        said[verb] = [0, ""]
    except OperatorError as error:
        said[verb] = [int(error.exit_code), str(error)]
print(json.dumps(said))
"""


@dataclass(frozen=True)
class Somebody:
    """A user with a primary group and others."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def asks(self, path: Path, *verbs: str) -> dict[str, tuple[int, str]]:
        """Exit code and sentence of each verb."""
        who = json.dumps([self.uid, self.gid, self.groups])
        what = json.dumps([[verb, True] for verb in verbs])
        command = [sys.executable, "-c", _AS_SOMEBODY, str(path), who, what, json.dumps(sys.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        said = json.loads(done.stdout)
        return {verb: (code, words) for verb, (code, words) in said.items()}


def _may_become_anybody() -> bool:
    """Whether this process can be another user: root can, the root of a user namespace cannot."""
    probe = f"import os; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)
    return done.returncode == 0


as_others = pytest.mark.skipif(
    not _may_become_anybody(), reason="needs root: it becomes other users"
)


@pytest.fixture
def group() -> str:
    """A group of this host that is not root's."""
    return next(found.gr_name for found in grp.getgrall() if found.gr_gid)


@pytest.fixture
def open_folder(folder: Path) -> Path:
    """Everybody may pass through it, as through /run/srcroutd."""
    folder.chmod(0o755)
    return folder


@as_others
def test_a_member_of_the_group_may_read_and_may_not_write(open_folder: Path, group: str) -> None:
    gid = grp.getgrnam(group).gr_gid
    with a_scene(open_folder, Desk(a_view(drift=True)), group=group) as scene:
        for member in (
            Somebody(STRANGER, gid),
            Somebody(STRANGER, OTHER_GROUP, (7, gid)),
        ):
            said = member.asks(scene.path, "view", "metrics", "reconcile", "cleanup")
            assert (said["view"][0], said["metrics"][0]) == (0, 0)
            assert said["reconcile"] == (77, "only root may reconcile; next: sudo")
            assert said["cleanup"] == (77, "only root may cleanup; next: sudo")
        assert (scene.desk.reconciled, scene.desk.cleanups) == (0, [])


@as_others
def test_root_may_do_everything(open_folder: Path, group: str) -> None:
    with a_scene(open_folder, group=group) as scene:
        said = Somebody(0, OTHER_GROUP).asks(scene.path, "view", "reconcile", "cleanup")
        assert {code for code, _ in said.values()} == {0}
        assert (scene.desk.reconciled, scene.desk.cleanups) == (1, [True])


@as_others
def test_a_stranger_does_not_even_get_in(open_folder: Path, group: str) -> None:
    with a_scene(open_folder, group=group) as scene:
        code, words = Somebody(STRANGER, OTHER_GROUP).asks(scene.path, "view")["view"]
    assert code == 77
    assert words.startswith(f"{scene.path} is only for root and the group srcroutd; next: sudo")


@as_others
def test_a_stranger_who_got_in_is_asked_who_he_is(open_folder: Path, group: str) -> None:
    with a_scene(open_folder, group=group) as scene:
        scene.path.chmod(0o666)
        stranger = Somebody(STRANGER, OTHER_GROUP, (OTHER_GROUP + 1,))
        said = stranger.asks(scene.path, "view", "metrics", "watch", "reconcile", "cleanup")
        assert {code for code, _ in said.values()} == {77}
        assert "only root and the members of the group srcroutd may ask" in said["view"][1]
        assert (scene.desk.reconciled, scene.desk.cleanups) == (0, [])


@as_others
def test_without_the_group_it_is_roots_alone(open_folder: Path) -> None:
    with a_scene(open_folder, group="nobody-has-this-group") as scene:
        scene.path.chmod(0o666)
        assert Somebody(STRANGER, OTHER_GROUP).asks(scene.path, "view")["view"][0] == 77


def test_the_group_is_looked_up_where_no_network_is_needed(folder: Path) -> None:
    file = folder / "group"
    file.write_text("root:x:0:\nsrcroutd-old:x:7:\nbad\nsrcroutd:x:996:alice\nodd:x\nodder:x:y:\n")
    assert rights("srcroutd", file) == Rights(os.geteuid(), 996)
    for group in ("bad", "odd", "odder", "srcroute", "nobody-has-this-group"):
        assert rights(group, file) == Rights(os.geteuid(), None)
    assert rights("srcroutd", folder / "missing") == Rights(os.geteuid(), None)


def test_the_daemons_own_user_reads_and_only_root_writes() -> None:
    allowed = Rights(own_uid=54_000, gid=None)
    own = Peer(1, 54_000, frozenset({54_000}))
    assert allowed.may_read(own)
    assert not allowed.may_write(own)
    assert allowed.may_write(Peer(1, 0, frozenset()))


def test_places_are_kept_for_root() -> None:
    limits = Limits(connections=6, for_root=2, each=3)
    root, one, other = (Caller(Peer(1, uid, frozenset())) for uid in (0, 1, 2))
    here: list[Caller] = []
    for _ in range(10):
        for caller in (one, other):
            if has_room(limits, here, caller):
                here.append(caller)
    assert [here.count(one), here.count(other)] == [2, 2]
    assert has_room(limits, here, root)
    assert has_room(limits, [*here, root], root)
    assert not has_room(limits, [*here, root, root], root)


def test_one_user_gets_no_more_than_his_share() -> None:
    limits = Limits(connections=32, for_root=8, each=3)
    one = Caller(Peer(1, 1000, frozenset()))
    assert not has_room(limits, [one] * 3, one)
    assert has_room(limits, [one] * 3, Caller(Peer(1, 1001, frozenset())))
    assert not has_room(limits, [Caller(None, "192.0.2.1")] * 3, Caller(None, "192.0.2.1"))
