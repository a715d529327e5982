"""The state directory: atomic, private, and believed only when it deserves it."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srcroutd.core.inventory import Inventory
from srcroutd.core.numbering import Domain, Seat, Seating
from srcroutd.daemon.store import Damaged, Numbers, Store
from tests.pure.worlds import DOMAIN, addressing, eni, mac

DAY_S = 86400.0
KNOWN = Inventory(
    "aliyun",
    {
        mac(1): eni(
            1,
            addressing("192.0.2.5", "192.0.2.6", subnet="192.0.2.0/24", gateway="192.0.2.253"),
            addressing("2001:db8::5", subnet="2001:db8::/64", gateway="2001:db8::1"),
        )
    },
    primary=mac(0),
)
NUMBERS = Numbers(DOMAIN, (Domain(protocol=84),), Seating((Seat(3, "eni-1", mac(1)),)))


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    store.save_inventory(KNOWN, now=DAY_S)
    store.save_numbers(NUMBERS)
    remembered = store.load_inventory(now=2 * DAY_S, max_age_s=30 * DAY_S)
    assert remembered is not None
    assert (remembered.enis, remembered.primary) == (KNOWN.enis, KNOWN.primary)
    assert remembered.source == "aliyun (remembered)"
    assert store.load_numbers() == NUMBERS


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    Store(tmp_path).save_numbers(NUMBERS)
    assert (tmp_path / "numbers.json").stat().st_mode & 0o777 == 0o600


def test_a_first_run_has_nothing(tmp_path: Path) -> None:
    assert Store(tmp_path).load_numbers() is None
    assert Store(tmp_path).load_inventory(0.0, 1.0) is None


def test_facts_that_are_too_old_are_not_used(tmp_path: Path) -> None:
    Store(tmp_path).save_inventory(KNOWN, now=0.0)
    with pytest.raises(Damaged, match="older than max_age"):
        Store(tmp_path).load_inventory(now=31 * DAY_S, max_age_s=30 * DAY_S)


def test_a_clock_that_went_back_does_not_make_facts_old(tmp_path: Path) -> None:
    Store(tmp_path).save_inventory(KNOWN, now=99 * DAY_S)
    assert Store(tmp_path).load_inventory(now=0.0, max_age_s=30 * DAY_S) is not None


def test_facts_that_no_provider_would_give_are_refused(tmp_path: Path) -> None:
    Store(tmp_path).save_inventory(KNOWN, now=0.0)
    text = (tmp_path / "inventory.json").read_text().replace("192.0.2.5", "127.0.0.1")
    (tmp_path / "inventory.json").write_text(text)
    with pytest.raises(Damaged):
        Store(tmp_path).load_inventory(0.0, DAY_S)


def test_two_enis_with_one_number_are_not_believed(tmp_path: Path) -> None:
    Store(tmp_path).save_numbers(NUMBERS)
    content = json.loads((tmp_path / "numbers.json").read_text())
    content["seats"] *= 2
    (tmp_path / "numbers.json").write_text(json.dumps(content))
    with pytest.raises(Damaged, match="share a number"):
        Store(tmp_path).load_numbers()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_of_a_file_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("state")
    store = Store(directory)
    store.save_numbers(NUMBERS)
    store.save_inventory(KNOWN, now=0.0)
    for name in ("numbers.json", "inventory.json"):
        raw = bytearray((directory / name).read_bytes())
        cut = data.draw(st.integers(0, len(raw)))
        raw[cut : cut + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        (directory / name).write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    for load in (store.load_numbers, lambda: store.load_inventory(0.0, DAY_S)):
        with suppress(Damaged):
            load()
