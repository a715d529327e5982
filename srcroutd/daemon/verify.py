"""Asking the kernel, address by address, which NIC a packet with it leaves by (RTM_GETROUTE)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from srcroutd.core.net import IP, Network, Route, RouteType, Rule
from srcroutd.core.view import NicView, View
from srcroutd.daemon.hands import SOMEWHERE
from srcroutd.kernel.messages import Failure
from srcroutd.kernel.requests import Requests


@dataclass(frozen=True, slots=True)
class Verdict:
    """One managed address: by which NIC a packet to far away with that source would leave.

    ``leaves_by`` is empty where it would not leave at all; ``why`` says then, or where it leaves by
    another NIC, what is known about the reason.
    """

    nic: str
    address: IP
    ok: bool
    leaves_by: str = ""
    why: str = ""

    def __str__(self) -> str:
        if self.ok:
            return f"{self.address} leaves by {self.nic}"
        if self.leaves_by:
            return f"{self.address} leaves by {self.leaves_by}, should leave by {self.nic}"
        return f"{self.address} does not leave at all, should leave by {self.nic}"


async def verify(view: View) -> tuple[Verdict, ...]:
    """A verdict on every address for which rules are wanted, in the order of the NICs.

    Delegated prefixes are left out: their addresses are not on this host.
    """
    requests = Requests()
    try:
        names = {link.index: link.name for link in await requests.links()}
        return tuple(
            [await _ask(requests, view, nic, ip, names) for nic in view.nics for ip in sources(nic)]
        )
    finally:
        requests.close()


def sources(nic: NicView) -> Iterator[IP]:
    """The addresses for which the NIC has rules, each once."""
    said: set[IP] = set()
    for want in nic.desired.rules:
        src = want.thing.src if isinstance(want.thing, Rule) and not want.thing.invert else None
        if src and src.prefixlen == src.max_prefixlen and src.network_address not in said:
            said.add(src.network_address)
            yield src.network_address


async def _ask(
    requests: Requests, view: View, nic: NicView, ip: IP, names: dict[int, str]
) -> Verdict:
    far_away = SOMEWHERE[ip.version == 6]
    answer = await requests.route_to(far_away, ip)
    if isinstance(answer, Failure):
        words = answer.words or os.strerror(answer.errno)
        return Verdict(nic.link.name, ip, ok=False, why=f"{words}; {_clue(view, nic, ip)}")
    if answer.oif == nic.link.index and answer.type is RouteType.UNICAST:
        return Verdict(nic.link.name, ip, ok=True, leaves_by=nic.link.name)
    if answer.type is not RouteType.UNICAST:
        why = f"{answer.type.name.lower()} by table {answer.table}; {_clue(view, nic, ip)}"
        return Verdict(nic.link.name, ip, ok=False, why=why)
    leaves_by = names.get(answer.oif, f"if{answer.oif}")
    return Verdict(nic.link.name, ip, ok=False, leaves_by=leaves_by, why=_clue(view, nic, ip))


def _clue(view: View, nic: NicView, ip: IP) -> str:
    """What of ours is missing for this address, else where to look."""
    for operation in view.operations:
        thing = operation.thing
        if operation.verb == "delete" or operation.seat != nic.seat:
            continue
        if isinstance(thing, Rule) and _about(thing.src, ip):
            return f"rule {thing.priority} is missing; next: srcroutctl plan"
        if isinstance(thing, Route) and thing.gateway and not thing.dst.prefixlen:
            return f"the default route of table {thing.table} is missing; next: srcroutctl plan"
    if not nic.link.up:
        return f"{nic.link.name} is down; next: ip link set {nic.link.name} up"
    return f"next: srcroutctl explain {SOMEWHERE[ip.version == 6]} --from {ip}"


def _about(src: Network | None, ip: IP) -> bool:
    return src is not None and src.version == ip.version and ip in src
