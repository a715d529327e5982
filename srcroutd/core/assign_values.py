"""The values around ``assign``: what stands, what is wanted, what is remembered, what is to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from srcroutd.core.desired import Nic
from srcroutd.core.net import IP, Address, Interface, Link
from srcroutd.core.operation import Operation

DOUBT_S = 5.0
"""An answer that ends this much later than a doubt arose is another one than that which raised it.
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """An address on a device of this boot: a NIC that is attached again has another ifindex."""

    mac: str
    ifindex: int
    interface: Interface


@dataclass(frozen=True, slots=True)
class Memory:
    """What is to be known at the next look.

    ``put`` is what we put and have not taken away. ``doubts`` says since when (Unix time) metadata
    does not list an address of ours. ``seen_up`` are links that were up once: whoever sets one of
    them down means it.
    """

    put: frozenset[Placed] = frozenset()
    doubts: Mapping[Placed, float] = field(default_factory=dict)
    seen_up: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Sight:
    """The kernel as it is, and who else cares for its NICs.

    ``managers`` has a clause for each ifindex that somebody gives addresses to (or may yet), empty
    where nobody does; a NIC that is missing has not been looked at. ``elsewhere`` names the device
    that the host sends an address to, where that is none of its ENIs (a container's).
    """

    links: tuple[Link, ...]
    addresses: tuple[Address, ...]
    managers: Mapping[int, str] = field(default_factory=dict)
    elsewhere: Mapping[IP, str] = field(default_factory=dict)

    @property
    def tells_protocols(self) -> bool:
        """Whether this kernel tells who put an address: its own on lo bear a number, too."""
        return any(address.protocol for address in self.addresses)


@dataclass(frozen=True, slots=True)
class Leave:
    """Why an address of ours may go. One that is ``doubtful`` goes only once a later answer of the
    provider says the same.
    """

    because: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What should be: the managed NICs, our protocol numbers (the present one first, then those of
    earlier configurations), and why an address of ours may go (None: it stays).
    """

    nics: tuple[Nic, ...]
    protocols: tuple[int, ...]
    may_go: Callable[[Link, IP], Leave | None]


@dataclass(frozen=True, slots=True)
class Clock:
    """Unix times: now, and that of the provider's last whole answer in this run."""

    now_s: float
    read_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class AssignPlan:
    """Save ``memory.put``, then carry out ``operations`` in their order.

    ``notes`` are for status, by ifindex. ``let_go`` are addresses that somebody else changed after
    us: his from now on.
    """

    operations: tuple[Operation, ...] = ()
    memory: Memory = Memory()
    notes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    let_go: tuple[Placed, ...] = ()
    duplicates: tuple[Placed, ...] = ()
    """Addresses of ours that another host answers for (duplicate address detection, IPv6)."""
