"""The kernel's nouns as values: link, address, rule, route; each prints as you would type it after
``ip``.

Two rules with equal fields are the same rule to the kernel (its protocol included). A route's
identity is smaller than the route (``Route.identity``): the protocol and the nexthop are content,
not key. Sources: rtnetlink(7), include/uapi/linux/{rtnetlink,fib_rules,if_addr}.h.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from srcroutd.core.ip_protocols import ip_protocol_name

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Interface = IPv4Interface | IPv6Interface

MAIN_TABLE = 254
GUARD_METRIC = 4278198272
"""Metric of the fail-closed ``unreachable default``: later than any route a person or DHCP would
add.
"""


class Family(IntEnum):
    """Address family, by the number the kernel uses (AF_INET, AF_INET6)."""

    V4 = 2
    V6 = 10

    @property
    def everything(self) -> Network:
        """The prefix that covers the whole family, /0."""
        return _EVERYTHING[self]

    @classmethod
    def of(cls, thing: IP | Network | Interface) -> "Family":
        """The family that an address, prefix or interface address belongs to."""
        return cls.V4 if thing.version == 4 else cls.V6


_EVERYTHING: dict[Family, Network] = {
    Family.V4: IPv4Network("0.0.0.0/0"),
    Family.V6: IPv6Network("::/0"),
}


class Action(IntEnum):
    """What a rule does once it matches (FR_ACT_*, include/uapi/linux/fib_rules.h)."""

    LOOKUP = 1
    GOTO = 2
    NOP = 3
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8


class RouteType(IntEnum):
    """What a route does with its packets (RTN_*, include/uapi/linux/rtnetlink.h)."""

    UNICAST = 1
    LOCAL = 2
    BROADCAST = 3
    ANYCAST = 4
    MULTICAST = 5
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8
    THROW = 9


class Scope(IntEnum):
    """Distance of a destination (RT_SCOPE_*); IPv6 routes are always GLOBAL."""

    GLOBAL = 0
    SITE = 200
    LINK = 253
    HOST = 254
    NOWHERE = 255


@dataclass(frozen=True, slots=True)
class Link:
    """A NIC as rtnetlink shows it.

    ``mac`` is lower case with colons (permanent address where the driver has one, else the current
    one), empty for links without one. ``kind`` is IFLA_INFO_KIND ("veth", "bridge"), empty for real
    devices. ``up`` is the administrative state (IFF_UP), ``carrier`` is IFF_LOWER_UP; ``master`` an
    ifindex or 0.
    """

    index: int
    name: str
    mac: str
    up: bool
    carrier: bool = True
    kind: str = ""
    master: int = 0
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An address on a NIC. ``interface`` keeps the prefix length as configured; ``scope`` is
    RT_SCOPE_*.
    """

    index: int
    interface: Interface
    scope: int = Scope.GLOBAL
    secondary: bool = False
    tentative: bool = False
    """IPv6 duplicate address detection is still running or has failed: the kernel refuses it as a
    source.
    """
    duplicate: bool = False
    """IPv6 duplicate address detection has failed: somebody else on the wire answers for it."""
    permanent: bool = True
    """It has no end (IFA_F_PERMANENT); one that a DHCP client or a router gave has."""
    protocol: int = 0
    """Who put it there (IFA_PROTO, Linux 5.18): 0 is nobody in particular, or an older kernel."""

    @property
    def ip(self) -> IP:
        """The address without its prefix length."""
        return self.interface.ip


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the RPDB. Fields left at their default are absent from the message.

    ``mask`` counts only with ``mark``; ``goto`` only with Action.GOTO. ``beyond`` lists netlink
    attribute numbers that this type does not model (a stranger's rule may have them; ours never
    do). ``sport``, ``dport`` and ``uids`` are ranges, both ends included; the kernel takes ports
    from 1 to 65534 and uids up to 4294967294.
    """

    family: Family
    priority: int
    action: Action = Action.LOOKUP
    table: int = 0
    src: Network | None = None
    dst: Network | None = None
    iif: str = ""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    invert: bool = False
    goto: int = 0
    suppress_prefixlength: int = -1
    protocol: int = 0
    beyond: tuple[int, ...] = ()
    tos: int = 0
    """The byte of the header, without the two bits of ECN; IPv4 rules take 0x4 to 0x1c."""
    ip_proto: int = 0
    """The transport protocol by IANA's number; ``protocol`` is who made the rule."""
    sport: tuple[int, int] | None = None
    dport: tuple[int, int] | None = None
    uids: tuple[int, int] | None = None

    @property
    def asks_more(self) -> bool:
        """Whether it asks what the packet is (tos, protocol, ports) or who sends it, besides
        addresses, NICs and mark.
        """
        return bool(self.tos or self.ip_proto or self.sport or self.dport or self.uids)

    def __str__(self) -> str:
        words = [f"{self.priority}:"]
        if self.invert:
            words.append("not")
        words.append(f"from {_short(self.src) if self.src else 'all'}")
        if self.dst:
            words.append(f"to {_short(self.dst)}")
        if self.tos:
            words.append(f"tos {self.tos:#04x}")
        if self.mark or self.mask:
            words.append(f"fwmark {self.mark:#x}/{self.mask:#x}")
        words += [f"{word} {name}" for word, name in (("iif", self.iif), ("oif", self.oif)) if name]
        words += self._transport()
        match self.action:
            case Action.LOOKUP:
                words.append(f"lookup {table_name(self.table)}")
            case Action.GOTO:
                words.append(f"goto {self.goto}")
            case _:
                words.append(self.action.name.lower())
        if self.suppress_prefixlength >= 0:
            words.append(f"suppress_prefixlength {self.suppress_prefixlength}")
        return " ".join(words)

    def _transport(self) -> list[str]:
        words = []
        if self.uids:
            words.append(f"uidrange {self.uids[0]}-{self.uids[1]}")
        if self.ip_proto:
            words.append(f"ipproto {ip_protocol_name(self.ip_proto)}")
        if self.sport:
            words.append(f"sport {span(self.sport)}")
        if self.dport:
            words.append(f"dport {span(self.dport)}")
        return words


