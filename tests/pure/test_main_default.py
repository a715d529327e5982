"""A default of a secondary NIC in main: never first, never in anybody's place, ours only by all of
its marks.
"""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import permutations
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.derive import derive
from srcroutd.core.desired import Nic, Settings
from srcroutd.core.errors import ConfigError
from srcroutd.core.join import Joined, NicState, State
from srcroutd.core.main_join import owner, with_main
from srcroutd.core.main_table import MainDefault, MainPart, MainRoutes
from srcroutd.core.net import MAIN_TABLE, Family, Route, RouteType
from srcroutd.core.numbering import LAST_METRIC, Domain, Seat, Seating, merged
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from srcroutd.core.prune import Situation, reasons
from srcroutd.daemon.configfile import load
from srcroutd.daemon.store import Numbers, Store
from tests.pure.worlds import DOMAIN, address, addressing, eni, link, mac, nic

V4 = addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253")
ON_NIC = [address(1, "192.0.2.5/24")]
AUTO = replace(DOMAIN, main_metrics=DOMAIN.auto_metrics)
METRICS = st.integers(0, 2**32 - 1)


def default(
    metric: int, oif: int = 2, protocol: int = 16, kind: RouteType = RouteType.UNICAST
) -> MainDefault:
    """A default of main; eth0 has the ifindex 2."""
    gateway = ip_address("203.0.113.1") if kind is RouteType.UNICAST else None
    everything = Family.V4.everything
    route = Route(
        Family.V4, MAIN_TABLE, everything, kind, gateway, oif, metric=metric, protocol=protocol
    )
    return MainDefault(route, frozenset({oif}))


def eth1(metric: int | Literal["auto"] | None, *defaults: MainDefault) -> Nic:
    one = nic(1, eni(1, V4), ON_NIC, settings=Settings(main_default_metric=metric))
    return replace(one, main=MainPart(defaults))


def in_main(one: Nic) -> list[Route]:
    things = [want.thing for want in derive(one).routes]
    return [thing for thing in things if isinstance(thing, Route) and thing.table == MAIN_TABLE]


@given(metrics=st.sets(METRICS), asked=st.one_of(st.just("auto"), st.integers(1, 2**32 - 2)))
def test_it_is_never_before_or_beside_another_default(
    metrics: set[int], asked: int | Literal["auto"]
) -> None:
    found = in_main(eth1(asked, *map(default, sorted(metrics))))
    assert len(found) <= 1
    for route in found:
        if asked == "auto":
            assert all(route.metric > metric for metric in metrics)
        else:
            assert route.metric == asked
            assert not metrics or min(metrics) < asked
            assert asked not in metrics


@given(metrics=st.sets(METRICS, max_size=4))
def test_what_stands_in_what_order_does_not_matter(metrics: set[int]) -> None:
    orders = permutations(map(default, metrics))
    assert len({tuple(in_main(eth1("auto", *order))) for order in orders}) == 1


def test_it_is_the_nics_own_default_again() -> None:
    (route,) = in_main(eth1("auto", default(100)))
    assert str(route) == ("default via 192.0.2.253 dev eth1 table main src 192.0.2.5 metric 18001")
    assert route.protocol == 83
    for taken in (18001, 20100):
        assert [one.metric for one in in_main(eth1("auto", default(taken)))] == [LAST_METRIC + 1]
    assert not in_main(eth1(None, default(100)))
    assert not in_main(replace(eth1("auto"), link=link(1, up=False)))
    assert not in_main(replace(eth1("auto"), addresses=()))


def test_a_default_by_one_of_several_next_hops_counts_as_one_by_the_nic() -> None:
    both = replace(default(100, oif=0), oifs=frozenset({2, 3}))
    assert not in_main(eth1("auto", both))
    (note,) = derive(eth1("auto", both)).notes
    assert "it has one already" in note


def test_a_refusal_is_a_default_too() -> None:
    """A kill switch is not undone by a default that wins over it."""
    shut = default(5000, oif=0, kind=RouteType.UNREACHABLE)
    assert not in_main(eth1(300, shut))
    assert [one.metric for one in in_main(eth1("auto", shut))] == [18001]


# --- whose it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": 84},
        {"table": 253},
        {"dst": ip_network("0.0.0.0/1")},
        {"type": RouteType.BLACKHOLE},
        {"gateway": None},
        {"metric": 17999},
        {"metric": 0},
        {"beyond": (9,)},
    ],
)
def test_only_what_has_every_mark_is_ours(change: dict[str, object]) -> None:
    (route,) = in_main(eth1("auto"))
    assert AUTO.owns_route(route)
    assert not AUTO.owns_route(replace(route, **change))  # type: ignore[arg-type]
    assert not DOMAIN.owns_route(route)
    assert DOMAIN.seat_of(route) == 0


def held(*numbers: int) -> Seating:
    return Seating(tuple(Seat(number, f"eni-{number}", mac(number)) for number in numbers))


def test_one_by_a_nic_that_never_had_a_number_is_a_strangers() -> None:
    (route,) = in_main(eth1("auto"))
    links = [link(1), link(2)]
    assert owner((AUTO,), held(1), links)(route)
    assert not owner((AUTO,), held(2), links)(route)
    assert not owner((AUTO,), held(1), links)(replace(route, oif=4))


