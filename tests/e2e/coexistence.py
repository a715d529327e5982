"""The table of docs/coexistence.md, from what the tests of coexistence have measured.

    python -m tests.e2e.coexistence            print it, from the last measurements
    python -m tests.e2e.coexistence --write    measure anew by the tests, and write it if they hold

Further words go to pytest: ``--write -k noble`` measures one release and takes the others' last
measurements.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.e2e.coexistence_measure import Together
from tests.e2e.coexistence_story import NEIGHBOURS, RESULTS, Chapter, Story, kept
from tests.e2e.neighbours import Neighbour
from tests.e2e.roots import PROJECT, RELEASES

PAGE = PROJECT / "docs" / "coexistence.md"
_LOOK_MS = 5
"""The kernel is looked at about so often: no shorter time is told."""
_INTRODUCTION = """\
# Beside the host's network services

Measured by `make coexistence`, which wrote this page: the package on real systemd with udevd, eth0
and eth1 of a lab cloud, addresses by DHCP and a static IPv6 address. Each event happened on one
machine with srcroutd and on one without.

A cell says what of ours the event took away, then how long routing was not whole: the longest time
in which eth1 had carrier and addresses and a rule or route of ours was missing. `away` is how long
the event itself left eth1 without carrier or address; nobody can route then. `nothing` means that
nothing of ours was touched. The kernel takes routes along with an address or a link without
announcing it, so what vanished was seen by looking every few milliseconds.
"""
_SAME = """\
After every event `srcroutctl plan` had nothing to do, eth1's addresses were answered by eth1, the
neighbour's own rules, routes and addresses were those that it leaves without srcroutd, its own
tools said the same, and its journal held no other warning, but for what is said below.
"""
_ASTRAY = """
Asked 50 times a second meanwhile, eth1's IPv4 address sent {replies} replies; {strays} of them left
by eth0, where the cloud drops them.
"""
_NOTES = {
    "networkd": """\
The drop-in is `/usr/lib/systemd/networkd.conf.d/50-srcroutd.conf`. With it no rule is ever taken
away; routes go along with the address that networkd drops and adds again.
""",
    "networkd-bare": """\
Without the drop-in, networkd 252 and 255 may log `Could not drop routing policy rule: No such file
or directory` at a reload or reconfigure: the rule that it meant to delete, srcroutd had deleted
already, because its address had gone.
""",
    "networkmanager": """\
NetworkManager never takes a rule; it takes a device's routes with the addresses.
""",
    "docker": """\
| | with srcroutd | without |
|---|---|---|
{reach}

A port published on eth1 is the known limit of mode `source`, and was unreachable before: the reply
bears the container's address when it is routed, so no rule by source finds it. Say
`mode = "connmark"` ([connectivity.md](connectivity.md)), publish on eth0, or use a proxy on the
host.
""",
}


def page(stories: Sequence[Story]) -> str:
    """The page for these stories; neighbours and releases in their order, whatever the stories'."""
    by_name = {(one.neighbour, one.release): one for one in stories}
    parts = [_INTRODUCTION, _SAME]
    for neighbour in NEIGHBOURS:
        told = [by_name[key] for suite in RELEASES if (key := (neighbour.name, suite)) in by_name]
        if told:
            parts.append("\n".join(_section(neighbour, told)))
    return "\n".join(parts)


def _section(neighbour: Neighbour, stories: Sequence[Story]) -> Iterator[str]:
    yield f"## {neighbour.title}\n"
    heads = [f"{RELEASES[one.release].title}: {one.version}" for one in stories]
    yield f"| event | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    firsts = [f"{one.first_start_ms:.0f} ms" for one in stories]
    yield f"| its first start: from addresses to routing, metadata read | {' | '.join(firsts)} |"
    for chapters in zip(*(one.chapters for one in stories), strict=True):
        cells = [_cell(one.with_us) for one in chapters]
        yield f"| {chapters[0].event} | {' | '.join(cells)} |"
    every = [one.with_us.losses for story in stories for one in story.chapters]
    strays, replies = sum(one.strays for one in every), sum(one.replies for one in every)
    yield _ASTRAY.format(strays=strays, replies=replies)
    if neighbour.name in _NOTES:
        yield _NOTES[neighbour.name].format(
            reach=_reach([one for s in stories for one in s.chapters])
        )


def _cell(one: Together) -> str:
    lost = one.losses
    what = [_count(lost.rules, "rule"), _count(lost.routes, "route")]
    words = ", ".join(word for word in what if word) or "nothing"
    if words != "nothing":
        words += f"; whole after {_ms(lost.healed_ms)}"
    return words + (f"; away {_ms(lost.without_ms)}" if lost.without_ms else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}" if number else ""


def _ms(ms: float) -> str:
    return f"{ms:.0f} ms" if ms >= _LOOK_MS else f"< {_LOOK_MS} ms"


def _reach(chapters: Sequence[Chapter]) -> str:
    """Who was reached in all chapters, with srcroutd and without."""
    rows: dict[str, tuple[set[str], set[str]]] = {}
    for chapter in chapters:
        for column, left in enumerate((chapter.with_us.left, chapter.alone)):
            for line in left.tools:
                who, _, word = line.partition(": ")
                if word.endswith("reached"):
                    rows.setdefault(who, (set(), set()))[column].add(word)
    return "\n".join(
        f"| {who} | {' | '.join(', '.join(sorted(words)) for words in both)} |"
        for who, both in rows.items()
    )


def main(words: Sequence[str]) -> int:
    """Print the page, or measure and write it; the tests' exit status."""
    if "--write" not in words:
        sys.stdout.write(page(kept()))
        return 0
    others = [word for word in words if word != "--write"]
    if not others:
        shutil.rmtree(RESULTS, ignore_errors=True)
    tests = str(PROJECT / "tests" / "e2e" / "test_coexistence.py")
    command = [sys.executable, "-m", "pytest", tests, *others]
    done = subprocess.run(command, cwd=PROJECT, check=False)
    if done.returncode:
        # The page says that what the tests assert is so.
        sys.stderr.write(f"{PAGE} stays as it is: not all of its tests held\n")
    else:
        PAGE.write_text(page(kept()))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
