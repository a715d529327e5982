"""Everything that a reader may show, as one value: NICs, what each should have, what would change
now.

The daemon publishes a ``View`` after each round; where no daemon runs, a survey of this host makes
one. Status, plan, graph, export and metrics are functions of it, so they never disagree.
"""

from collections import Counter
from dataclasses import dataclass, replace

from srcroutd.core.desired import ModeWord, NicDesired, Want
from srcroutd.core.inventory import Eni
from srcroutd.core.join import State
from srcroutd.core.net import Address, Link, Route, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Operation


@dataclass(frozen=True, slots=True)
class NicView:
    """One device that could be an ENI, with all that is known and wanted of it.

    ``eni`` is None as long as no reading explained the NIC. ``seat``, ``table`` and ``priority``
    (the first of its ten) are 0 for a NIC that is not kept. ``since_s`` is the Unix time at which
    the state began, None where nobody watched.
    """

    link: Link
    state: State
    why: str = ""
    primary: bool = False
    eni: Eni | None = None
    addresses: tuple[Address, ...] = ()
    seat: int = 0
    table: int = 0
    priority: int = 0
    desired: NicDesired = NicDesired()
    mode: ModeWord = "source"
    since_s: float | None = None

    @property
    def kept(self) -> bool:
        """Whether rules and routes are kept for it."""
        return self.state in {State.MANAGED, State.KEPT}

    @property
    def role(self) -> str:
        """The word for people: primary, secondary, or empty where nobody knows."""
        return "primary" if self.primary else "secondary" if self.eni else ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the facts come from: provider, Unix time of its last whole answer, its last trouble.

    ``read_at_s`` is None while the facts are remembered ones that nobody has confirmed yet.
    """

    provider: str = ""
    read_at_s: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """The whole picture at ``taken_at_s`` (Unix time).

    ``operations`` are what would change now, in order: empty in sync; beside a daemon they are what
    it holds back (contested, refused) or, while it stands by, all that it would do.
    ``in_sync`` and ``why`` are the last round's; ``generation`` counts rounds that changed
    something, ``changed_at_s`` is when the last of them ended.
    """

    taken_at_s: float
    by_daemon: bool
    domain: Domain = Domain()
    facts: Facts = Facts()
    generation: int = 0
    changed_at_s: float | None = None
    in_sync: bool = False
    why: str = ""
    standing_by: bool = False
    nics: tuple[NicView, ...] = ()
    policies: NicDesired = NicDesired()
    """What should be for the whole host: access control, the source and the way of new connections.
    """
    operations: tuple[Operation, ...] = ()
    foreign_rules: int = 0
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about how this view came to be that its reader should know."""

    def nic(self, name: str) -> NicView | None:
        """The NIC called ``name``, None if there is none."""
        return next((nic for nic in self.nics if nic.link.name == name), None)

    def of_seat(self, seat: int) -> NicView | None:
        """The NIC that holds a seat, None if nobody present does."""
        return next((nic for nic in self.nics if seat and nic.seat == seat), None)

    def drift(self) -> Counter[int]:
        """How many operations are due, by seat."""
        return Counter(operation.seat for operation in self.operations)

    def because(self) -> dict[Rule | Route, str]:
        """Why each rule and route is wanted."""
        wants: list[Want] = [*self.policies.rules, *self.policies.routes]
        for nic in self.nics:
            wants += (*nic.desired.rules, *nic.desired.routes)
        return {want.thing: want.because for want in wants}

    def brief(self) -> "View":
        """The same without what each NIC should have: small, whatever the number of addresses."""
        nics = tuple(replace(nic, desired=NicDesired(notes=nic.desired.notes)) for nic in self.nics)
        return replace(self, nics=nics, policies=NicDesired(notes=self.policies.notes))


def state_word(view: View, nic: NicView) -> str:
    """The word in the STATE column: what became of the NIC, or how it stands with the kernel."""
    if nic.state is not State.MANAGED:
        return nic.state.value
    due = view.drift()[nic.seat]
    if due:
        return f"drift ({due})"
    # A round that did not end well, and nothing is known to be due anywhere: nobody can say.
    unsure = view.by_daemon and not view.in_sync and not view.operations
    return "not in sync" if unsure else "in sync"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation that the kernel did not take: its errno and its words."""

    operation: Operation
    errno: int
    words: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a cleanup deleted (or would delete), what the kernel refused, and how many strangers'
    rules were left alone.
    """

    operations: tuple[Operation, ...]
    refused: tuple[Refusal, ...]
    foreign_rules: int