def why(state: State, *, nics: tuple[Nic, ...] = (), seats: Seating | None = None) -> str | None:
    """Why the default by eth1 may go."""
    (route,) = in_main(eth1("auto"))
    states = (NicState(link(1), state, "eni-1", why="so it is"),)
    now = Situation(
        AUTO,
        Joined(nics, states),
        held(1) if seats is None else seats,
        frozenset({mac(1)}),
        confirmed=True,
    )
    return reasons(now)(AUTO, route)


def test_it_stays_as_long_as_nobody_knows() -> None:
    assert why(State.WAITING) is None
    assert why(State.KEPT) is None
    assert why(State.LEFT_ALONE, seats=Seating()) is None
    unsure = replace(eth1("auto"), main=MainPart(no_default="who knows", unsure=True))
    assert why(State.MANAGED, nics=(unsure,)) is None


def test_it_goes_for_a_reason() -> None:
    assert why(State.LEFT_ALONE) == "eth1 is left alone: so it is"
    assert why(State.MANAGED, nics=(eth1(None),)) == "it is no longer asked for"
    words = why(State.MANAGED, nics=(eth1("auto", default(7, oif=3)),))
    assert words == "it has one already, default via 203.0.113.1 dev if3 table main metric 7"


def test_in_main_nothing_is_ever_replaced() -> None:
    (new,) = (want for want in derive(eth1("auto")).routes if want.thing in in_main(eth1("auto")))
    route = new.thing
    assert isinstance(route, Route)
    pruning = Pruning((AUTO,), lambda _domain, _thing: "because")
    old = replace(route, gateway=ip_address("192.0.2.1"))
    stranger = replace(old, protocol=16)
    desired: Desired[Route] = Desired({}, {route: new})
    assert plan(desired, Observed({}, {stranger: stranger}), pruning) == ()
    first = plan(desired, Observed({}, {old: old}), pruning)
    assert [(op.verb, op.thing) for op in first] == [("delete", old)]
    then = plan(desired, Observed({}, {}), pruning)
    assert [(op.verb, op.thing) for op in then] == [("add", route)]


# --- which NICs ----------------------------------------------------------------------------------


def parts(*nics: Nic, primary: str | None = mac(0)) -> list[MainPart]:
    joined = Joined(nics)
    names = {2: "eth0", 3: "eth1", 4: "eth2"}
    seen = MainRoutes((default(100),))
    return [one.main for one in with_main(joined, seen, lambda _: False, names, primary).nics]


def test_the_primary_gets_none_and_neither_does_anybody_while_it_is_not_known() -> None:
    assert parts(eth1("auto"), primary=mac(1))[0].no_default == "eth1 is the primary NIC"
    assert parts(eth1("auto"), primary=None)[0].unsure
    assert not parts(eth1("auto"))[0].no_default


def test_two_nics_with_one_number_share_nothing() -> None:
    eth2 = nic(2, eni(2, V4), [], settings=Settings(main_default_metric=300))
    first, second = parts(eth1(300), eth2)
    assert not first.no_default
    assert second.no_default == "metric 300 is that of eth1; give each NIC its own"


def test_a_nic_that_asks_for_nothing_learns_nothing() -> None:
    eth2 = nic(2, eni(2, V4), [])
    assert parts(eth1("auto"), eth2)[1] == MainPart()


# --- configuration and memory --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("main_default_metric = true", "not a metric"),
        ("main_default_metric = 0", "not a metric"),
        ("main_default_metric = 4294967295", "not a metric"),
        ('main_default_metric = "first"', "not a metric"),
        ("main_default_metric = 18001", 'lies in 18000-18999, which "auto" gives out'),
        ('mirror = ["dhcpd"]', "not a prefix, nor a protocol"),
        ('mirror = ["10.0.0.1/8"]', "has host bits set"),
        ("mirror = [true]", "not a prefix, nor a protocol"),
        ("mirror = [83]", "83 is our own protocol"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "srcroutd.toml"
    file.write_text(f'[[nic]]\nname = "eth1"\n{line}\n')
    with pytest.raises(ConfigError, match=r"srcroutd\.toml:\d") as told:
        load(file)
    assert words in str(told.value)


def test_a_later_entry_takes_it_back(tmp_path: Path) -> None:
    file = tmp_path / "srcroutd.toml"
    file.write_text(
        '[[nic]]\nname = "*"\nmain_default_metric = "auto"\nmirror = ["static", 186, "::/0"]\n'
        '[[nic]]\nname = "eth1"\nmain_default_metric = false\nmirror = []\n'
    )
    config = load(file)
    one, other = (config.settings(link(n), eni(n, V4)) for n in (1, 2))
    assert (one.main_default_metric, one.mirror) == (0, ())
    assert (other.main_default_metric, other.mirror) == ("auto", (4, 186, ip_network("::/0")))
    assert config.domain.main_metrics == config.domain.auto_metrics
    assert config.main.protocols == (4, 186)


def test_the_metrics_survive_in_the_file(tmp_path: Path) -> None:
    numbers = Numbers(replace(AUTO, main_metrics=(range(300, 301), *AUTO.main_metrics)))
    Store(tmp_path).save_numbers(numbers)
    assert Store(tmp_path).load_numbers() == numbers


def test_domains_with_the_same_bands_are_one_with_all_metrics() -> None:
    one, other = replace(DOMAIN, main_metrics=(range(300, 301),)), Domain(99)
    assert merged((DOMAIN, one, other, DOMAIN)) == (one, other)
