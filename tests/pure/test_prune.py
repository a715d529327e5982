"""Why an object of ours may go, and when it stays."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from srcroutd.core.join import Joined, NicState, State
from srcroutd.core.net import Action, Family, Rule
from srcroutd.core.numbering import Domain, Seat, Seating
from srcroutd.core.prune import MOVED, Situation, reasons
from tests.pure.worlds import DOMAIN, address, addressing, eni, link, mac, nic

HALF = addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253")
MANAGED = nic(1, eni(1, HALF), [address(1, "192.0.2.5/24")])
SEATING = Seating((Seat(1, "eni-1", mac(1)), Seat(2, "eni-2", mac(2))))
WAITING = NicState(link(2), State.WAITING)
SITUATION = Situation(
    DOMAIN,
    Joined((MANAGED,), (NicState(link(1), State.MANAGED, "eni-1", seat=1),)),
    SEATING,
    frozenset({mac(1), mac(2)}),
    confirmed=True,
)


def rule(seat: int, host: int = 4) -> Rule:
    src = ip_network(f"192.0.2.{host}/32")
    return Rule(
        Family.V4, DOMAIN.priority(seat) + 6, table=DOMAIN.table(seat), src=src, protocol=83
    )


def test_an_address_that_left_a_managed_nic_loses_its_rules_and_the_reason_names_both() -> None:
    assert reasons(SITUATION)(DOMAIN, rule(1)) == "192.0.2.4 is no longer on eth1"


def test_a_nic_in_the_kernel_without_facts_keeps_what_it_has() -> None:
    assert reasons(SITUATION)(DOMAIN, rule(2)) is None


def test_a_nic_that_the_kernel_has_lost_loses_everything() -> None:
    gone = replace(SITUATION, present=frozenset({mac(1)}))
    assert reasons(gone)(DOMAIN, rule(2)) == "eni-2 is detached"


def test_a_nic_that_was_opted_out_loses_everything() -> None:
    out = NicState(link(2), State.LEFT_ALONE, "eni-2", why="the configuration says so")
    now = replace(SITUATION, joined=replace(SITUATION.joined, states=(out,)))
    assert "left alone" in (reasons(now)(DOMAIN, rule(2)) or "")


@pytest.mark.parametrize(
    ("confirmed", "waiting", "goes"),
    [(True, False, True), (False, False, False), (True, True, False)],
)
def test_what_nobody_holds_goes_only_when_everything_is_known(
    *, confirmed: bool, waiting: bool, goes: bool
) -> None:
    states = (WAITING,) if waiting else ()
    now = replace(SITUATION, confirmed=confirmed, joined=replace(SITUATION.joined, states=states))
    assert (reasons(now)(DOMAIN, rule(7)) is not None) is goes


def test_the_numbers_of_an_earlier_configuration_go_once_the_nic_has_its_new_ones() -> None:
    former = Domain(protocol=84, priorities=range(20000, 21000), tables=range(20000, 21000))
    assert reasons(SITUATION)(former, replace(rule(1), priority=20016, protocol=84)) == MOVED
    assert reasons(SITUATION)(former, replace(rule(2), priority=20026, protocol=84)) is None


def test_access_control_by_a_nic_waits_for_facts_and_all_other_does_not() -> None:
    refuses = Rule(Family.V4, DOMAIN.access[0], Action.PROHIBIT, protocol=83)
    to_main = Rule(Family.V4, DOMAIN.access[1], table=254, protocol=83)
    by_nic = Rule(Family.V4, DOMAIN.access[2], table=DOMAIN.table(2), protocol=83)
    unsure = replace(
        SITUATION, joined=replace(SITUATION.joined, states=(WAITING,)), policies_wait=True
    )
    told = [reasons(unsure)(DOMAIN, rule) for rule in (refuses, to_main, by_nic)]
    assert [bool(why) for why in told] == [True, True, False]
    assert reasons(SITUATION)(DOMAIN, by_nic)
