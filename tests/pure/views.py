"""Views for the tests of what people see: three NICs, one without facts, and drift at will."""

from dataclasses import replace

from srcroutd.core.desired import Nic
from srcroutd.core.inventory import Eni
from srcroutd.core.join import State
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import Address
from srcroutd.core.operation import Operation, Phase
from srcroutd.core.view import Facts, NicView, View
from tests.pure.worlds import address, addressing, eni, link, nic

NOW = 1_790_000_000.0
PRIMARY = eni(0, addressing("192.0.2.10", subnet="192.0.2.0/24", gateway="192.0.2.253"))
LONG = "2001:db8:1111:2222:3333:4444:5555:6666"
SECOND = eni(
    1,
    addressing("198.51.100.5", subnet="198.51.100.0/24", gateway="198.51.100.253"),
    addressing(
        LONG, subnet="2001:db8:1111:2222::/64", gateway="2001:db8:1111:2222:ffff:ffff:ffff:1"
    ),
)
ON_SECOND = (address(1, "198.51.100.5/24"), address(1, f"{LONG}/64"))


def kept(one: Nic) -> NicView:
    """The view of a managed NIC."""
    return NicView(
        one.link,
        State.MANAGED,
        eni=one.eni,
        addresses=one.addresses,
        seat=one.seat,
        table=one.table,
        priority=one.priority,
        desired=derive_source(one),
    )


def second(known: Eni = SECOND, addresses: tuple[Address, ...] = ON_SECOND) -> NicView:
    """eth1, managed."""
    return kept(nic(1, known, addresses))


def view(*nics: NicView, **more: object) -> View:
    """A daemon's view, in sync unless said otherwise."""
    primary = NicView(
        link(0),
        State.LEFT_ALONE,
        "the primary NIC, unless the configuration says manage = true",
        primary=True,
        eni=PRIMARY,
        addresses=(address(0, "192.0.2.10/24"),),
    )
    waiting = NicView(
        link(3),
        State.WAITING,
        "not in metadata yet",
        addresses=(address(3, "203.0.113.5/24"),),
        since_s=NOW - 8,
    )
    whole = View(
        taken_at_s=NOW,
        by_daemon=True,
        facts=Facts("aliyun", NOW - 20),
        generation=42,
        changed_at_s=NOW - 190,
        in_sync=True,
        nics=(primary, *(nics or (second(),)), waiting),
        foreign_rules=3,
    )
    return replace(whole, **more)  # type: ignore[arg-type]


def missing(one: NicView, *, routes: int = 1, rules: int = 1) -> tuple[Operation, ...]:
    """The operations for the last routes and rules of a NIC, as if somebody had deleted them."""
    last_routes = one.desired.routes[len(one.desired.routes) - routes :]
    wants = (*last_routes, *one.desired.rules[len(one.desired.rules) - rules :])
    phases = [Phase.PUT_ROUTES] * routes + [Phase.ADD_RULES] * rules
    return tuple(
        Operation(phase, "add", str(want.thing), want.thing, one.seat, want.because)
        for phase, want in zip(phases, wants, strict=True)
    )
