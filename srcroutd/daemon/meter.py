"""Counts what happens in the daemon, for as long as it runs, and makes ``Metrics`` of it.

What can be counted from the record is: ``entry`` is one of its subscribers. What is so at the
moment is read off the view. Labels come from closed lists, so the number of figures is bounded.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from srcroutd import __version__
from srcroutd.core.entry import Entry, Kind
from srcroutd.core.join import State
from srcroutd.core.metrics import Histogram, Labels, Metric, Metrics, labels
from srcroutd.core.operation import Operation, ThingKind
from srcroutd.core.view import View

ROUND_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
RESULTS = frozenset(
    "ok absent token forbidden throttled redirect refused server unexpected unreachable timeout "
    "cut oversize encoding malformed error".split()
)
"""What may become of a request to the metadata service; anything else is counted as other."""

_APPLIED = {
    Kind.RULE_ADDED: ("add", "rule"),
    Kind.RULE_DELETED: ("delete", "rule"),
    Kind.ROUTE_ADDED: ("add", "route"),
    Kind.ROUTE_REPLACED: ("replace", "route"),
    Kind.ROUTE_DELETED: ("delete", "route"),
    Kind.MARKS_PUT: ("replace", "marks"),
    Kind.MARKS_DELETED: ("delete", "marks"),
    Kind.SYSCTL_SET: ("replace", "sysctl"),
    Kind.ADDRESS_PUT: ("add", "address"),
    Kind.ADDRESS_REMOVED: ("delete", "address"),
}
_VERBS = frozenset(verb for verb, _ in _APPLIED.values())
_KINDS = tuple(kind.value for kind in ThingKind)

Requests = Callable[[], Mapping[tuple[str, str], int]]
"""Asked for the requests sent so far, by method and result."""


def _no_requests() -> Mapping[tuple[str, str], int]:
    return {}


@dataclass(frozen=True, slots=True)
class _Now:
    """What the last round left."""

    contested: int = 0
    in_sync_at_s: float | None = None


class Meter:
    """The daemon's counters."""

    def __init__(self) -> None:
        self._operations: Counter[Labels] = Counter()
        self._repaired: Counter[str] = Counter(dict.fromkeys(_KINDS, 0))
        self._requests: Counter[str] = Counter()
        self._ask_requests: Requests = _no_requests
        self._rounds = Histogram.empty(*ROUND_BOUNDS_S)
        self._now = _Now()

    def entry(self, entry: Entry) -> None:
        """Count an entry of the record, if it is of an operation."""
        if applied := _APPLIED.get(entry.kind):
            verb, kind = applied
            self._operations[labels(verb=verb, kind=kind, result="ok")] += 1
        elif entry.kind is Kind.OPERATION_REFUSED:
            verb = entry.fields.get("SRCROUTD_VERB", "")
            kind = entry.fields.get("SRCROUTD_KIND", "")
            if verb in _VERBS and kind in _KINDS:
                self._operations[labels(verb=verb, kind=kind, result="refused")] += 1

    def repaired(self, operations: Iterable[Operation]) -> None:
        """These put back what stood after the round before and was undone by somebody."""
        for operation in operations:
            self._repaired[operation.kind] += 1

    def round_ended(self, duration_s: float, *, in_sync: bool, contested: int, at_s: float) -> None:
        """A round took this long and ended at ``at_s`` (Unix time); ``contested`` are held back."""
        self._rounds = self._rounds.with_value(duration_s)
        self._now = _Now(contested, at_s if in_sync else self._now.in_sync_at_s)

    def follow_requests(self, requests: Requests) -> None:
        """Another provider counts from now on; what the one before it counted is kept."""
        self._requests = self._all_requests()
        self._ask_requests = requests

    def metrics(self, view: View) -> Metrics:
        """The figures of the moment of this view."""
        return Metrics((*self._of_the_past(view), *_of_the_view(view, self._now)))

    def _of_the_past(self, view: View) -> tuple[Metric, ...]:
        return (
            Metric(
                "srcroutd_generations",
                "counter",
                "Rounds that changed something.",
                {(): view.generation},
            ),
            Metric(
                "srcroutd_operations",
                "counter",
                "Rules and routes added, replaced or deleted, and what became of it.",
                dict(self._operations),
            ),
            Metric(
                "srcroutd_drift_repaired",
                "counter",
                "Rules and routes of ours that somebody had undone and that were put back.",
                {labels(kind=kind): self._repaired[kind] for kind in _KINDS},
            ),
            Metric(
                "srcroutd_metadata_requests",
                "counter",
                "Requests to the metadata service by what became of them.",
                {labels(result=word): count for word, count in self._all_requests().items()},
            ),
            Metric(
                "srcroutd_round_duration_seconds",
                "histogram",
                "How long a round took, from looking to looking again.",
                {(): self._rounds},
                "seconds",
            ),
            Metric(
                "srcroutd_build",
                "info",
                "The version of srcroutd that runs.",
                {labels(version=__version__): 1},
            ),
        )

    def _all_requests(self) -> Counter[str]:
        counted = self._requests.copy()
        for (_, result), count in self._ask_requests().items():
            counted[result if result in RESULTS else "other"] += count
        return counted


def _of_the_view(view: View, now: _Now) -> tuple[Metric, ...]:
    owned = _owned(view)
    states = Counter(nic.state for nic in view.nics)
    read_at_s = view.facts.read_at_s
    return (
        _gauge("rules_owned", "Rules of ours in the kernel, as last seen.", owned["rule"]),
        _gauge("routes_owned", "Routes of ours in the kernel, as last seen.", owned["route"]),
        _gauge("contested", "Operations held back: somebody undoes them.", now.contested),
        _gauge("in_sync", "1 if the kernel is as it should be, else 0.", int(view.in_sync)),
        _gauge("standing_by", "1 from a cleanup to the next reconcile.", int(view.standing_by)),
        Metric(
            "srcroutd_nics",
            "gauge",
            "NICs that could be an ENI, by their state.",
            {labels(state=state.value): states[state] for state in State},
        ),
        _gauge(
            "last_in_sync_timestamp_seconds",
            "Unix time of the last round that ended in sync.",
            now.in_sync_at_s,
            "seconds",
        ),
        _gauge(
            "metadata_age_seconds",
            "Time since the last whole answer of the metadata service.",
            None if read_at_s is None else max(0.0, view.taken_at_s - read_at_s),
            "seconds",
        ),
    )


def _gauge(name: str, words: str, value: float | None, unit: str = "") -> Metric:
    """One figure without labels; none at all where there is no value."""
    figures: dict[Labels, float | Histogram] = {} if value is None else {(): value}
    return Metric(f"srcroutd_{name}", "gauge", words, figures, unit)


def _owned(view: View) -> Counter[str]:
    """What is ours in the kernel: all that is wanted, but for what is still due."""
    owned: Counter[str] = Counter()
    for nic in view.nics:
        owned["rule"] += len(nic.desired.rules)
        owned["route"] += len(nic.desired.routes)
    owned["rule"] += len(view.policies.rules)
    owned["route"] += len(view.policies.routes)
    for operation in view.operations:
        was = operation.replaces
        if was is None or was.protocol != view.domain.protocol:
            owned[operation.kind] += 1 if operation.verb == "delete" else -1
    return owned
