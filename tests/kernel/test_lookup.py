"""The walk agrees with the real kernel, or says that it does not know, which must be rare."""

import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_compare import differences
from srcroutd.core.lookup_values import Leaves, Outcome, Packet, Rpdb
from srcroutd.core.net import Family, Route
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from tests.kernel.common import Tell
from tests.kernel.lookup_packets import addresses, packets
from tests.kernel.lookup_worlds import (
    NICS,
    World,
    apply,
    ask,
    clear,
    lay,
    lift,
    prepare,
    routes,
    settle,
    worlds,
)

V4, V6 = Family.V4, Family.V6
WORLDS = 100
AT_MOST_BEYOND = 0.05
many = partial(settings, suppress_health_check=list(HealthCheck))


@dataclass
class Tally:
    """What was seen, so that a run that proves nothing fails."""

    ends: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    mechanisms: Counter[int] = field(default_factory=Counter)

    @property
    def packets(self) -> int:
        """How many packets were walked."""
        return sum(self.ends.values())

    @property
    def beyond(self) -> float:
        """The share of packets that the walk gave up."""
        return self.ends["Beyond"] / self.packets


@pytest.fixture
def settled(netns: None) -> dict[str, int]:
    """NICs and addresses of the worlds: name to ifindex."""
    assert netns is None
    return settle()


async def compare(
    requests: Requests,
    family: Family,
    sent: Iterable[Packet],
    indexes: dict[str, int],
    tally: Tally,
) -> None:
    """Walk each packet and ask the kernel the same; they may not differ."""
    rpdb = await read_rpdb(requests, family, addresses(family), NICS)
    for packet in sent:
        answer = await ask(requests, packet, indexes)
        found = walk(rpdb, packet)
        tally.ends[type(found.end).__name__] += 1
        tally.outcomes.update(step.outcome for step in found.steps)
        if isinstance(found.end, Leaves) and found.end.source:
            tally.mechanisms[found.end.source.mechanism] += 1
        wrong = differences(rpdb, found, answer)
        if wrong:
            note(told(rpdb))
            note("\n".join(f"{step.rule}: {step.outcome.name}" for step in found.steps))
            note(f"{packet}\n{found.end}\nthe kernel: {answer}")
        assert not wrong


def told(rpdb: Rpdb) -> str:
    """The kernel's state, for a failing example."""
    lines = [f"rule {rule} {rule.beyond or ''}" for rule in rpdb.rules]
    lines += [
        f"route {route} {route.beyond or ''}" for found in rpdb.tables.values() for route in found
    ]
    return "\n".join([*lines, str(rpdb.sysctls)])


@pytest.mark.slow
@pytest.mark.parametrize("family", Family)
def test_the_walk_finds_the_kernels_way_in_every_world(
    family: Family, settled: dict[str, int], tell: Tell
) -> None:
    tally = Tally()

    @many(max_examples=WORLDS)
    @given(worlds(family, settled))
    def agrees(world: World) -> None:
        async def story(requests: Requests) -> None:
            await apply(requests, world)
            await compare(requests, family, packets(family), settled, tally)

        prepare(world)
        tell(story)

    agrees()
    assert tally.packets > 10_000
    assert tally.beyond < AT_MOST_BEYOND
    assert not set(Outcome) - {Outcome.BEYOND} - tally.outcomes.keys()
    assert tally.ends["Leaves"] > tally.packets / 5
    assert tally.ends["Spread"] > 0
    assert tally.mechanisms.keys() == {1, 2, 3}


