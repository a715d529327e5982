"""One change to the kernel as a value: a rule, a route, or a chore that is neither.

The order of the phases keeps promise 4 for all of them: what others need comes before them and goes
after them.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal

from srcroutd.core.net import Family, Route, Rule


class Phase(IntEnum):
    """The order of operations; the next phase starts when the one before it has been answered."""

    ASSIGN_ADDRESSES = 0
    SET_SYSCTLS = 1
    PUT_ROUTES = 2
    ADD_RULES = 3
    PUT_MARKS = 4
    DELETE_MARKS = 5
    DELETE_RULES = 6
    DELETE_ROUTES = 7
    RESTORE_SYSCTLS = 8
    REMOVE_ADDRESSES = 9


class ThingKind(StrEnum):
    """What an operation changes, in a word for people, the record and the figures."""

    RULE = "rule"
    ROUTE = "route"
    MARKS = "marks"
    """Our table of nftables."""
    SYSCTL = "sysctl"
    ADDRESS = "address"
    """An address on a NIC, or that NIC's being up."""


ThingWord = Literal["rule", "route", "marks", "sysctl", "address"]


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is neither rule nor route, in words, as you would type it where there is such
    a command. Whoever keeps it knows the rest by the operation's key.
    """

    kind: ThingKind
    words: str

    def __str__(self) -> str:
        return self.words


Thing = Rule | Route | Chore


@dataclass(frozen=True, slots=True)
class Operation:
    """One change. ``key`` is the identity of ``thing`` in the comparison; ``seat`` binds it to a
    NIC, 0 is the whole host; ``replaces`` is the route that loses its place, if any.
    """

    phase: Phase
    verb: Literal["add", "replace", "delete"]
    key: Hashable
    thing: Thing
    seat: int
    because: str
    replaces: Route | None = None

    @property
    def kind(self) -> ThingKind:
        """What it changes."""
        match self.thing:
            case Rule():
                return ThingKind.RULE
            case Route():
                return ThingKind.ROUTE
            case Chore() as chore:
                return chore.kind

    @property
    def family(self) -> Family | None:
        """The family of the rule or route; a chore has none."""
        return None if isinstance(self.thing, Chore) else self.thing.family

    def __str__(self) -> str:
        sign = {"add": "+", "replace": "~", "delete": "-"}[self.verb]
        if isinstance(self.thing, Chore):
            return f"{sign} {self.thing}"
        return f"{sign} ip {'-6 ' if self.family is Family.V6 else ''}{self.kind} {self.thing}"
