"""Hosts for the tests of the pictures: real derivations and plans, with drift and names at will."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from srcroutd.core.desired import Nic
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import Route, Rule
from srcroutd.core.plan import Observed, Pruning, plan
from srcroutd.core.view import View
from srcroutd.export.graph.picture import Picture
from tests.pure.views import kept, view
from tests.pure.worlds import DOMAIN, address, addressing, desired, eni, nic

HOSTILE = [
    '"><script>alert(1)</script>',
    "a&b<c>\\n'%s",
    "x\u202ey",
    "é" * 15,
    "\x00\x1b[31m",
    "中" * 7,
    "\udce9",
]

NASTY = [
    *HOSTILE,
    'style a:x#b;"',
    "classDef z:#1;",
    "1. x",
    "end",
    "http://a.b/c www.x.y",
    "**b** _i_ `c`",
    "#quot;",
    "%%{init}%%",
    'end"]\nX-->Y',
    "\\l\\N&lt;",
    "  x",
]


def named(name: str) -> View:
    """A host whose NIC and ENI bear that name."""
    one = numbered(1)
    one = replace(one, link=replace(one.link, name=name), eni=replace(one.eni, id=name))
    return replace(host(one), conflicts=(name,))


Thing = Rule | Route


def v4_net(number: int) -> str:
    """Three octets for the subnet of an ENI: the documentation's (RFC 5737), then the benchmarks'
    (RFC 2544).
    """
    return ("192.0.2", "198.51.100", "203.0.113")[number] if number < 3 else f"198.18.{number}"


def numbered(number: int, *, addresses: int = 1, v6: bool = True, prefixes: int = 0) -> Nic:
    """The NIC eth``number`` with so many addresses a family."""
    v4 = [f"{v4_net(number)}.{host}" for host in range(5, 5 + addresses)]
    sixes = [
        f"2001:db8:1111:{number:04x}:aaaa:bbbb:cccc:{host:04x}" for host in range(1, 1 + addresses)
    ]
    known = eni(
        number,
        addressing(
            *v4,
            subnet=f"{v4_net(number)}.0/24",
            gateway=f"{v4_net(number)}.253",
            prefixes=tuple(f"{v4_net(number)}.{128 + 16 * one}/28" for one in range(prefixes)),
        ),
        addressing(
            *sixes,
            subnet=f"2001:db8:1111:{number:x}::/64",
            gateway=f"2001:db8:1111:{number:x}:ffff:ffff:ffff:fffd",
        )
        if v6
        else None,
    )
    here = [address(number, f"{ip}/24") for ip in v4]
    here += [address(number, f"{ip}/64") for ip in sixes if v6]
    elsewhere = tuple(
        (f"{v4_net(other)}.0/24", f"eni-{other}") for other in range(3) if other != number
    )
    return nic(number, known, here, elsewhere=elsewhere)


def host(*nics: Nic, lost: Iterable[Thing] = (), stray: Iterable[Thing] = ()) -> View:
    """A view of managed NICs; the kernel has lost some things and holds some strays of ours."""
    gone, wanted = frozenset(lost), desired(*nics)
    held = [one for one in (*wanted.rules, *wanted.routes) if one not in gone] + list(stray)
    rules = Counter(one for one in held if isinstance(one, Rule))
    routes = {one.identity: one for one in held if isinstance(one, Route)}
    kernel: Observed[Thing] = Observed(
        {rule: rule for rule in rules},
        {route: route for route in routes.values()},
        tuple(rule for rule, times in rules.items() if times > 1),
    )
    due = plan(wanted, kernel, Pruning((DOMAIN,), lambda *_: "gone from metadata"))
    return replace(view(*map(kept, nics)), operations=due, in_sync=not due)


def rules_of(one: Nic) -> list[Rule]:
    """The rules that a NIC should have."""
    return [want.thing for want in derive_source(one).rules if isinstance(want.thing, Rule)]


def routes_of(one: Nic) -> list[Route]:
    """The routes that a NIC should have."""
    return [want.thing for want in derive_source(one).routes if isinstance(want.thing, Route)]


def three_enis() -> View:
    """The host of the documentation: primary left alone, one NIC in sync, one out of step."""
    one, two = numbered(1, addresses=2), numbered(2, addresses=3, v6=False)
    rules, routes = rules_of(two), routes_of(two)
    lost = [rule for rule in rules if str(rule.src) == "203.0.113.6/32"]
    theirs = replace(routes[-1], gateway=ip_address("203.0.113.1"), protocol=4)
    gone = [
        replace(rule, src=ip_network("203.0.113.9/32"))
        for rule in rules
        if str(rule.src) == "203.0.113.5/32"
    ]
    whole = host(one, two, lost=[*lost, routes[-1]], stray=[theirs, *gone])
    return replace(whole, nics=whole.nics[:-1])


def told(picture: Picture, name: str) -> list[str]:
    return [line.words() for line in picture.node(name).lines]
