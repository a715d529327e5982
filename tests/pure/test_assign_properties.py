"""Addresses put and taken away, whatever stands there and whatever is known."""

from ipaddress import ip_interface

from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.assign_values import Memory, Placed
from srcroutd.core.assigned import PutAddress
from srcroutd.core.desired import Settings
from srcroutd.core.join import State
from srcroutd.core.net import Address
from tests.pure.assigning import ALONE, ENI1, FULL, Host, without
from tests.pure.worlds import link

TEXTS = ("192.0.2.5", "192.0.2.6", "192.0.2.9", "2001:db8::5", "2001:db8::6", "2001:db8::9")


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    ip = draw(st.sampled_from(TEXTS))
    longest = 128 if ":" in ip else 32
    return Address(
        draw(st.sampled_from((1, 3, 4))),
        ip_interface(f"{ip}/{draw(st.sampled_from((24, longest)))}"),
        draw(st.sampled_from((0, 0, 253))),
        permanent=draw(st.booleans()),
        protocol=draw(st.sampled_from((0, 83, 83, 84))),
    )


def _where(one: Address) -> tuple[int, object]:
    return (one.index, one.interface)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    dropped = draw(st.sampled_from((None, *TEXTS)))
    return Host(
        tuple(
            draw(
                st.lists(addresses(), max_size=8, unique_by=lambda one: (one.index, one.interface))
            )
        ),
        eni1=without(dropped) if dropped else ENI1,
        settings=Settings(addresses=draw(st.sampled_from(("leave", "assign")))),
        managers=draw(st.sampled_from(({}, ALONE, {3: "dhclient"}))),
        confirmed=draw(st.booleans()),
        up=draw(st.booleans()),
        tells=draw(st.booleans()),
        state=draw(st.sampled_from(list(State))),
        final=draw(st.booleans()),
        pending=draw(st.booleans()),
        memory=Memory(
            draw(
                st.frozensets(
                    st.sampled_from([Placed(link(1).mac, 3, one.interface) for one in FULL])
                )
            )
        ),
    )


def is_marked(host: Host, one: Address) -> bool:
    """Said once more in other words: what may be called ours."""
    whole = one.interface.network.num_addresses == 1
    tells = host.tells or any(each.protocol for each in host.addresses)
    remembered = Placed(link(1).mac, one.index, one.interface) in host.memory.put
    mine = one.protocol == 83 if tells else remembered
    return whole and one.permanent and one.scope == 0 and one.index in {3, 4} and mine


@given(hosts())
def test_only_what_we_put_is_ever_taken_away(host: Host) -> None:
    ours_there = {(one.index, one.interface) for one in host.addresses if is_marked(host, one)}
    for operation in host.plan().operations:
        if operation.verb == "delete":
            assert (operation.key.index, operation.key.interface) in ours_there  # type: ignore[attr-defined]


@given(hosts())
def test_nothing_is_put_that_stands_anywhere(host: Host) -> None:
    there = {one.ip for one in host.addresses}
    puts = [op.key for op in host.plan().operations if isinstance(op.key, PutAddress)]
    assert not there & {put.interface.ip for put in puts}
    assert len({put.interface for put in puts}) == len(puts)


@given(hosts())
def test_an_unsure_host_loses_nothing_that_metadata_decides(host: Host) -> None:
    sure = (host.confirmed or host.final) and not host.pending and host.state is State.MANAGED
    if sure or host.state is State.LEFT_ALONE or host.settings.addresses == "leave":
        return
    twins = {
        one.interface
        for one in host.addresses
        if any(
            (other.index, other.ip) == (one.index, one.ip) and other.interface != one.interface
            for other in host.addresses
        )
    }
    gone = [op.key for op in host.plan().operations if op.verb == "delete"]
    assert all(key.index == 4 or key.interface in twins for key in gone)  # type: ignore[attr-defined]


@given(hosts())
def test_the_same_look_gives_the_same_plan_and_what_was_done_needs_nothing_more(
    host: Host,
) -> None:
    plan = host.plan()
    assert plan == host.plan()
    there = list(host.addresses)
    for operation in plan.operations:
        key = operation.key
        if isinstance(key, PutAddress):
            there.append(Address(key.index, key.interface, protocol=key.protocol))
        elif operation.verb == "delete":
            there = [
                one
                for one in there
                if (one.index, one.interface) != (key.index, key.interface)  # type: ignore[attr-defined]
            ]
        else:
            return  # the link comes up: another look decides
    host.addresses, host.memory, host.tells = tuple(there), plan.memory, True
    again = [op for op in host.plan().operations if isinstance(op.key, PutAddress)]
    puts = [op for op in plan.operations if isinstance(op.key, PutAddress)]
    assert not {op.key for op in again} & {op.key for op in puts}
