"""What a walk through the RPDB looks at, and what it finds, as values.

An ``Rpdb`` is one family as the kernel held it at one moment: rules and routes in the kernel's
order, links, addresses, sysctls. ``lookup.walk`` turns it and a ``Packet`` into a ``Walk``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from srcroutd.core.net import IP, Address, Family, Link, Network, Route, Rule

UNKNOWN_ROUTES = "its routes were not read"


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. ``src`` None: an application on this host that bound no address.

    ``iif`` is the NIC that it comes in by, empty for a packet that this host sends; ``oif`` the NIC
    that the sender is bound to (SO_BINDTODEVICE) and without meaning for a packet that comes in.
    ``tos`` is the byte of the header, without the two bits of ECN. ``proto`` None: it is not said
    which, and the kernel then takes UDP in IPv4 and none in IPv6; 0 is none (ARP). A port is 0
    where it is not said or the protocol has none. ``uid`` is the sender's, or that of who answers
    what comes in.
    """

    dst: IP
    src: IP | None = None
    iif: str = ""
    oif: str = ""
    mark: int = 0
    tos: int = 0
    proto: int | None = None
    sport: int = 0
    dport: int = 0
    uid: int = 0

    @property
    def family(self) -> Family:
        """The family that its destination belongs to."""
        return Family.of(self.dst)


@dataclass(frozen=True, slots=True)
class Own:
    """An address of this host as the choice of a source sees it.

    ``network`` is what counts as reached directly through it: the peer's where there is a peer.
    ``odd`` says in words what the choice does not model (a mobile node's home address).
    """

    address: Address
    network: Network
    deprecated: bool = False
    odd: str = ""


@dataclass(frozen=True, slots=True)
class NicConf:
    """net.ipv4.conf.NIC of one NIC as it stands in /proc/sys; ``Sysctls.in_force`` combines it with
    ``all``.
    """

    rp_filter: int = 0
    src_valid_mark: int = 0
    accept_local: int = 0
    forwarding: int = 0
    route_localnet: int = 0
    send_redirects: int = 1
    arp_ignore: int = 0
    arp_announce: int = 0
    arp_filter: int = 0


@dataclass(frozen=True, slots=True)
class NicConf6:
    """net.ipv6.conf.NIC of one NIC as it stands in /proc/sys."""

    forwarding: int = 0
    use_tempaddr: int = 0
    use_oif_addrs_only: int = 0


@dataclass(frozen=True, slots=True)
class Sysctls:
    """The network sysctls that a look-up depends on, by NIC name; ``all`` stands for every NIC.

    A NIC that is not listed has the kernel's defaults.
    """

    all: NicConf = NicConf()
    nics: Mapping[str, NicConf] = field(default_factory=dict)
    all6: NicConf6 = NicConf6()
    nics6: Mapping[str, NicConf6] = field(default_factory=dict)
    hash_policies: Mapping[Family, int] = field(default_factory=dict)
    """fib_multipath_hash_policy: by what flows are spread over the ways of a route."""

    def in_force(self, nic: str) -> NicConf:
        """What the kernel acts on for IPv4: the larger of ``all`` and the NIC's own where the size
        counts, and either where it only counts that it is not 0.

        Forwarding is the NIC's alone. Source: the macros IN_DEV_* in include/linux/inetdevice.h.
        """
        own, every = self.nics.get(nic, NicConf()), self.all
        return NicConf(
            rp_filter=max(every.rp_filter, own.rp_filter),
            src_valid_mark=int(bool(every.src_valid_mark or own.src_valid_mark)),
            accept_local=int(bool(every.accept_local or own.accept_local)),
            forwarding=own.forwarding,
            route_localnet=int(bool(every.route_localnet or own.route_localnet)),
            send_redirects=int(bool(every.send_redirects or own.send_redirects)),
            arp_ignore=max(every.arp_ignore, own.arp_ignore),
            arp_announce=max(every.arp_announce, own.arp_announce),
            arp_filter=int(bool(every.arp_filter or own.arp_filter)),
        )

    def in_force6(self, nic: str) -> NicConf6:
        """What the kernel acts on for IPv6: the NIC's own, and whether the host forwards at all."""
        own = self.nics6.get(nic, NicConf6())
        return NicConf6(
            forwarding=self.all6.forwarding,
            use_tempaddr=own.use_tempaddr,
            use_oif_addrs_only=max(self.all6.use_oif_addrs_only, own.use_oif_addrs_only),
        )


