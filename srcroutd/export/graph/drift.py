"""What is out of step at one NIC, taken from the operations that are due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from srcroutd.core.desired import Want
from srcroutd.core.net import Family, Route, Rule
from srcroutd.core.operation import Chore, Operation
from srcroutd.export.graph.picture import Mark


@dataclass(frozen=True, slots=True)
class Drift:
    """``missing`` and ``replaced`` (with what stands there instead) are wanted, ``unwanted`` is
    there too many, in the order in which it would go.
    """

    missing: frozenset[Rule | Route] = frozenset()
    replaced: Mapping[Rule | Route, Route | None] | None = None
    unwanted: tuple[Rule | Route, ...] = ()

    def mark(self, thing: Rule | Route) -> Mark:
        """How a wanted thing stands."""
        if self.missing and thing in self.missing:
            return Mark.MISSING
        if self.replaced and thing in self.replaced:
            return Mark.TO_REPLACE
        return Mark.NONE

    def tally(self) -> tuple[Mark, str]:
        """The gravest mark, and how many things bear which; NONE and nothing in sync."""
        counts = {
            Mark.MISSING: len(self.missing),
            Mark.TO_DELETE: len(self.unwanted),
            Mark.TO_REPLACE: len(self.replaced or ()),
        }
        found = [mark for mark, number in counts.items() if number]
        told = ", ".join(f"{counts[mark]} {mark.value}" for mark in found)
        return max(found, key=list(Mark).index, default=Mark.NONE), told

    def instead(self, route: Route) -> Route | None:
        """What has the place of a wanted route, None if nothing has."""
        return self.replaced.get(route) if self.replaced else None

    def rules(self, family: Family, wants: Iterable[Want]) -> list[tuple[Rule, Mark]]:
        """All rules of one family, wanted and unwanted, each with its mark."""
        wanted = [want.thing for want in wants if want.thing.family is family]
        marked = [(rule, self.mark(rule)) for rule in wanted if isinstance(rule, Rule)]
        return marked + [
            (rule, Mark.TO_DELETE)
            for rule in self.unwanted
            if isinstance(rule, Rule) and rule.family is family
        ]

    def routes(self, family: Family, wants: Iterable[Want]) -> list[tuple[Route, Mark]]:
        """All routes of one family, wanted and unwanted, each with its mark."""
        wanted = [want.thing for want in wants if want.thing.family is family]
        marked = [(route, self.mark(route)) for route in wanted if isinstance(route, Route)]
        return marked + [
            (route, Mark.TO_DELETE)
            for route in self.unwanted
            if isinstance(route, Route) and route.family is family
        ]


def drift(operations: Iterable[Operation]) -> Drift:
    """The drift that some operations (those of one NIC) would repair."""
    missing: set[Rule | Route] = set()
    replaced: dict[Rule | Route, Route | None] = {}
    unwanted: list[Rule | Route] = []
    for operation in operations:
        thing = operation.thing
        if isinstance(thing, Chore):
            continue  # a picture of rules and routes has no place for it
        match operation.verb:
            case "add":
                missing.add(thing)
            case "replace":
                replaced[thing] = operation.replaces
            case "delete":
                unwanted.append(thing)
    return Drift(frozenset(missing), replaced, tuple(unwanted))