@pytest.mark.parametrize("family", Family)
def test_a_host_that_never_had_a_rule_looks_in_local_and_main_at_once(
    family: Family, settled: dict[str, int], tell: Tell
) -> None:
    """IPv4 keeps both in one tree until the first rule is made, so the longest prefix of both wins.

    The walk cannot see whether that is so: it must be right before and after.
    """
    tally = Tally()

    @many(max_examples=WORLDS // 4)
    @given(st.lists(routes(family, settled), max_size=10))
    def agrees(laid: list[Route]) -> None:
        async def story(requests: Requests) -> None:
            await lift(requests, family)
            await lay(requests, laid)
            await compare(requests, family, packets(family), settled, tally)

        tell(story)

    agrees()
    option = "-6" if family is V6 else "-4"
    for verb in ("add pref 9 nop", "del pref 9"):
        subprocess.run(f"ip {option} rule {verb}".split(), check=True)
    agrees()
    assert tally.beyond < 2 * AT_MOST_BEYOND


STRANGERS: dict[Family, tuple[str, ...]] = {
    V4: (
        "rule add pref 3 ipproto tcp lookup 100",
        "rule add pref 3 from 192.0.2.1 sport 80 lookup 101",
        "rule add pref 4 dport 80-90 unreachable",
        "rule add pref 4 not to 172.16.0.0/12 uidrange 5-9 lookup 100",
        "rule add pref 5 uidrange 0-0 blackhole",
        "rule add pref 5 tos 0x10 lookup 101",
        "rule add pref 6 from 192.0.2.77/24 lookup 100",
        "rule add pref 6 not to 172.16.5.9/24 lookup 101",
        "rule add pref 7 suppress_ifgroup 0 lookup 100",
        "rule add pref 7 tun_id 7 goto 9",
        "rule add pref 8 l3mdev",
        "rule add pref 9 realms 3/4 lookup 100",
        "route add 172.16.0.0/12 table 100 nexthop via 192.0.2.254 nexthop via 203.0.113.254",
        "route add 172.16.5.0/24 table 101 nexthop via 192.0.2.254 dev eth2 nexthop dev eth1",
        "route add 172.16.5.0/24 table 100 tos 0x10 via 192.0.2.253",
        "route add 172.16.5.0/24 table 100 via 192.0.2.253 mtu 1400",
        "route add 172.16.0.0/12 table 101 via inet6 2001:db8:1::fe dev eth1",
        "nexthop replace id 5 via 192.0.2.250 dev eth1",
        "route add 172.16.77.0/24 table 100 nhid 5",
        "route add default table 101 realm 5 via 192.0.2.249",
        "route append default table 100 via 192.0.2.248 dev eth1",
        "route append default table 100 via 192.0.2.247 dev eth2",
        "route append default table 100 dev eth1",
        "route append 172.16.5.0/24 table 100 via 192.0.2.246 dev eth1",
    ),
    V6: (
        "-6 rule add pref 3 ipproto tcp lookup 100",
        "-6 rule add pref 3 from 2001:db8:1::1 sport 80 lookup 101",
        "-6 rule add pref 4 uidrange 0-0 blackhole",
        "-6 rule add pref 5 tos 0x10 lookup 101",
        "-6 rule add pref 6 from 2001:db8:1::77/64 lookup 100",
        "-6 rule add pref 7 suppress_ifgroup 0 lookup 100",
        "-6 rule add pref 8 l3mdev",
        "-6 route add 2001:db8:7::/48 table 100 via 2001:db8:1::fd expires 300",
        "-6 route add 2001:db8:7::/48 table 101 via 2001:db8:1::fd pref high",
        "-6 route add 2001:db8:7::/48 table 100 via 2001:db8:2::fd metric 2000 pref high",
        "-6 route add 2001:db8:7::/48 table 100 via 2001:db8:2::fd metric 3000",
        "-6 route add default table 100 via 2001:db8:1::fd pref low",
        "-6 route append default table 100 via 2001:db8:1::fc",
        "-6 route append default table 101 nexthop via 2001:db8:1::fc nexthop via 2001:db8:2::fb",
        "-6 route append default table 101 dev eth2",
        "-6 route append default table 101 dev eth1",
        "-6 route add 2001:db8::/32 from 2001:db8:1::/64 table 100 via 2001:db8:2::fd",
        "-6 route add default from 2001:db8:1::/64 table 101 via 2001:db8:2::fd",
        "-6 route add 2001:db8:77::/48 table 101 via 2001:db8:2::fd mtu 1400",
        "nexthop replace id 6 via 2001:db8:1::fa dev eth1",
        "-6 route add 2001:db8:77::/48 table 100 nhid 6",
        "-6 route add fd00:3::/64 table 100 via 2001:db8:1::fd",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", Family)
def test_what_strangers_have_beyond_our_types_never_leads_to_a_wrong_answer(
    family: Family, settled: dict[str, int], tell: Tell
) -> None:
    tally = Tally()

    @many(max_examples=WORLDS // 2)
    @given(
        worlds(family, settled),
        st.lists(st.sampled_from(STRANGERS[family]), min_size=1, max_size=8, unique=True),
    )
    def agrees(world: World, strangers: list[str]) -> None:
        async def story(requests: Requests) -> None:
            await compare(requests, family, packets(family), settled, tally)
            await clear(requests, family)

        prepare(world)
        tell(lambda requests: apply(requests, world))
        lines = "\n".join(line.removeprefix("-6 ") for line in strangers)
        command = ["ip", "-6" if family is V6 else "-4", "-force", "-batch", "-"]
        subprocess.run(command, input=lines, text=True, check=False, capture_output=True)
        tell(story)

    agrees()
    assert 0.003 < tally.beyond < 0.5
    assert tally.ends["Leaves"] > tally.packets / 10