@dataclass(frozen=True, slots=True)
class Rpdb:
    """One family at one moment. ``tables`` leave out routes that the kernel calls dead, and may
    leave out those that cover none of ``covering``.

    ``rules`` and the routes of a table are in the kernel's order; ``owns`` are the addresses of
    this family, each NIC's in the kernel's order; ``failed`` are IPv6 gateways (ifindex, address)
    that do not answer; ``labels`` is the kernel's table of IPv6 address labels, longest prefix
    first.
    """

    family: Family
    rules: tuple[Rule, ...]
    tables: Mapping[int, tuple[Route, ...]]
    links: Mapping[int, Link]
    owns: tuple[Own, ...] = ()
    sysctls: Sysctls = Sysctls()
    failed: frozenset[tuple[int, IP]] = frozenset()
    labels: tuple[tuple[Network, int], ...] = ()
    covering: frozenset[IP] | None = None
    """None: the tables are whole."""

    def link_named(self, name: str) -> Link | None:
        """The NIC of that name, None if there is none."""
        return next((link for link in self.links.values() if link.name == name), None)

    def name(self, index: int) -> str:
        """The NIC's name for people."""
        link = self.links.get(index)
        return link.name if link else f"if{index}"

    def in_vrf(self, index: int) -> bool:
        """Whether a NIC is a VRF or belongs to one."""
        link = self.links.get(index)
        master = self.links.get(link.master) if link else None
        return bool((link and link.kind == "vrf") or (master and master.kind == "vrf"))


class Outcome(Enum):
    """What came of one rule. The value is a clause for a run of rules, ``37 rules of ...``."""

    OTHER_SOURCE = "of other sources"
    OTHER_DESTINATION = "of other destinations"
    OTHER_MARK = "of other marks"
    OTHER_IIF = "of packets that come in by other NICs"
    OTHER_OIF = "of sockets bound to other NICs"
    OTHER_USER = "of other users"
    OTHER_TOS = "of other types of service"
    OTHER_PROTOCOL = "of other protocols"
    OTHER_SOURCE_PORT = "of other source ports"
    OTHER_DESTINATION_PORT = "of other destination ports"
    NOT_INVERTED = "of everything else"
    NO_ROUTE = "without a matching route"
    SUPPRESSED = "whose route is suppressed"
    THROWN = "whose route is a throw"
    JUMPED = "that jump"
    NOWHERE = "that jump nowhere"
    NOTHING = "that do nothing"
    CHOSEN = "that decide"
    REFUSED = "that refuse"
    BEYOND = "beyond what is modelled"


MISMATCHES = frozenset(
    (
        *(Outcome.OTHER_SOURCE, Outcome.OTHER_DESTINATION, Outcome.OTHER_MARK),
        *(Outcome.OTHER_IIF, Outcome.OTHER_OIF, Outcome.OTHER_USER, Outcome.OTHER_TOS),
        *(Outcome.OTHER_PROTOCOL, Outcome.OTHER_SOURCE_PORT, Outcome.OTHER_DESTINATION_PORT),
        Outcome.NOT_INVERTED,
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """One rule looked at. ``why`` is a clause for people; ``route`` the best one of its table."""

    rule: Rule
    outcome: Outcome
    why: str
    route: Route | None = None

    @property
    def matched(self) -> bool:
        """Whether the packet met the rule's selectors."""
        return self.outcome not in MISMATCHES


@dataclass(frozen=True, slots=True)
class Source:
    """The source address and which of three mechanisms chose it, with a clause for people.

    1: the application bound it. 2: the route's ``src``, else the primary address that belongs to
    the route's NIC and gateway. 3: the kernel searched the addresses of its NICs. ``ip`` is None
    where the kernel finds none.
    """

    ip: IP | None
    mechanism: int
    why: str


@dataclass(frozen=True, slots=True)
class Leaves:
    """The packet has a way. ``rule`` is None where the kernel does without one.

    ``route`` has ``dev`` filled in; its table is 0 where no table holds it (a socket bound to a NIC
    that no route leads through: the kernel takes everything to be on that link). ``oif`` and
    ``gateway`` are the packet's, which local delivery and broadcasts have none of; ``source`` is
    None for a packet that comes in.
    """

    route: Route
    rule: Rule | None
    oif: int
    gateway: IP | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The kernel refuses. ``errnos`` has the one that this kernel gives, whatever its version."""

    errnos: frozenset[int]
    why: str
    rule: Rule | None = None
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class Beyond:
    """Something here decides that the walk does not model; ``why`` names it, in a clause."""

    why: str


@dataclass(frozen=True, slots=True)
class Spread:
    """The route has several ways; one is taken, by a hash that only the kernel knows."""

    ways: tuple[Leaves, ...]


End = Leaves | Refused | Beyond | Spread


def single_ways(route: Route) -> list[Route]:
    """The route once for each of its ways, as if that were the only one."""
    if not route.paths:
        return [route]
    return [
        replace(route, paths=(), gateway=way.gateway, oif=way.oif, dev=way.dev, onlink=way.onlink)
        for way in route.paths
    ]


def spread(ends: Sequence[End]) -> End:
    """What the ends of all ways of one route are together; there is at least one."""
    ways = tuple(end for end in ends if isinstance(end, Leaves))
    if len(ends) == 1:
        return ends[0]
    if len(ways) == len(ends):
        return Spread(ways)
    unknown = [end.why for end in ends if isinstance(end, Beyond)]
    return Beyond(unknown[0] if unknown else "some of several next hops lead nowhere")


@dataclass(frozen=True, slots=True)
class Walk:
    """Every rule looked at, in order, and what became of the packet."""

    packet: Packet
    steps: tuple[Step, ...]
    end: End
