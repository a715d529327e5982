"""This host as one value: everything that the checks look at, and what could not be looked at.

A check is a function of a ``Scene``; only ``gather`` touches the host.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from srcroutd.core.lookup_values import Rpdb
from srcroutd.core.net import IP, Address, Family, Rule
from srcroutd.core.numbering import Domain, is_foreign
from srcroutd.core.view import NicView, View

FAR: Mapping[Family, IP] = {
    Family.V4: IPv4Address("198.51.100.1"),
    Family.V6: IPv6Address("2001:db8::1"),
}
"""Documentation addresses (RFC 5737, RFC 3849) that only a default route leads to."""


@dataclass(frozen=True, slots=True)
class Blind:
    """Why there is no view: the sentence, which names what to do next, and its exit code."""

    why: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Ailments:
    """What a running daemon would meet at its next start, in words; empty where all is well:
    ``configuration`` is the load error, ``state`` a directory on a file system that is read-only,
    ``cut_off`` are entries of access control that cut this host off, each with whether it is
    forced.
    """

    configuration: str = ""
    state: str = ""
    cut_off: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class UdpServer:
    """A UDP socket on the wildcard address; ``program`` is empty where we may not look."""

    family: Family
    port: int
    program: str = ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A rule of nftables that changes the destination of packets which come in.

    ``iif`` and ``dst`` are what it demands of them (empty: anything); ``where`` is "table chain".
    """

    where: str
    iif: frozenset[str] = frozenset()
    dst: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """What nftables does that matters to routing: destinations rewritten, marks restored."""

    rewrites: tuple[Rewrite, ...] = ()
    restores_marks: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """``files`` are texts by path, those of ``executable`` may be run; ``enabled`` are units by
    name, ``running`` the names of processes as the kernel cuts them (15 characters), ``sysctls``
    numbers by their path below /proc/sys/net, ``static6`` NICs with an IPv6 address that
    somebody configured. ``unread`` are files and
    folders that could not be read, ``unseen`` says in words what could not be looked at, and why.
    """

    view: View | None = None
    blind: Blind | None = None
    ailments: Ailments = Ailments()
    files: Mapping[str, str] = field(default_factory=dict)
    executable: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    rpdbs: Mapping[Family, Rpdb] = field(default_factory=dict)
    sysctls: Mapping[str, int] = field(default_factory=dict)
    static6: frozenset[str] = frozenset()
    udp: tuple[UdpServer, ...] = ()
    firewall: Firewall = Firewall()
    unread: frozenset[str] = frozenset()
    unseen: tuple[str, ...] = ()

    @property
    def domain(self) -> Domain:
        """What bears our mark."""
        return self.view.domain if self.view else Domain()

    @property
    def nics(self) -> tuple[NicView, ...]:
        """The devices that could be an ENI; none where there is no view."""
        return self.view.nics if self.view else ()

    @property
    def kept(self) -> tuple[NicView, ...]:
        """The NICs that have, or should have, rules and routes of ours."""
        return tuple(nic for nic in self.nics if nic.kept)

    def rules(self) -> Iterator[Rule]:
        """All rules of both families."""
        for _, rpdb in sorted(self.rpdbs.items()):
            yield from rpdb.rules

    def foreign(self) -> Iterator[Rule]:
        """The rules that are neither ours nor the kernel's own."""
        return (rule for rule in self.rules() if is_foreign(rule, (self.domain,)))

    def is_up(self, unit: str, process: str = "") -> bool:
        """Whether a service runs or will at the next boot."""
        return unit in self.enabled or bool(process and process in self.running)


def sources(nic: NicView) -> tuple[IP, ...]:
    """The addresses for which the NIC should have rules, each once."""
    found: dict[IP, None] = {}
    for want in nic.desired.rules:
        src = want.thing.src if isinstance(want.thing, Rule) and not want.thing.invert else None
        if src and src.prefixlen == src.max_prefixlen:
            found[src.network_address] = None
    return tuple(found)


def global_addresses(nic: NicView, family: Family | None = None) -> tuple[Address, ...]:
    """What others can reach it by."""
    return tuple(
        one
        for one in nic.addresses
        if one.scope == 0 and (family is None or Family.of(one.interface) is family)
    )
