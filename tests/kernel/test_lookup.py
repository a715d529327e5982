"""The walk agrees with the real kernel, or says that it does not know, which must be rare."""

import socket
import subprocess
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from srcroutd.core.lookup import walk
from srcroutd.core.lookup_compare import Answer, differences
from srcroutd.core.lookup_values import Beyond, Packet, Rpdb
from srcroutd.core.net import Family, Route
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb
from tests.kernel.common import Tell
from tests.kernel.lookup_worlds import NICS, SETTLE, World, addresses, apply, packets, worlds

pytestmark = pytest.mark.usefixtures("settled")
EXAMPLES = 800


@pytest.fixture
def settled(netns: None) -> dict[str, int]:
    """NICs and addresses of the worlds: name to ifindex."""
    assert netns is None
    subprocess.run(["ip", "-batch", "-"], input=SETTLE, text=True, check=True)
    return {name: socket.if_nametoindex(name) for name in ("lo", *NICS)}


async def ask(requests: Requests, packet: Packet, indexes: dict[str, int]) -> Answer:
    """What the kernel says of a packet."""
    answer = await requests.route_to(
        packet.dst,
        packet.src,
        iif=indexes[packet.iif] if packet.iif else 0,
        oif=indexes[packet.oif] if packet.oif else 0,
        mark=packet.mark,
    )
    return answer if isinstance(answer, Route) else answer.errno


def told(rpdb: Rpdb) -> str:
    """The kernel's state, for a failing example."""
    lines = [f"rule {rule} {rule.beyond or ''}" for rule in rpdb.rules]
    lines += [f"route {route}" for routes in rpdb.tables.values() for route in routes]
    return "\n".join([*lines, str(rpdb.sysctls)])


@pytest.mark.parametrize("family", Family)
def test_every_walk_is_the_kernels_way_or_beyond(
    family: Family, settled: dict[str, int], tell: Tell
) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(worlds(family, settled))
    def agrees(world: World) -> None:
        async def story(requests: Requests) -> None:
            await apply(requests, world)
            rpdb = await read_rpdb(requests, family, addresses(family), NICS)
            for packet in packets(family):
                answer = await ask(requests, packet, settled)
                found = walk(rpdb, packet)
                counts["packets"] += 1
                counts[type(found.end).__name__] += 1
                counts.update(step.outcome.name for step in found.steps)
                counts[str(getattr(found.end,"errnos",""))]+=1;counts["mech"+str(getattr(getattr(found.end,"source",None),"mechanism",""))]+=1

                if isinstance(found.end, Beyond):
                    counts["beyond"] += 1
                    counts[found.end.why] += 1
                wrong = differences(rpdb, found, answer)
                if wrong:
                    note(told(rpdb))
                    steps = "\n".join(f"{step.rule}: {step.outcome}" for step in found.steps)
                    note(f"{packet}\n{steps}\n{found.end}\nkernel: {answer}")
                assert not wrong

        tell(story)

    agrees()
    print(counts.most_common(42))
    assert counts["packets"] >= 10_000
    assert counts["beyond"] < counts["packets"] / 20


_ = st
