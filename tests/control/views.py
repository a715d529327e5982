"""Hypothesis strategies for views with anything in them that their types allow."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_interface
from typing import TypeVar, get_args

from hypothesis import strategies as st

from srcroutd.core.desired import ModeWord, NicDesired, Want
from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.join import State
from srcroutd.core.net import Action, Address, Family, Link, Route, RouteType, Rule, Scope
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind
from srcroutd.core.view import Cleaned, Facts, NicView, Refusal, View

Thing = TypeVar("Thing")

words = st.text(max_size=12)
# Names that the kernel has and no person would choose: bytes that are no text.
names = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=15)
numbers = st.integers(0, 2**32 - 1)
times = st.floats(0, 4e9)
v4s, v6s = st.ip_addresses(v=4), st.ip_addresses(v=6)
ips = st.one_of(v4s, v6s)


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    """A prefix of either family."""
    ip = draw(ips)
    length = draw(st.integers(0, ip.max_prefixlen))
    if isinstance(ip, IPv4Address):
        return IPv4Network((ip, length), strict=False)
    assert isinstance(ip, IPv6Address)
    return IPv6Network((ip, length), strict=False)


def maybe(strategy: st.SearchStrategy[Thing]) -> st.SearchStrategy[Thing | None]:
    """The value or None."""
    return st.one_of(st.none(), strategy)


beyond = st.lists(st.integers(0, 30), max_size=3).map(tuple)
ends = st.tuples(numbers, numbers)
rules = st.builds(
    Rule,
    family=st.sampled_from(Family),
    priority=numbers,
    action=st.sampled_from(Action),
    table=numbers,
    src=maybe(networks()),
    dst=maybe(networks()),
    iif=st.one_of(st.just(""), names),
    oif=st.one_of(st.just(""), names),
    mark=numbers,
    mask=numbers,
    invert=st.booleans(),
    goto=numbers,
    suppress_prefixlength=st.integers(-1, 128),
    protocol=st.integers(0, 255),
    beyond=beyond,
    tos=st.integers(0, 255),
    ip_proto=st.integers(0, 255),
    sport=maybe(ends),
    dport=maybe(ends),
    uids=maybe(ends),
)
routes = st.builds(
    Route,
    family=st.sampled_from(Family),
    table=numbers,
    dst=networks(),
    type=st.sampled_from(RouteType),
    gateway=maybe(ips),
    oif=numbers,
    dev=st.one_of(st.just(""), names),
    prefsrc=maybe(ips),
    metric=numbers,
    scope=st.sampled_from(Scope),
    onlink=st.booleans(),
    protocol=st.integers(0, 255),
    beyond=beyond,
)


chores = st.builds(Chore, kind=st.sampled_from(ThingKind), words=words)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """An operation whose key is its text, as one that came back has."""
    operation = Operation(
        phase=draw(st.sampled_from(Phase)),
        verb=draw(st.sampled_from(get_args(Operation.__annotations__["verb"]))),
        key="",
        thing=draw(st.one_of(rules, routes, chores)),
        seat=draw(st.integers(0, 99)),
        because=draw(words),
        replaces=draw(maybe(routes)),
    )
    return Operation(
        operation.phase,
        operation.verb,
        str(operation),
        operation.thing,
        operation.seat,
        operation.because,
        operation.replaces,
    )


addressings = st.builds(
    Addressing,
    addresses=st.lists(ips, max_size=3).map(tuple),
    subnet=maybe(networks()),
    gateway=maybe(ips),
    prefixes=st.lists(networks(), max_size=2).map(tuple),
)
enis = st.builds(Eni, id=words, mac=words, v4=maybe(addressings), v6=maybe(addressings))


@st.composite
def desires(draw: st.DrawFn) -> NicDesired:
    """What should be for a NIC, or for the whole host."""
    return NicDesired(
        tuple(Want(route, draw(words)) for route in draw(st.lists(routes, max_size=3))),
        tuple(Want(rule, draw(words)) for rule in draw(st.lists(rules, max_size=3))),
        tuple(draw(st.lists(words, max_size=2))),
    )


@st.composite
def nics(draw: st.DrawFn) -> NicView:
    """A NIC, whose addresses are on it."""
    link = draw(
        st.builds(
            Link,
            index=numbers,
            name=names,
            mac=words,
            up=st.booleans(),
            carrier=st.booleans(),
            kind=words,
            master=numbers,
            loopback=st.booleans(),
        )
    )
    state = draw(st.sampled_from(State))
    kept = state in {State.MANAGED, State.KEPT}
    interfaces = draw(st.lists(st.tuples(ips, st.integers(0, 32)), max_size=3))
    return NicView(
        link=link,
        state=state,
        why=draw(words),
        primary=draw(st.booleans()),
        eni=draw(maybe(enis)),
        addresses=tuple(
            Address(
                link.index,
                ip_interface(f"{ip}/{length}"),
                draw(st.integers(0, 255)),
                draw(st.booleans()),
                draw(st.booleans()),
            )
            for ip, length in interfaces
        ),
        seat=draw(st.integers(0, 99)),
        table=draw(numbers),
        priority=draw(numbers),
        desired=draw(desires()),
        mode=draw(st.sampled_from(get_args(ModeWord))) if kept else "source",
        since_s=draw(maybe(times)),
    )


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """Any numbers that could be ours."""
    starts, lengths = st.integers(1, 2**31), st.integers(10, 5000)
    priorities, tables = draw(starts), draw(starts)
    return Domain(
        draw(st.integers(1, 255)),
        range(priorities, priorities + draw(lengths)),
        range(tables, tables + draw(lengths)),
        range(priorities // 2, priorities // 2 + draw(lengths)),
    )


texts = st.lists(words, max_size=2).map(tuple)
views = st.builds(
    View,
    taken_at_s=times,
    by_daemon=st.booleans(),
    domain=domains(),
    facts=st.builds(Facts, provider=words, read_at_s=maybe(times), trouble=words),
    generation=numbers,
    changed_at_s=maybe(times),
    in_sync=st.booleans(),
    why=words,
    standing_by=st.booleans(),
    nics=st.lists(nics(), max_size=3).map(tuple),
    policies=desires(),
    operations=st.lists(operations(), max_size=3).map(tuple),
    foreign_rules=numbers,
    conflicts=texts,
    notes=texts,
)
cleanups = st.builds(
    Cleaned,
    operations=st.lists(operations(), max_size=3).map(tuple),
    refused=st.lists(
        st.builds(Refusal, operation=operations(), errno=st.integers(0, 133), words=words),
        max_size=2,
    ).map(tuple),
    foreign_rules=numbers,
)
