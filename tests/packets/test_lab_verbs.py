"""``srcroutctl lab`` as a person meets it: the story, the verbs to play with, the picture."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srcroutd.lab.picture import picture
from srcroutd.lab.topology import ETH2, eni

ByHand = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [1, 3, 4, 9])
def test_the_picture_fits_a_terminal(number: int) -> None:
    lines = picture([(f"eth{one}", eni(one, host=250)) for one in range(number)])
    boxes = lines[2:]
    assert len({len(line) for line in boxes if line.startswith(("│", "┌", "└"))}) == 1
    assert max(map(len, lines)) <= 78


def test_a_person_can_start_a_lab_and_play_with_it(by_hand: ByHand) -> None:
    assert "until srcroutctl lab down" in by_hand("up").stdout
    assert "eth2" in by_hand("attach").stdout
    ping = by_hand("shell", "client", "--", "ping", "-c3", "-W2", str(ETH2.v4[0]))
    assert " 0% packet loss" in ping.stdout
    state = json.loads(by_hand("status", "--json").stdout)
    assert list(state["attached"]) == ["eth0", "eth1", "eth2"]
    assert state["srcroutd"]
    assert str(ETH2.v4[0]) in by_hand("shell", "instance", "--", "ip", "rule").stdout
    by_hand("detach", "eth2")
    assert "eth2" not in by_hand("shell", "instance", "--", "ip", "link").stdout
    assert "gone" in by_hand("down").stdout
    assert "no lab" in by_hand("down").stdout


@pytest.mark.slow
def test_every_step_of_the_story_holds(by_hand: ByHand) -> None:
    done = by_hand("run", "--json", "--ascii")
    told = json.loads(done.stdout)
    assert [step["title"] for step in told["steps"] if not step["ok"]] == []
    assert len(told["steps"]) == 10
    assert done.stderr.isascii()
    assert [line for line in done.stderr.splitlines() if len(line) > 80] == []


@pytest.fixture
def by_hand(base: Path) -> Iterator[ByHand]:
    """``srcroutctl lab WORDS`` as a person types it."""

    def lab(*words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "srcroutd.cli.srcroutctl", "lab", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"SRCROUTD_LAB_DIR": str(base)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    yield lab
    lab("down")
