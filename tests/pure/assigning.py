"""A host with two ENIs for the tests of assigned addresses: one look at it, and what follows."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface

from srcroutd.core.assign import plan_addresses
from srcroutd.core.assign_leave import Known, leaves
from srcroutd.core.assign_values import AssignPlan, Clock, Memory, Sight, Wishes
from srcroutd.core.desired import Nic, Settings
from srcroutd.core.inventory import Addressing, Eni, Inventory
from srcroutd.core.join import Joined, NicState, State
from srcroutd.core.net import IP, Address
from tests.pure.worlds import address, addressing, eni, link, nic

V4 = addressing("192.0.2.5", "192.0.2.6", "192.0.2.7", subnet="192.0.2.0/24", gateway="192.0.2.1")
V6 = addressing("2001:db8::5", "2001:db8::6", subnet="2001:db8::/64", gateway="2001:db8::1")
ENI1 = eni(1, V4, V6)
ENI2 = eni(2, addressing("198.51.100.5", subnet="198.51.100.0/24", gateway="198.51.100.1"))
ASSIGN = Settings(addresses="assign")
ALONE = {3: "", 4: ""}
LO = Address(1, ip_interface("::1/128"), 254, protocol=1)
"""What a kernel of 5.18 or later says of lo."""


def ours(number: int, text: str, protocol: int = 83) -> Address:
    return replace(address(number, text), protocol=protocol)


@dataclass
class Host:
    """One look: eth1 and eth2 with their ENIs, what stands on them, what is known."""

    addresses: tuple[Address, ...] = ()
    eni1: Eni = ENI1
    settings: Settings = ASSIGN
    managers: dict[int, str] | None = None
    elsewhere: dict[IP, str] | None = None
    confirmed: bool = True
    up: bool = True
    tells: bool = True
    protocols: tuple[int, ...] = (83,)
    state: State = State.MANAGED
    final: bool = False
    pending: bool = False
    memory: Memory = Memory()
    clock: Clock = Clock(1000.0, 1000.0)

    def nics(self) -> tuple[Nic, ...]:
        """The managed NICs."""
        of_1 = [one for one in self.addresses if one.index == 3]
        of_2 = [one for one in self.addresses if one.index == 4]
        return (
            nic(1, self.eni1, of_1, up=self.up, settings=self.settings),
            nic(2, ENI2, of_2, settings=Settings()),
        )

    def plan(self) -> AssignPlan:
        """What is to do."""
        nics = self.nics() if self.state in {State.MANAGED, State.KEPT} else self.nics()[1:]
        states = (
            NicState(link(1, up=self.up), self.state, why="the configuration says so"),
            NicState(link(2), State.MANAGED),
        )
        inventory = Inventory(
            "aliyun",
            {one.mac: one for one in (self.eni1, ENI2)},
            {self.eni1.mac: "half a record"} if self.pending else {},
            frozenset({self.eni1.mac}) if self.state is State.KEPT else frozenset(),
            final=self.final,
        )
        known = Known(Joined(nics, states), inventory, self.confirmed)
        sight = Sight(
            (link(1, up=self.up), link(2)),
            (LO, *self.addresses) if self.tells else self.addresses,
            ALONE if self.managers is None else self.managers,
            self.elsewhere or {},
        )
        return plan_addresses(
            Wishes(nics, self.protocols, leaves(known)), sight, self.memory, self.clock
        )

    def told(self) -> list[str]:
        """The operations, as they are printed."""
        return [str(operation) for operation in self.plan().operations]


FULL = (
    ours(1, "192.0.2.5/32"),
    ours(1, "192.0.2.6/32"),
    ours(1, "192.0.2.7/32"),
    ours(1, "2001:db8::5/128"),
    ours(1, "2001:db8::6/128"),
)


def without(text: str, known: Eni = ENI1) -> Eni:
    """The ENI after metadata dropped an address."""

    def half(one: Addressing | None) -> Addressing | None:
        gone = ip_address(text)
        return one and replace(one, addresses=tuple(ip for ip in one.addresses if ip != gone))

    return replace(known, v4=half(known.v4), v6=half(known.v6))
