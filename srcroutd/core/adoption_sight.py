"""The kernel as ``adopt`` sees it: everybody's rules and routes, each with the bytes that name it.

Nothing is decided here. The bytes are what the kernel dumped, and deleting by them deletes exactly
that object.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from srcroutd.core.net import MAIN_TABLE, Action, Family, Route, Rule
from srcroutd.core.numbering import KERNEL
from srcroutd.core.view import NicView, View

T = TypeVar("T", Rule, Route)

DEFAULT_TABLE, LOCAL_TABLE = 253, 255


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One object as the kernel dumped it; ``thing`` is None where our types do not know its
    kind.
    """

    body: bytes
    thing: T | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """The kernel at one moment: all rules in the order of the RPDB, IPv4 first, and the routes of
    the tables that they look up. ``vrf``: some device is a VRF, which has a table without a rule.
    """

    rules: tuple[Found[Rule], ...] = ()
    tables: Mapping[tuple[Family, int], tuple[Found[Route], ...]] = field(default_factory=dict)
    vrf: bool = False

    def routes(self, family: Family, table: int) -> tuple[Found[Route], ...]:
        """The routes of one table; none where nobody looked."""
        return self.tables.get((family, table), ())


def tables_to_see(view: View, rules: Iterable[Rule | None]) -> set[tuple[Family, int]]:
    """The tables that a ``Sighting`` needs: those that rules look up, ours, and main."""
    looked_up = {
        (rule.family, rule.table)
        for rule in rules
        if rule and rule.action is Action.LOOKUP and rule.protocol != KERNEL
    }
    ours = {(family, nic.table) for family in Family for nic in view.nics if nic.table}
    every = looked_up | ours | {(family, MAIN_TABLE) for family in Family}
    return {key for key in every if key[1] not in {0, LOCAL_TABLE}}


def named(route: Route, nics: Mapping[int, NicView]) -> Route:
    """The route with the name of its device; ``nics`` go by ifindex."""
    nic = nics.get(route.oif)
    return replace(route, dev=nic.link.name) if nic else route
