"""The connectivity matrix: what srcroutd promises is so, what the others fail at they still fail
at, and docs/connectivity.md says what is.
"""

import pytest

from srcroutd.lab.cloud import Cloud
from tests.connectivity import PAGE
from tests.packets import layouts
from tests.packets.layouts import (
    BOTH,
    CONNMARK,
    LAYOUTS,
    NM_CLOUD_SETUP,
    NONE,
    SEED_001,
    SEED_003,
    SOURCE,
)
from tests.packets.matrix import COLUMNS, SETTINGS, Astray, Matrix, Setting, measure
from tests.packets.matrix_page import page, tables

STRICT = Setting(4, 1)
ALL = {" ".join(column.head) for column in COLUMNS}
PUBLISHED, PRIMARY = "port by eth1", "neighbour to eth0"
CONTAINERS = {"container to eth1", "eth1 to container"}

FAILS = {
    NONE: {"host by eth1", PUBLISHED, PRIMARY},
    SEED_001: {PUBLISHED, PRIMARY, *CONTAINERS},
    SEED_003: {PUBLISHED, PRIMARY},
    NM_CLOUD_SETUP: {PUBLISHED, PRIMARY},
    SOURCE: {PUBLISHED, PRIMARY},
    CONNMARK: {PRIMARY},
    BOTH: set[str](),
}
"""The primary NIC is left alone unless asked: a neighbour of eth1's is not reached by eth0."""


@pytest.fixture(scope="module")
def measured() -> Matrix:
    return measure(LAYOUTS)


def failed(matrix: Matrix, row: str, setting: Setting) -> set[str]:
    cells = matrix[row, setting]
    return {" ".join(column.head) for column in COLUMNS if not cells[column].answered}


@pytest.mark.parametrize("row", [SOURCE, CONNMARK, BOTH])
def test_srcroutd_answers_whom_it_promises_to_whatever_rp_filter_is(
    measured: Matrix, row: str
) -> None:
    found = {setting: ALL - failed(measured, row, setting) for setting in SETTINGS}
    assert found == dict.fromkeys(SETTINGS, ALL - FAILS[row])


@pytest.mark.parametrize("row", [NONE, SEED_001, SEED_003, NM_CLOUD_SETUP])
def test_the_others_fail_where_we_say_they_do(measured: Matrix, row: str) -> None:
    found = {setting: failed(measured, row, setting) for setting in SETTINGS}
    assert found == dict.fromkeys(SETTINGS, FAILS[row])


def test_each_failure_was_seen_on_the_wire_or_counted_by_the_host(measured: Matrix) -> None:
    unexplained = [
        (row, setting, column.head)
        for row in measured.rows
        for setting in SETTINGS
        for column in COLUMNS
        if not (cell := measured[row, setting][column]).answered
        and not (cell.astray or cell.dropped or cell.unresolved)
    ]
    assert unexplained == []


def test_the_replies_of_a_published_port_leave_by_the_wrong_nic(measured: Matrix) -> None:
    column = next(one for one in COLUMNS if " ".join(one.head) == PUBLISHED)
    astray = (Astray("eth1", "client", "eth0"),)
    assert {measured[row, SETTINGS[0]][column].astray for row in (NONE, SOURCE)} == {astray}


def test_the_page_says_what_is_measured(measured: Matrix) -> None:
    assert tables(measured) in PAGE.read_text()
    assert page(measured) == PAGE.read_text(), "next: make connectivity ARGS=--write"


def test_where_sysctls_are_left_alone_a_strict_rp_filter_is_found_and_said() -> None:
    said: list[str] = []

    def put(cloud: Cloud) -> None:
        layouts.daemon('[[nic]]\nname = "eth1"\nmode = "connmark"\n')(cloud)
        said.append(cloud.daemon.ctl("doctor", check=False).out)

    found = measure({"left alone": put})
    assert failed(found, "left alone", STRICT) == {PUBLISHED, PRIMARY}
    assert [failed(found, "left alone", Setting(4, value)) for value in (0, 2)] == [{PRIMARY}] * 2
    assert ["rp_filter is strict (1) on eth1" in one for one in said].count(True) == 1
