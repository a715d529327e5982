"""Turns what a Watch has seen during an event into what was lost, by whom, and how long routing was
not whole.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from srcroutd.lab.topology import ETH1
from tests.e2e.coexistence_watch import Moment, Watch

_V4, _V6 = "4 ", "6 "


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of our rules and routes during an event.

    ``rules`` and ``routes``: how many of ours somebody else took away; ``silent``: how many of them
    without the kernel announcing it. ``without_ms``: how long eth1 lacked an address or its
    carrier. ``healed_ms``: the longest time in which eth1 had all it needs and something of ours
    was missing all the same; this is what srcroutd answers for. ``strays``: replies of eth1's
    address that left by another NIC, of ``replies``.
    """

    rules: int
    routes: int
    silent: int
    without_ms: float
    healed_ms: float
    replies: int
    strays: int


def losses(
    watch: Watch,
    expected: AbstractSet[str],
    ports: AbstractSet[int],
    asked: Callable[[], dict[str, int]],
) -> Losses:
    """``expected`` of ours; ``ports`` are srcroutd's own; ``asked`` tells by which wires replies
    left.
    """
    theirs = {one.what for one in watch.changes if one.gone and one.port not in ports}
    own = {one.what for one in watch.changes if one.gone and one.port in ports}
    back = {one.what for one in watch.changes if not one.gone}
    unseen = {what for moment in watch.moments for what in expected - moment.ours}
    silent = ((unseen | back) & expected) - own - theirs
    lost = (theirs & expected) | silent
    rules = {what for what in lost if _is_rule(what)}
    by_wire = asked()
    return Losses(
        rules=len(rules),
        routes=len(lost - rules),
        silent=len(silent),
        without_ms=_longest(watch.moments, lambda one: not _addresses(one)),
        healed_ms=max(_owed(watch.moments, expected, family) for family in (_V4, _V6)),
        replies=sum(by_wire.values()),
        strays=sum(n for wire, n in by_wire.items() if wire != ETH1.name),
    )


def _owed(moments: list[Moment], expected: AbstractSet[str], family: str) -> float:
    """The longest time in which all was there but what srcroutd has to see to."""
    return _longest(
        moments,
        lambda one: (
            _can(one, family) and any(what.startswith(family) for what in expected - one.ours)
        ),
    )


def _is_rule(what: str) -> bool:
    """``4 18016: from ...`` is a rule, ``4 default via ...`` a route."""
    return what.split()[1].endswith(":")


def _addresses(moment: Moment) -> bool:
    return _can(moment, _V4) and _can(moment, _V6)


def _can(moment: Moment, family: str) -> bool:
    """Whether eth1 has its addresses of this family."""
    wanted = ETH1.v4 if family == _V4 else ETH1.v6
    return {str(one) for one in wanted} <= moment.addresses


def _longest(moments: list[Moment], holds: Callable[[Moment], bool]) -> float:
    """The longest time, in milliseconds, in which each moment was of that kind."""
    longest = spell = 0.0
    for one, after in pairwise(moments):
        spell = spell + (after.at - one.at) if holds(one) else 0.0
        longest = max(longest, spell)
    return round(longest * 1000, 1)
