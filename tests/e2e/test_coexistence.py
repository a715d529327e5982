"""Whatever the host's network services do, every day or at a restart: our routing is whole again
within a second or so, nothing of theirs is touched, and they have nothing to complain of.

The table in docs/coexistence.md is made from the same measurements, which each run leaves below
build/.
"""

import tempfile
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.coexistence_story import NEIGHBOURS, Story, live
from tests.e2e.conftest import Layers
from tests.e2e.machine import Machine
from tests.e2e.neighbour_docker import DOCKER
from tests.e2e.neighbours import NETWORKD, NETWORKD_BARE, NICS, Neighbour
from tests.e2e.roots import Release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SOON_MS = 2000.0
"""Twice what is promised, for this may be a busy machine; the table says what it was."""
FIRST_MS = 5000.0
"""The first time it takes metadata, too."""
NETWORKD_IS_NOT_ALONE = "Could not drop routing policy rule: No such file or directory"
"""networkd 252 and 255 without the drop-in: the rule that it was about to delete, srcroutd had
deleted already, for the address had gone.
"""


def only(neighbour: Neighbour) -> pytest.MarkDecorator:
    """For a test that is about one neighbour."""
    return pytest.mark.parametrize("neighbour", [neighbour], indirect=True, ids=[neighbour.name])


@pytest.fixture(scope="module", params=NEIGHBOURS, ids=lambda one: one.name)
def neighbour(request: pytest.FixtureRequest) -> Neighbour:
    """Each neighbour in turn."""
    found: Neighbour = request.param
    return found


@pytest.fixture(scope="session")
def stories() -> dict[tuple[str, str], Story | str]:
    """What was measured in this session, or why it could not be, by release and neighbour."""
    return {}


@pytest.fixture
def story(
    stories: dict[tuple[str, str], Story | str],
    release: Release,
    neighbour: Neighbour,
    root: Path,
    enabled: Layers,
    scratch: Path,
) -> Story:
    """What has happened beside this neighbour on this release; measured once for all tests."""

    def make(layers: Layers) -> Cloud:
        machine = Machine(layers, Path(tempfile.mkdtemp(dir=scratch)))
        return Cloud.start(machine, NICS, base=scratch / "labs", configured=False)

    key = (release.suite, neighbour.name)
    if key not in stories:
        try:
            told = live(release.suite, neighbour, partial(make, enabled), partial(make, [root]))
            told.keep()
            stories[key] = told
        except AssertionError as error:
            stories[key] = str(error)
    found = stories[key]
    if isinstance(found, str):
        pytest.fail(f"{release.title}, {neighbour.title}: not measured: {found}", pytrace=False)
    return found


def test_eth1_is_routed_soon_after_the_neighbour_first_gave_it_addresses(story: Story) -> None:
    assert story.first_start_ms < FIRST_MS


def test_routing_is_whole_again_soon_after_every_event(story: Story) -> None:
    slow = {
        one.event: (one.with_us.healed, one.with_us.losses)
        for one in story.chapters
        if _late(one.with_us.losses.healed_ms) or _late(one.with_us.healed.plan_ms)
    }
    assert not slow


def test_all_that_was_ours_before_an_event_and_no_more_stands_after_it(story: Story) -> None:
    wrong = {
        one.event: (one.with_us.healed.missing, one.with_us.healed.surplus)
        for one in story.chapters
        if one.with_us.healed.missing or one.with_us.healed.surplus
    }
    assert not wrong


def test_requests_to_eth1_are_answered_by_eth1_soon_after_every_event(story: Story) -> None:
    wrong = {
        one.event: one.with_us.healed
        for one in story.chapters
        if _late(one.with_us.healed.answered_ms) or one.with_us.healed.astray
    }
    assert not wrong


def test_what_the_neighbour_has_made_is_what_it_makes_without_srcroutd(story: Story) -> None:
    for one in story.chapters:
        assert one.with_us.left.standing == one.alone.standing, one.event


def test_the_neighbours_own_tools_say_what_they_say_without_srcroutd(story: Story) -> None:
    for one in story.chapters:
        assert one.with_us.left.tools == one.alone.tools, one.event


def test_the_neighbour_complains_of_nothing_that_it_does_not_complain_of_alone(
    story: Story,
) -> None:
    # Of one run as a whole: some complaints of theirs come at one event or at another.
    known = {line for one in story.chapters for line in one.alone.complaints}
    if story.neighbour == NETWORKD_BARE.name:
        known.add(NETWORKD_IS_NOT_ALONE)
    heard = {line for one in story.chapters for line in one.with_us.left.complaints}
    assert heard <= known


def test_srcroutd_quarrels_with_nobody(story: Story) -> None:
    said = [line for one in story.chapters for line in one.with_us.said]
    assert not [line for line in said if "contested" in line]


@only(NETWORKD)
def test_with_our_drop_in_networkd_takes_no_rule_away(story: Story) -> None:
    assert sum(one.with_us.losses.rules for one in story.chapters) == 0


@only(DOCKER)
def test_containers_are_reached_and_reach_out_but_for_a_port_published_on_eth1(
    story: Story,
) -> None:
    for one in story.chapters:
        assert [line for line in one.with_us.left.tools if "reached" in line] == [
            "the port published on eth0: reached",
            # The reply bears the container's address when it is routed: no rule by source finds it.
            "the port published on eth1: not reached",
            "the container, from eth1's address: reached",
            "the client, from the container: reached",
        ], one.event


def _late(ms: float | None) -> bool:
    return ms is None or ms > SOON_MS
