"""How the kernel spreads new connections over the NICs of a ``[[load]]`` entry, measured.

Run it as ``python -m tests.packets.spread``: it prints the table that docs/load.md has. Each
measurement is in a network namespace of its own, with NICs that lead nowhere: ``connect`` looks the
way up and chooses the source, and that is all that is asked for.
"""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Literal

from srcroutd.core.desired import Host, HostNic
from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.load import LoadEntry, derive_load
from srcroutd.core.net import Address, Family, Link, Route, Rule
from srcroutd.core.numbering import Domain
from srcroutd.core.plan import Desired, Observed, Pruning, plan
from srcroutd.kernel.messages import add_rule, put_route
from srcroutd.kernel.requests import Requests
from tests.life.namespace import enter_fresh, go_home, home

FLOWS = 10_000
DOMAIN = Domain()
KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
Busy = Literal["many", "one"]
"""Whether the flows have a destination each, or all the same."""


@dataclass(frozen=True)
class Case:
    """What is measured: the weights of eth0, eth1 ..., and who opens what."""

    family: Family
    weights: tuple[int, ...]
    policy: int = 0
    kind: str = "udp"
    busy: Busy = "many"

    @property
    def wanted(self) -> tuple[float, ...]:
        """The share that each NIC should have, in percent."""
        return tuple(100 * weight / sum(self.weights) for weight in self.weights)

    def __str__(self) -> str:
        where = f"{FLOWS:,} destinations" if self.busy == "many" else "one destination"
        weights = ":".join(map(str, self.weights))
        return f"IP{self.family.name.lower()} {self.kind} to {where}, weights {weights}"


CASES = (
    *(
        Case(family, weights)
        for family in Family
        for weights in ((1, 1), (2, 1), (5, 3, 2), (256, 1))
    ),
    *(Case(family, (2, 1), policy=1, kind=kind) for family in Family for kind in KINDS),
    *(
        Case(family, (2, 1), policy, kind, busy="one")
        for family in Family
        for policy in (0, 1)
        for kind in KINDS
    ),
)


def measure(case: Case, flows: int = FLOWS) -> tuple[float, ...]:
    """The share of each NIC in percent, by the address that its connections were given."""
    with namespace():
        nics = tuple(make_nic(number) for number in range(len(case.weights)))
        put(nics, case.weights)
        set_policy(case.policy)
        found = Counter(sources(case, flows))
    assert sum(found.values()) == flows
    return tuple(100 * found[source(number, case.family)] / flows for number in range(len(nics)))


@contextmanager
def namespace() -> Iterator[None]:
    """This thread is in a fresh network namespace."""
    with home() as here:
        enter_fresh()
        try:
            yield
        finally:
            go_home(here)


def make_nic(number: int) -> HostNic:
    """A NIC with an address and a gateway of each family; what it sends is gone."""
    name, mac = f"eth{number}", f"02:00:00:00:01:{number:02x}"
    ip(f"link add {name} address {mac} type veth peer name peer{number}")
    for end in (name, f"peer{number}"):
        ip(f"link set {end} up")
    halves = []
    for family in Family:
        subnet = ip_network(
            f"10.{number}.0.0/24" if family is Family.V4 else f"fd00:1:{number + 1}::/64"
        )
        address = source(number, family)
        nodad = "" if family is Family.V4 else "nodad"
        ip(f"address add {address}/{subnet.prefixlen} dev {name} {nodad}")
        # IPv4 looks the way up once more, with the source that was chosen.
        table = DOMAIN.table(number + 1)
        version = subnet.version
        ip(f"-{version} rule add priority {18010 + 10 * number} from {address} lookup {table}")
        ip(f"-{version} route add default via {subnet[253]} dev {name} table {table}")
        halves.append(Addressing((ip_address(address),), subnet, subnet[253]))
    index = socket.if_nametoindex(name)
    addresses = (
        Address(index, ip_interface(f"{half.addresses[0]}/{half.subnet.prefixlen}"))
        for half in halves
        if half.subnet
    )
    # Each has a table of its own here, so that none counts as left alone.
    return HostNic(
        Link(index, name, mac, up=True),
        tuple(addresses),
        Eni(f"eni-{number}", mac, *halves),
        DOMAIN.table(number + 1),
    )


def ip(words: str) -> None:
    """Run one command of iproute2."""
    subprocess.run(["ip", *words.split()], check=True)


def source(number: int, family: Family) -> str:
    """The address of a NIC."""
    return f"10.{number}.0.5" if family is Family.V4 else f"fd00:1:{number + 1}::5"


def put(nics: Sequence[HostNic], weights: Sequence[int]) -> None:
    """What ``derive_load`` wants goes into the kernel as the daemon puts it there."""
    names = [nic.link.name for nic in nics]
    entry = LoadEntry(tuple(zip(names, weights, strict=True)))
    wanted = derive_load((entry,), Host(DOMAIN, tuple(nics)))
    assert not wanted.notes
    rules = {str(want.thing.family) + str(want.thing): want for want in wanted.rules}
    routes = {str(want.thing.family) + str(want.thing): want for want in wanted.routes}
    steps = plan(Desired(rules, routes), Observed({}, {}), Pruning((DOMAIN,), lambda *_: None))

    async def apply() -> None:
        requests = Requests()
        try:
            for step in steps:
                match step.thing:
                    case Rule() as rule:
                        refused = await requests.execute([add_rule(rule, exclusive=True)])
                    case Route() as route:
                        refused = await requests.execute([put_route(route, replace=True)])
                    case _:
                        continue
                assert not refused, (step, refused)
        finally:
            requests.close()

    asyncio.run(apply())


def set_policy(policy: int) -> None:
    """What flows are told apart by."""
    for version in (4, 6):
        place = Path(f"/proc/sys/net/ipv{version}/fib_multipath_hash_policy")
        place.write_text(str(policy))


def sources(case: Case, flows: int) -> Iterator[str]:
    """Open connections from no address; the one that each was given."""
    six = case.family is Family.V6
    family = socket.AF_INET6 if six else socket.AF_INET
    first = int(ip_address("2001:db8:ffff::1" if six else "198.18.0.1"))
    for number in range(flows):
        destination = ip_address(first + (number if case.busy == "many" else 0))
        with socket.socket(family, KINDS[case.kind]) as one:
            one.setblocking(False)  # noqa: FBT003 - its only parameter
            one.connect_ex((str(destination), 443))
            yield one.getsockname()[0]


def main() -> None:
    """Print all cases as a table of Markdown."""
    sys.stdout.write("| flows | hash policy | wanted % | measured % |\n|---|---|---|---|\n")
    for case in CASES:
        wanted, found = (
            " / ".join(f"{share:.1f}" for share in shares)
            for shares in (case.wanted, measure(case))
        )
        sys.stdout.write(f"| {case} | {case.policy} | {wanted} | {found} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
