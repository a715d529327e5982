"""What the daemon does to a NIC itself: an address put on it or taken off it, the link set up.

Each is the key of its operation and all that carrying it out needs; ``words`` is what you would
type. Addresses are host prefixes (/32, /128): none of them brings a route to main, and none takes
another address along when it goes (docs/decisions/0015).
"""

from dataclasses import dataclass
from ipaddress import ip_interface

from srcroutd.core.net import IP, Family, Interface


@dataclass(frozen=True, slots=True)
class PutAddress:
    """An address that is put on the NIC with this ifindex, marked with our protocol number.

    A ``spare`` one (IPv6) is never chosen by the kernel as the source of a new connection as long
    as there is another: it has no preferred lifetime.
    """

    index: int
    interface: Interface
    protocol: int
    spare: bool = False

    @property
    def family(self) -> Family:
        """The family of the address."""
        return Family.of(self.interface)

    def words(self, dev: str) -> str:
        """The command, for a NIC of this name."""
        more = " noprefixroute" if self.family is Family.V6 else ""
        more += " preferred_lft 0" if self.spare else ""
        return f"{_ip(self.interface)} add {self.interface} dev {dev}{more} proto {self.protocol}"


@dataclass(frozen=True, slots=True)
class TakeAddress:
    """An address of ours that is taken off the NIC with this ifindex."""

    index: int
    interface: Interface

    def words(self, dev: str) -> str:
        """The command, for a NIC of this name."""
        return f"{_ip(self.interface)} del {self.interface} dev {dev}"


@dataclass(frozen=True, slots=True)
class RaiseLink:
    """The NIC with this ifindex is set up; it is never set down."""

    index: int

    def words(self, dev: str) -> str:
        """The command, for a NIC of this name."""
        return f"ip link set {dev} up"


Assigned = PutAddress | TakeAddress | RaiseLink


def host_interface(ip: IP) -> Interface:
    """An address as it is put: with the prefix of one host."""
    return ip_interface(ip)


def _ip(own: Interface) -> str:
    return "ip -6 address" if Family.of(own) is Family.V6 else "ip address"
