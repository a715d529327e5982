"""Seats: the same ENI keeps its numbers whatever happens around it."""

from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.numbering import Domain, Seat, Seating, recovered, seat
from tests.pure.worlds import DOMAIN

SMALL = Domain(priorities=range(18000, 18060), tables=range(18000, 19000))
enis = st.lists(st.sampled_from("abcdefgh"), unique=True)


def pairs(names: list[str]) -> list[tuple[str, str]]:
    return [(f"eni-{name}", f"00:16:3e:00:00:{ord(name):02x}") for name in names]


def numbers(seating: Seating) -> dict[str, int]:
    return {one.eni: one.number for one in seating.seats}


def test_the_default_bands_have_ninety_eight_seats() -> None:
    assert list(DOMAIN.seats) == list(range(1, 99))
    assert (DOMAIN.table(98), DOMAIN.priority(98)) == (18098, 18980)


@given(st.lists(enis, min_size=1))
def test_an_eni_keeps_its_number_through_any_sequence_of_attach_and_detach(
    story: list[list[str]],
) -> None:
    seating = Seating()
    known: dict[str, int] = {}
    for present in story:
        seating, _ = seat(seating, pairs(present), DOMAIN, {})
        for name, number in numbers(seating).items():
            assert known.setdefault(name, number) == number
    assert len(set(known.values())) == len(known)


@given(enis, st.randoms())
def test_the_order_in_which_nics_appear_does_not_matter(present: list[str], luck: object) -> None:
    shuffled = list(present)
    luck.shuffle(shuffled)  # type: ignore[attr-defined]
    assert seat(Seating(), pairs(present), DOMAIN, {}) == seat(
        Seating(), pairs(shuffled), DOMAIN, {}
    )


def test_a_number_that_a_stranger_uses_is_not_given_out() -> None:
    seating, _ = seat(Seating(), pairs(["a"]), DOMAIN, {1: "table 18001 holds a stranger's route"})
    assert numbers(seating) == {"eni-a": 2}


def test_when_all_seats_are_taken_the_eni_that_is_gone_longest_makes_room() -> None:
    seating = Seating()
    for names in (["a"], ["b"], ["c"], ["d"], ["b"]):
        seating, _ = seat(seating, pairs(names), SMALL, {})
    assert len(SMALL.seats) == 4
    freed = numbers(seating)["eni-a"]
    seating, exhausted = seat(seating, pairs(["b", "e"]), SMALL, {})
    assert not exhausted
    assert numbers(seating)["eni-e"] == freed
    assert "eni-a" not in numbers(seating)


def test_with_more_enis_than_seats_one_is_named_and_nobody_loses_a_seat() -> None:
    seating, _ = seat(Seating(), pairs(list("abcd")), SMALL, {})
    again, exhausted = seat(seating, pairs(list("abcde")), SMALL, {})
    assert numbers(again) == numbers(seating)
    assert [lost.eni for lost in exhausted] == ["eni-e"]


def test_lost_numbers_are_read_off_the_kernel() -> None:
    clues = {7: "00:16:3e:00:00:61", 8: "00:16:3e:00:00:ff"}
    assert recovered(Seating(), clues, {"00:16:3e:00:00:61": "eni-a"}) == Seating(
        (Seat(7, "eni-a", "00:16:3e:00:00:61"),)
    )
