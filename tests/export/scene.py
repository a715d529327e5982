"""The host that the exports are held against: three ENIs, and the words that make its NICs.

eth1 has many addresses (so the daemon adds its pair of rules with goto) and delegated prefixes,
eth2 lies in the same subnet and has an IPv6 gateway off it, eth3 has both gateways off its subnet.
"""

from dataclasses import replace

from srcroutd.core.desired import Nic
from srcroutd.core.operation import Operation
from srcroutd.core.plan import Observed, Pruning, plan
from srcroutd.core.view import View
from tests.pure.views import kept, view
from tests.pure.worlds import DOMAIN, address, addressing, desired, eni, mac, nic

SHARED, FAR = "198.51.100.0/24", "192.0.2.0/26"
SHARED6, FAR6 = "2001:db8:1::/64", "2001:db8:3::/64"
ADDRESSES = {
    1: (
        *(f"198.51.100.{host}/24" for host in (5, 6, 7, 8, 9, 10)),
        *(f"2001:db8:1::{host}/64" for host in (5, 6, 7, 8, 9)),
    ),
    2: ("198.51.100.20/24", "2001:db8:1::20/64"),
    3: ("192.0.2.30/26", "2001:db8:3::30/64"),
}
MANY, MANY6 = ADDRESSES[1][:6], ADDRESSES[1][6:]
_ENIS = {
    1: eni(
        1,
        addressing(
            *(one.partition("/")[0] for one in MANY),
            subnet=SHARED,
            gateway="198.51.100.253",
            prefixes=("198.51.100.128/28", "198.51.100.144/28"),
        ),
        addressing(
            *(one.partition("/")[0] for one in MANY6),
            subnet=SHARED6,
            gateway="2001:db8:1::253",
            prefixes=("2001:db8:1:0:8000::/80",),
        ),
    ),
    2: eni(
        2,
        addressing("198.51.100.20", subnet=SHARED, gateway="198.51.100.253"),
        addressing("2001:db8:1::20", subnet=SHARED6, gateway="2001:db8:ffff::1"),
    ),
    3: eni(
        3,
        addressing("192.0.2.30", subnet=FAR, gateway="203.0.113.1"),
        addressing("2001:db8:3::30", subnet=FAR6, gateway="2001:db8:ffff::1"),
    ),
}
SUBNETS = {1: (SHARED, SHARED6), 2: (SHARED, SHARED6), 3: (FAR, FAR6)}
NUMBERS = tuple(ADDRESSES)
TABLES = tuple(DOMAIN.table(number) for number in NUMBERS)


def nics() -> tuple[Nic, ...]:
    """The three of them, as the join of the daemon gives them."""
    return tuple(_nic(number) for number in NUMBERS)


def _nic(number: int) -> Nic:
    one = nic(
        number,
        _ENIS[number],
        tuple(address(number, text) for text in ADDRESSES[number]),
        elsewhere=tuple(
            (subnet, f"eni-{other}")
            for other in NUMBERS
            if other != number
            for subnet in SUBNETS[other]
        ),
    )
    halves = [half for known in _ENIS.values() for half in (known.v4, known.v6) if half]
    return replace(one, delegated=tuple(prefix for half in halves for prefix in half.prefixes))


def scene(*chosen: Nic) -> View:
    """The view of a daemon that keeps these NICs (all three for none)."""
    return view(*(kept(one) for one in chosen or nics()))


def operations(*chosen: Nic) -> tuple[Operation, ...]:
    """What the daemon would do in an empty kernel."""
    pruning = Pruning((DOMAIN,), lambda _domain, _thing: None)
    return plan(desired(*(chosen or nics())), Observed({}, {}), pruning)


def links(*, addresses: bool = True) -> str:
    """The words that make the NICs in an empty namespace, for ``ip -batch``; with the ifindexes of
    ``nics``.
    """
    lines = ["link set lo up"]
    for number in NUMBERS:
        name = f"eth{number}"
        far = f"peer name far{number} index {number + 102} address 02:00:00:00:00:0{number}"
        lines += [
            f"link add {name} index {number + 2} address {mac(number)} type veth {far}",
            f"link set {name} addrgenmode none",
            f"link set far{number} addrgenmode none",
            f"link set far{number} up",
            f"link set {name} up",
        ]
        if addresses:
            lines += [
                f"address add {text} dev {name}{' nodad' if ':' in text else ''}"
                for text in ADDRESSES[number]
            ]
    return "\n".join(lines) + "\n"
