"""Small worlds for the pure tests: NICs and ENIs with documentation addresses, and a kernel in a
dict.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network

from srcroutd.core.desired import Nic, Settings
from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import Address, Family, Link, Route, Rule, Scope
from srcroutd.core.numbering import Domain
from srcroutd.core.operation import Operation
from srcroutd.core.plan import Desired, Observed

DOMAIN = Domain()


def mac(number: int) -> str:
    return f"00:16:3e:00:00:{number:02x}"


def link(number: int, *, name: str | None = None, up: bool = True) -> Link:
    return Link(number + 2, f"eth{number}" if name is None else name, mac(number), up)


def addressing(
    *addresses: str, subnet: str, gateway: str | None, prefixes: tuple[str, ...] = ()
) -> Addressing:
    return Addressing(
        tuple(ip_address(text) for text in addresses),
        ip_network(subnet),
        ip_address(gateway) if gateway else None,
        tuple(ip_network(text) for text in prefixes),
    )


def eni(number: int, v4: Addressing | None = None, v6: Addressing | None = None) -> Eni:
    return Eni(f"eni-{number}", mac(number), v4, v6)


def address(
    number: int, text: str, *, tentative: bool = False, scope: int = Scope.GLOBAL
) -> Address:
    return Address(number + 2, ip_interface(text), scope, tentative=tentative)


def nic(
    number: int,
    known: Eni,
    addresses: Iterable[Address],
    *,
    up: bool = True,
    settings: Settings | None = None,
    elsewhere: tuple[tuple[str, str], ...] = (),
) -> Nic:
    return Nic(
        link(number, up=up),
        tuple(addresses),
        known,
        "aliyun",
        number,
        DOMAIN.table(number),
        DOMAIN.priority(number),
        DOMAIN.protocol,
        settings or Settings(),
        tuple((ip_network(text), owner) for text, owner in elsewhere),
        delegated=tuple(
            prefix for half in (known.v4, known.v6) if half for prefix in half.prefixes
        ),
    )


def desired(*nics: Nic) -> Desired[Rule | Route]:
    wanted = [derive_source(one) for one in nics]
    return Desired(
        {want.thing: want for one in wanted for want in one.rules},
        {want.thing: want for one in wanted for want in one.routes},
    )


def told(operations: Iterable[Operation]) -> list[str]:
    return [str(operation) for operation in operations]


@dataclass
class Kernel:
    """A model of what the kernel keeps: rules by value, IPv4 and IPv6 routes by identity."""

    rules: list[Rule] = field(default_factory=list)
    routes: dict[object, Route] = field(default_factory=dict)

    def observed(self) -> Observed[Rule | Route]:
        """What a dump of it would give."""
        twice = tuple(rule for rule in dict.fromkeys(self.rules) if self.rules.count(rule) > 1)
        return Observed(
            {rule: rule for rule in self.rules}, {r: r for r in self.routes.values()}, twice
        )

    def hold(self, things: Iterable[Rule | Route]) -> "Kernel":
        """Put things in without asking."""
        for thing in things:
            if isinstance(thing, Rule):
                self.rules.append(thing)
            else:
                self.routes[thing.identity] = thing
        return self

    def carry_out(self, operation: Operation) -> None:
        """Do what the kernel does with one operation; assert that it would not refuse."""
        thing = operation.thing
        match operation.verb, thing:
            case "add", Rule():
                self.rules.append(thing)
            case "delete", Rule():
                self.rules.remove(thing)
            case "add", Route():
                assert thing.identity not in self.routes, (
                    f"the kernel would say EEXIST to {operation}"
                )
                self.routes[thing.identity] = thing
            case "replace", Route():
                assert thing.identity in self.routes
                self.routes[thing.identity] = thing
            case "delete", Route():
                assert self.routes.pop(thing.identity) == thing

    def stranded(self) -> set[tuple[Family, int]]:
        """(family, table) of our tables that a rule of ours points at and that hold no route."""
        held = {(route.family, route.table) for route in self.routes.values()}
        return {
            (rule.family, rule.table)
            for rule in self.rules
            if DOMAIN.owns_rule(rule) and rule.table in DOMAIN.tables
        } - held
