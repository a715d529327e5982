"""When to act: folding, backing off, budgets, quarrels."""

from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.pacing import CALM_S, FOLD_CAP_S, Backoff, Budget, Quarrels, round_due_s


def test_a_single_event_is_answered_at_once() -> None:
    assert (
        round_due_s(
            now=100.0, first_bell=100.0, last_bell=100.0, last_round_end=99.0, last_round_s=1.0
        )
        == 0
    )


def test_bells_on_the_heels_of_a_round_are_folded_until_they_pause() -> None:
    assert (
        round_due_s(
            now=100.0, first_bell=100.0, last_bell=100.0, last_round_end=99.999, last_round_s=1.0
        )
        > 0
    )


def test_a_bell_waits_no_longer_than_a_round_takes() -> None:
    assert round_due_s(100.0, 100.0, 100.0, last_round_end=99.999, last_round_s=0.0004) < 0.0005


@given(st.floats(0, CALM_S * 0.99), st.floats(0, 10))
def test_no_bell_waits_longer_than_the_cap(after: float, storm: float) -> None:
    first = 100.0 + after
    assert round_due_s(first, first, first + storm, 100.0, 1.0) <= FOLD_CAP_S + 1e-9


@given(st.integers(0, 40), st.floats(0, 1))
def test_pauses_grow_and_stay_within_the_cap(failures: int, luck: float) -> None:
    pause = Backoff(0.5, 60.0)
    for _ in range(failures):
        pause = pause.failed()
    assert pause.pause_s(luck) <= 60.0
    assert bool(pause.pause_s(luck)) == bool(failures)


def test_a_budget_lets_a_burst_through_and_then_one_read_a_refill() -> None:
    budget = Budget(burst=3, refill_s=10.0)
    waits = []
    for _ in range(5):
        budget, wait_s = budget.spend(now=100.0)
        waits.append(wait_s)
    assert waits == [0, 0, 0, 10.0, 20.0]


def test_an_object_that_is_undone_again_and_again_is_reported_once_and_then_given_time() -> None:
    quarrels = Quarrels(patience=3)
    reports: list[object] = []
    for second in range(8):
        reports += quarrels.restored(["rule"], now=float(second))
    assert reports == ["rule"]
    assert quarrels.held("rule", now=7.1)
    assert not quarrels.held("another", now=7.1)


def test_what_is_undone_now_and_then_is_just_repaired() -> None:
    quarrels = Quarrels(patience=3, memory_s=30)
    for round_number in range(50):
        assert quarrels.restored(["rule"], now=round_number * 40.0) == ()
        assert not quarrels.held("rule", now=round_number * 40.0)


def test_a_quarrel_that_rests_is_over() -> None:
    quarrels = Quarrels(patience=1, memory_s=30)
    quarrels.restored(["rule"], now=0.0)
    quarrels.restored(["rule"], now=1.0)
    assert quarrels.contested() == ("rule",)
    assert quarrels.forget_old(now=1000.0) == ("rule",)
    assert quarrels.contested() == ()