@dataclass(frozen=True, slots=True)
class Path:
    """One of several ways of a route. ``weight``, from 1 to 256, is its share of the flows.

    ``oif``, ``dev`` and ``onlink`` are as in ``Route``.
    """

    oif: int
    gateway: IP | None = None
    dev: str = ""
    weight: int = 1
    onlink: bool = False

    def __str__(self) -> str:
        via = f" via {self.gateway}" if self.gateway else ""
        nic = self.dev or f"if{self.oif}"
        return f"nexthop{via} dev {nic} weight {self.weight}{' onlink' if self.onlink else ''}"


@dataclass(frozen=True, slots=True)
class Route:
    """One route: to one next hop, to several (``paths``, at least two), or one that refuses.

    ``oif`` is an ifindex (0: none), ``dev`` its name for people and never part of equality with the
    kernel. ``metric`` 0 means the kernel's default (0 in IPv4, 1024 in IPv6). ``onlink`` is
    RTNH_F_ONLINK. A route with ``paths`` has no gateway, oif or onlink of its own.
    """

    family: Family
    table: int
    dst: Network
    type: RouteType = RouteType.UNICAST
    gateway: IP | None = None
    oif: int = 0
    dev: str = ""
    prefsrc: IP | None = None
    metric: int = 0
    scope: Scope = Scope.GLOBAL
    onlink: bool = False
    protocol: int = 0
    beyond: tuple[int, ...] = ()
    """Attribute numbers that this type does not model (encapsulation, nexthop objects): only
    strangers have them.
    """
    paths: tuple[Path, ...] = ()
    """Several ways at once; the kernel takes one of them for each flow."""

    @property
    def identity(self) -> tuple[int, int, Network, int]:
        """What the kernel keys on: (family, table, destination, metric); our tos is always 0."""
        metric = self.metric or (1024 if self.family is Family.V6 else 0)
        return (self.family, self.table, self.dst, metric)

    @property
    def ways(self) -> tuple[Path, ...]:
        """Each way that it has, one or several; none for a route that refuses."""
        if self.paths or not self.oif:
            return self.paths
        return (Path(self.oif, self.gateway, self.dev, onlink=self.onlink),)

    @property
    def rank(self) -> int:
        """Its place among routes that are put in: one that needs no NIC, one on the link, one by a
        gateway, which the kernel looks up.
        """
        if self.paths:
            return 2 if any(path.gateway for path in self.paths) else 1
        return 0 if not self.oif else 2 if self.gateway else 1

    def __str__(self) -> str:
        words = [] if self.type is RouteType.UNICAST else [self.type.name.lower()]
        words.append("default" if self.dst.prefixlen == 0 else _short(self.dst))
        if self.gateway:
            words.append(f"via {self.gateway}")
        if self.oif:
            words.append(f"dev {self.dev or f'if{self.oif}'}")
        words.append(f"table {table_name(self.table)}")
        if self.scope is Scope.LINK:
            words.append("scope link")
        if self.prefsrc:
            words.append(f"src {self.prefsrc}")
        if self.metric:
            words.append(f"metric {self.metric}")
        if self.onlink:
            words.append("onlink")
        return " ".join([*words, *map(str, self.paths)])


def with_dev(route: Route, names: Mapping[int, str]) -> Route:
    """The route with the names of its NICs, by ifindex, where a dump gave only the number."""
    if route.paths:
        paths = tuple(replace(way, dev=way.dev or names.get(way.oif, "")) for way in route.paths)
        return route if paths == route.paths else replace(route, paths=paths)
    name = names.get(route.oif, "")
    return replace(route, dev=name) if name and not route.dev else route


def network_of(ip: IP) -> Network:
    """The host prefix (/32 or /128) of one address."""
    number = int(ip)  # a pair is three times as fast as an address object
    return IPv4Network((number, 32)) if ip.version == 4 else IPv6Network((number, 128))


def table_name(table: int) -> str:
    """The word for a table that ``ip`` would print without a labels file."""
    return {253: "default", 254: "main", 255: "local"}.get(table, str(table))


def span(ends: tuple[int, int]) -> str:
    """A range of ports: ``80`` or ``80-90``."""
    first, last = ends
    return str(first) if first == last else f"{first}-{last}"


def _short(network: Network) -> str:
    """A host prefix without its /32 or /128, as ``ip`` prints it."""
    return (
        str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    )
