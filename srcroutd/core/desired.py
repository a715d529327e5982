"""What should be in the kernel for one NIC, each object with the reason why it is wanted."""

from dataclasses import dataclass
from typing import Literal

from srcroutd.core.inventory import Eni
from srcroutd.core.main_table import MainPart, Mirror
from srcroutd.core.marking import Mask
from srcroutd.core.net import IP, Address, Family, Link, Network, Route, RouteType, Rule
from srcroutd.core.numbering import Domain


@dataclass(frozen=True, slots=True)
class Want:
    """One rule or route that should exist. ``because`` is a clause for people, no full stop."""

    thing: Rule | Route
    because: str


@dataclass(frozen=True, slots=True)
class ExtraRoute:
    """A route that the administrator wants in a NIC's table.

    Without ``gateway`` a unicast one is on the link; ``metric`` 0 is the kernel's default.
    """

    dst: Network
    gateway: IP | None = None
    type: RouteType = RouteType.UNICAST
    metric: int = 0


ModeWord = Literal["source", "connmark"]
SysctlPolicy = Literal["leave", "auto"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one NIC is to be treated: the configuration's defaults with its matching entries laid
    over them.
    """

    manage: bool | None = None
    """None: manage secondaries, leave the primary alone."""
    ipv4: bool = True
    ipv6: bool = True
    oif_rule: bool = True
    mode: ModeWord = "source"
    """``connmark``: replies to what came in by the NIC go back by it, containers' too."""
    sysctls: SysctlPolicy = "leave"
    """``auto``: set on the NIC what its mode needs; ``leave``: only say so."""
    ignore: frozenset[Network] = frozenset()
    """Addresses inside these prefixes get no rules."""
    routes: tuple[ExtraRoute, ...] = ()
    """What the NIC's table holds beyond its mode's; the administrator's word wins over it."""
    addresses: Literal["leave", "assign"] = "leave"
    """Whether the ENI's private addresses are put on the NIC."""
    keep_main: tuple[Network, ...] = ()
    """Destinations for which the NIC's addresses are routed by main, its default included."""
    main_default_metric: int | Literal["auto"] | None = None
    """Metric of a default by this NIC in main; None or 0: it gets none there."""
    mirror: tuple[Mirror, ...] = ()
    """Routes of main that the NIC's table has too."""

    def wants(self, family: Family) -> bool:
        """Whether this family is managed on the NIC."""
        return self.ipv4 if family is Family.V4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Nic:
    """A managed NIC: the kernel's link and addresses joined with the cloud's ENI and our numbers.

    ``elsewhere`` are the subnets of the host's other ENIs: what lies there is reached through this
    NIC's gateway when the packet bears this NIC's address. ``claimed`` are addresses that stand on
    this NIC and on another one at the same time and belong to the other one. ``delegated`` are the
    prefixes delegated to any ENI of the host: what lies in them is on no link.
    """

    link: Link
    addresses: tuple[Address, ...]
    eni: Eni
    source: str
    seat: int
    table: int
    priority: int
    protocol: int
    settings: Settings = Settings()
    elsewhere: tuple[tuple[Network, str], ...] = ()
    claimed: frozenset[IP] = frozenset()
    delegated: tuple[Network, ...] = ()
    mask: Mask | None = None
    """The bits of the mark where the NIC is in mode ``connmark`` and that is possible."""
    unmarked: str = ""
    """Why it is not, where the configuration asks for it."""
    main: MainPart = MainPart()


@dataclass(frozen=True, slots=True)
class HostNic:
    """One NIC that is an ENI, managed or not, as what concerns the whole host sees it.

    ``settings`` are those of a managed one.

    ``eni`` is None as long as nobody explained it. ``table`` is its own table, 0 for a NIC that is
    left alone: main is its table then.
    """

    link: Link
    addresses: tuple[Address, ...]
    eni: Eni | None = None
    table: int = 0
    primary: bool = False
    settings: Settings = Settings()


@dataclass(frozen=True, slots=True)
class Host:
    """All NICs of the host that are ENIs, by name, and the numbers that are ours."""

    domain: Domain
    nics: tuple[HostNic, ...] = ()

    def nic(self, name: str) -> HostNic | None:
        """The NIC with this device name, or the ENI with this id; None if it is not here."""
        return next(
            (nic for nic in self.nics if name in (nic.link.name, nic.eni.id if nic.eni else "")),
            None,
        )


@dataclass(frozen=True, slots=True)
class NicDesired:
    """What one NIC (or a policy of the whole host) should have, in an order in which it can be put
    in; ``notes`` are for status.
    """

    routes: tuple[Want, ...] = ()
    rules: tuple[Want, ...] = ()
    notes: tuple[str, ...] = ()
