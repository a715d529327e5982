"""Tells what srcroutd is for, in a lab, in steps: each shows measured facts and ends in ok or FAIL.

Nothing is asserted from what srcroutd says of itself: packets are counted on the VPC's wires,
repairs are timed from the kernel's own events, and states are compared as ``ip`` prints them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from srcroutd.lab.calls import LabError
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.launch import check_possible
from srcroutd.lab.picture import picture
from srcroutd.lab.recorder import Recorder
from srcroutd.lab.screen import Screen
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni


@dataclass(slots=True)
class Step:
    """One step as it went. ``figures`` are counts and milliseconds; ``failures`` is what did not
    hold.
    """

    number: int
    title: str
    figures: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    ok: bool = False

    def expect(self, holds: object, otherwise: str) -> None:
        """Note ``otherwise`` as a failure unless it holds."""
        if not holds:
            self.failures.append(otherwise)


class Tale:
    """A story while it is told: the cloud it is about, the screen, the steps so far."""

    def __init__(self, cloud: Cloud, screen: Screen) -> None:
        self.cloud = cloud
        self.screen = screen
        self.recorder = Recorder(cloud)
        self.steps: list[Step] = []
        self.remembered: dict[str, str] = {}

    @contextmanager
    def step(self, title: str, verdict: Callable[[Step], str]) -> Iterator[Step]:
        """A step: heading, whatever the block shows, and the verdict made of its figures."""
        step = Step(len(self.steps) + 1, title)
        self.steps.append(step)
        self.screen.line()
        self.screen.line(f"{step.number:2}  {title}", "bold")
        yield step
        step.ok = not step.failures
        self.screen.verdict(step.ok, verdict(step) if step.ok else "; ".join(step.failures))
        if not step.ok:
            self.blame()

    def show(self, text: str) -> None:
        """One line of facts."""
        self.screen.line(f"      {text}")

    def quote(self, text: str) -> None:
        """Lines as ``ip`` printed them."""
        for line in text.splitlines():
            self.screen.line(f"        {line.strip().expandtabs()}", "dim")

    def rules(self, nic: Eni) -> list[dict[str, Any]]:
        """The IPv4 rules of a NIC's address that look into a table of its own, as ``ip -json`` has
        them.
        """
        rules = self.cloud.instance.ip_json("rule show")
        return [
            rule
            for rule in rules
            if rule.get("src") == str(nic.v4[0]) and str(rule.get("table")).isdigit()
        ]

    def tables(self, nic: Eni) -> list[str]:
        """The tables that a NIC's rules look into. Raises LabError if it has no rules."""
        found = list(dict.fromkeys(str(rule["table"]) for rule in self.rules(nic)))
        if not found:
            raise LabError(f"{nic.name} has no rules")
        return found

    def blame(self) -> None:
        """What to look at when something did not hold."""
        self.screen.line("      the end of srcroutd's log:")
        for line in self.cloud.daemon.tail(12).splitlines():
            self.screen.line(f"      {line}")
        self.screen.line(
            "      next: srcroutctl lab up; srcroutctl lab shell instance -- srcroutctl plan"
        )


def tell(screen: Screen) -> tuple[bool, list[dict[str, Any]]]:
    """Build a lab, tell the story in it, take it down: whether every step held, and the steps as
    values.
    """
    from srcroutd.lab.chapters import CHAPTERS

    check_possible()
    began = time.monotonic()
    screen.line(
        "srcroutd in a small cloud of network namespaces; nothing outside it is touched", "bold"
    )
    screen.line()
    for line in picture([(nic.name, nic) for nic in (ETH0, ETH1, ETH2)]):
        screen.line(f"  {line}")
    with Cloud.start((ETH0, ETH1)) as cloud:
        screen.line()
        screen.line(f"    the cloud was built in {(time.monotonic() - began) * 1000:.0f} ms")
        tale = Tale(cloud, screen)
        stopped = ""
        for chapter in CHAPTERS:
            try:
                chapter(tale)
            except LabError as error:
                stopped = str(error)
                first, *others = stopped.splitlines()
                screen.verdict(ok=False, text=first)
                tale.quote("\n".join(others[-8:]))
                tale.blame()
                break
    held = not stopped and all(step.ok for step in tale.steps)
    good = sum(step.ok for step in tale.steps)
    screen.line()
    seconds = time.monotonic() - began
    screen.verdict(
        held, f"{good} of {len(CHAPTERS)} steps held, in {seconds:.1f} s; the cloud is gone"
    )
    return held, [asdict(step) for step in tale.steps]
