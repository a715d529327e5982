"""Views such as the daemon publishes: a primary left alone, and secondaries with what derive gives
for them.
"""

from ipaddress import IPv4Address, IPv6Address

from srcroutd.core.desired import Nic
from srcroutd.core.join import State
from srcroutd.core.modes.source import derive_source
from srcroutd.core.operation import Operation
from srcroutd.core.plan import Observed, Pruning, plan
from srcroutd.core.view import Cleaned, Facts, NicView, Refusal, View
from tests.pure.worlds import DOMAIN, address, addressing, desired, eni, link, nic

NOW_S = 1_795_000_000.25
EPERM = 1


def a_view(nics: int = 2, addresses: int = 2, *, drift: bool = False) -> View:
    """``addresses`` are the IPv6 addresses of each secondary; it has one of IPv4 besides.

    With ``drift`` nothing of what should be is in the kernel.
    """
    kept = [_secondary(number, addresses) for number in range(1, nics + 1)]
    due = operations(kept) if drift else ()
    return View(
        NOW_S,
        by_daemon=True,
        domain=DOMAIN,
        facts=Facts("aliyun", NOW_S - 20),
        generation=42,
        changed_at_s=NOW_S - 180,
        in_sync=not drift,
        why=f"{len(due)} contested" if drift else "",
        nics=(_primary(), *map(_seen, kept)),
        operations=due,
        foreign_rules=3,
        conflicts=("default via 192.0.2.1 stands beside ours",) if drift else (),
        notes=("made for a test",) if drift else (),
    )


def cleaned(view: View) -> Cleaned:
    """As if all had been removed, but for the first rule."""
    first = view.operations[0]
    return Cleaned(view.operations, (Refusal(first, EPERM, "Operation not permitted"),), 3)


def operations(kept: list[Nic]) -> tuple[Operation, ...]:
    """All that has to be added where nothing is."""
    nothing = Pruning((DOMAIN,), lambda _domain, _thing: None)
    return plan(desired(*kept), Observed({}, {}), nothing)


def _primary() -> NicView:
    known = eni(0, addressing("192.0.2.10", subnet="192.0.2.0/24", gateway="192.0.2.253"))
    return NicView(
        link(0),
        State.LEFT_ALONE,
        "the primary NIC, unless the configuration says manage = true",
        primary=True,
        eni=known,
        addresses=(address(0, "192.0.2.10/24"),),
        since_s=NOW_S - 60,
    )


def _secondary(number: int, addresses: int) -> Nic:
    v4 = str(IPv4Address("198.51.100.0") + 8 * number + 1)
    gateway = str(IPv4Address("198.51.100.0") + 8 * number + 6)
    subnet = f"{IPv4Address('198.51.100.0') + 8 * number}/29"
    net6 = IPv6Address("2001:db8::") + (number << 64)
    v6 = [str(net6 + 5 + count) for count in range(addresses)]
    known = eni(
        number,
        addressing(v4, subnet=subnet, gateway=gateway),
        addressing(*v6, subnet=f"{net6}/64", gateway=str(net6 + 1)) if v6 else None,
    )
    here = [address(number, f"{v4}/29"), *(address(number, f"{text}/64") for text in v6)]
    return nic(number, known, here)


def _seen(one: Nic) -> NicView:
    return NicView(
        one.link,
        State.MANAGED,
        eni=one.eni,
        addresses=one.addresses,
        seat=one.seat,
        table=one.table,
        priority=one.priority,
        desired=derive_source(one),
        since_s=NOW_S - 50,
    )
