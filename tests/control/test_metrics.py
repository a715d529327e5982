"""The figures: what counts as what, and their text against the specification."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd import __version__
from srcroutd.core.entries import applied, ready, refused
from srcroutd.core.entry import Entry, Kind, Who
from srcroutd.core.join import State
from srcroutd.core.metrics import Histogram, Metric, Metrics, labels
from srcroutd.core.net import Rule
from srcroutd.core.operation import Operation, Phase
from srcroutd.core.view import Refusal, View
from srcroutd.daemon.meter import RESULTS, Meter
from tests.control.openmetrics import Forbidden, parse
from tests.control.views import views
from tests.control.world import NOW_S, a_view
from tests.pure.worlds import DOMAIN

WHO = Who("eth1", "eni-1")


def told(meter: Meter, view: View) -> dict[str, float]:
    """Every sample as it stands in the text, by its name and labels."""
    return {
        f"{name}{ending}" + "".join(f" {key}={value}" for key, value in pairs): number
        for name, family in parse(meter.metrics(view).text()).items()
        for (ending, pairs), number in family.samples.items()
    }


def due() -> tuple[Operation, Operation]:
    """A route and a rule that are missing."""
    operations = a_view(drift=True).operations
    return operations[0], operations[-1]


def test_every_figure_that_is_promised_is_there_from_the_first_moment() -> None:
    families = parse(Meter().metrics(a_view()).text())
    assert {(name, family.type, family.unit) for name, family in families.items()} == {
        ("srcroutd_build", "info", ""),
        ("srcroutd_contested", "gauge", ""),
        ("srcroutd_drift_repaired", "counter", ""),
        ("srcroutd_generations", "counter", ""),
        ("srcroutd_in_sync", "gauge", ""),
        ("srcroutd_last_in_sync_timestamp_seconds", "gauge", "seconds"),
        ("srcroutd_metadata_age_seconds", "gauge", "seconds"),
        ("srcroutd_metadata_requests", "counter", ""),
        ("srcroutd_nics", "gauge", ""),
        ("srcroutd_operations", "counter", ""),
        ("srcroutd_round_duration_seconds", "histogram", "seconds"),
        ("srcroutd_routes_owned", "gauge", ""),
        ("srcroutd_rules_owned", "gauge", ""),
        ("srcroutd_standing_by", "gauge", ""),
    }
    assert all(family.help for family in families.values())


def test_operations_are_counted_off_the_record_by_what_became_of_them() -> None:
    meter = Meter()
    route, rule = due()
    for entry in (
        applied(route, WHO, 1),
        applied(rule, WHO, 1),
        applied(rule, WHO, 2),
        applied(replace(route, verb="replace"), WHO, 2),
        applied(replace(rule, verb="delete", phase=Phase.DELETE_RULES), WHO, 3),
        refused(Refusal(route, 101, "Network is unreachable"), WHO),
        ready(1.0, "in sync"),
    ):
        meter.entry(entry)
    found = told(meter, a_view())
    assert {name: value for name, value in found.items() if "_operations_" in name} == {
        "srcroutd_operations_total kind=route result=ok verb=add": 1,
        "srcroutd_operations_total kind=route result=ok verb=replace": 1,
        "srcroutd_operations_total kind=route result=refused verb=add": 1,
        "srcroutd_operations_total kind=rule result=ok verb=add": 2,
        "srcroutd_operations_total kind=rule result=ok verb=delete": 1,
    }


def test_the_record_cannot_make_labels_without_bound() -> None:
    meter = Meter()
    for number in range(1000):
        fields = {"SRCROUTD_VERB": f"verb{number}", "SRCROUTD_KIND": f"kind{number}"}
        kind = Kind.OPERATION_REFUSED
        meter.entry(Entry(kind, "from somebody", kind.level, fields))
    assert not any("_operations_" in name for name in told(meter, a_view()))


def test_requests_are_counted_by_result_and_go_on_when_the_provider_changes() -> None:
    meter = Meter()
    first = {("GET", "ok"): 3, ("PUT", "ok"): 1, ("GET", "absent"): 2}
    meter.follow_requests(lambda: first)
    first["GET", "ok"] += 1
    second = {("GET", "ok"): 1, ("GET", "http-418"): 7, ("PUT", "http-419"): 1}
    meter.follow_requests(lambda: second)
    found = told(meter, a_view())
    assert {name: value for name, value in found.items() if "_requests_" in name} == {
        "srcroutd_metadata_requests_total result=absent": 2,
        "srcroutd_metadata_requests_total result=ok": 6,
        "srcroutd_metadata_requests_total result=other": 8,
    }
    assert "other" not in RESULTS


def test_what_is_owned_is_what_is_wanted_but_for_what_is_due() -> None:
    meter, view = Meter(), a_view(1, 1)
    rules, routes = len(view.nics[1].desired.rules), len(view.nics[1].desired.routes)
    found = told(meter, view)
    assert (found["srcroutd_rules_owned"], found["srcroutd_routes_owned"]) == (rules, routes)
    nothing = told(meter, a_view(1, 1, drift=True))
    assert (nothing["srcroutd_rules_owned"], nothing["srcroutd_routes_owned"]) == (0, 0)
    rule, route = view.nics[1].desired.rules[0].thing, view.nics[1].desired.routes[0].thing
    assert isinstance(rule, Rule)
    extra = Operation(Phase.DELETE_RULES, "delete", "", rule, 1, "gone")
    ours = replace(route, protocol=DOMAIN.protocol)
    stranger = replace(route, protocol=4)
    for operation, expected in (
        (extra, (rules + 1, routes)),
        (Operation(Phase.PUT_ROUTES, "replace", "", route, 1, "", ours), (rules, routes)),  # type: ignore[arg-type]
        (Operation(Phase.PUT_ROUTES, "replace", "", route, 1, "", stranger), (rules, routes - 1)),  # type: ignore[arg-type]
    ):
        found = told(meter, replace(view, operations=(operation,)))
        assert (found["srcroutd_rules_owned"], found["srcroutd_routes_owned"]) == expected


def test_rounds_fall_into_buckets_and_leave_when_they_were_in_sync() -> None:
    meter = Meter()
    assert "srcroutd_last_in_sync_timestamp_seconds" not in told(meter, a_view())
    meter.round_ended(0.001, in_sync=True, contested=0, at_s=NOW_S)
    meter.round_ended(0.0011, in_sync=False, contested=3, at_s=NOW_S + 1)
    meter.round_ended(99.0, in_sync=False, contested=2, at_s=NOW_S + 2)
    found = told(meter, a_view())
    assert found["srcroutd_last_in_sync_timestamp_seconds"] == NOW_S
    assert found["srcroutd_contested"] == 2
    name = "srcroutd_round_duration_seconds"
    assert found[f"{name}_bucket le=0.001"] == 1
    assert found[f"{name}_bucket le=0.0025"] == 2
    assert found[f"{name}_bucket le=5.0"] == 2
    assert found[f"{name}_bucket le=+Inf"] == found[f"{name}_count"] == 3
    assert found[f"{name}_sum"] == pytest.approx(99.0021)


def test_drift_that_was_repaired_is_counted_by_kind() -> None:
    meter = Meter()
    route, rule = due()
    meter.repaired([route, rule, rule])
    found = told(meter, a_view())
    assert found["srcroutd_drift_repaired_total kind=rule"] == 2
    assert found["srcroutd_drift_repaired_total kind=route"] == 1


def test_the_view_tells_its_own_figures() -> None:
    found = told(Meter(), replace(a_view(3), standing_by=True, in_sync=False))
    assert found["srcroutd_generations_total"] == 42
    assert found["srcroutd_metadata_age_seconds"] == 20
    assert (found["srcroutd_standing_by"], found["srcroutd_in_sync"]) == (1, 0)
    assert found["srcroutd_nics state=managed"] == 3
    assert found["srcroutd_nics state=left alone"] == 1
    assert sum("srcroutd_nics" in name for name in found) == len(State)
    assert found[f"srcroutd_build_info version={__version__}"] == 1


@given(views)
def test_the_figures_of_any_view_are_openmetrics(view: View) -> None:
    parse(Meter().metrics(view).text())


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_no_value_breaks_out_of_its_place(word: str, value: float) -> None:
    metric = Metric("srcroutd_x", "gauge", f"About {word}.", {labels(a=word, b="b"): value})
    family = parse(Metrics((metric,)).text())["srcroutd_x"]
    assert family.samples == {("", (("a", word), ("b", "b"))): value}


@given(st.lists(st.floats(0, 20), max_size=30))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    histogram = Histogram.empty(0.5, 1.0, 5.0)
    for value in values:
        histogram = histogram.with_value(value)
    family = parse(Metrics((Metric("x", "histogram", "X.", {(): histogram}),)).text())["x"]
    for bound, text in ((0.5, "0.5"), (1.0, "1.0"), (5.0, "5.0"), (99.0, "+Inf")):
        expected = sum(value <= bound for value in values)
        assert family.samples["_bucket", (("le", text),)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "# TYPE x gauge\nx 1\n",
        "x 1\n# EOF\n",
        "# TYPE x counter\nx 1\n# EOF\n",
        "# TYPE x_total counter\nx_total_total 1\n# EOF\n",
        "# TYPE x gauge\n# UNIT x seconds\nx 1\n# EOF\n",
        "# TYPE x gauge\nx 1\nx 2\n# EOF\n",
        '# TYPE x gauge\nx{a="b\\d"} 1\n# EOF\n',
        '# TYPE x gauge\nx{a="1",a="2"} 1\n# EOF\n',
        "# TYPE x gauge\nx one\n# EOF\n",
        "# TYPE x gauge\n# TYPE y gauge\ny 1\nx 1\n# EOF\n",
        '# TYPE x histogram\nx_bucket{le="+Inf"} 1\nx_count 2\nx_sum 1\n# EOF\n',
        '# TYPE x histogram\nx_bucket{le="1"} 1\nx_bucket{le="+Inf"} 1\nx_count 1\n# EOF\n',
    ],
)
def test_the_reader_of_these_tests_refuses_what_the_specification_forbids(text: str) -> None:
    with pytest.raises(Forbidden):
        parse(text)
