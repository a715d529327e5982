"""What the lab's cloud looks like, as values, and the ``ip`` lines that build it.

One VPC, 172.16.0.0/16 and 2001:db8:16::/48. vSwitch N is 172.16.N.0/24 with the gateway .253, as on
Alibaba Cloud, and 2001:db8:16:N::/64 with the gateway ::fd, a global address. Every ENI has a port
of its own on the VPC router. Nothing in this file runs anything: each function gives the lines an
administrator would type after ``ip``, for ``ip -batch -``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

from srcroutd.core.net import IP, Network

CLIENT_V4 = IPv4Address("203.0.113.9")
CLIENT_V6 = IPv6Address("2001:db8:cafe::9")
CLIENT_GATEWAYS = ("203.0.113.1", "2001:db8:cafe::1")
METADATA_V4 = IPv4Address("100.100.100.200")
METADATA_V6 = IPv6Address("fd00:100::100:200")
CLIENT_PORT = "port-client"

_V4 = 4
_ACCEPT, _DROP = 100, 200


@dataclass(frozen=True, slots=True)
class VSwitch:
    """One subnet of the VPC, in one zone; ``number`` is 0 to 255."""

    number: int

    @property
    def v4(self) -> IPv4Network:
        """Its IPv4 prefix, a /24."""
        return IPv4Network(f"172.16.{self.number}.0/24")

    @property
    def v6(self) -> IPv6Network:
        """Its IPv6 prefix, a /64."""
        return IPv6Network(f"2001:db8:16:{self.number:x}::/64")

    @property
    def gateway4(self) -> IPv4Address:
        """The gateway is x.x.x.253 on Alibaba Cloud."""
        return self.v4[253]

    @property
    def gateway6(self) -> IPv6Address:
        """A global address and not fe80::, as in the vendor's key ``ipv6-gateway``."""
        return self.v6[0xFD]


@dataclass(frozen=True, slots=True)
class Eni:
    """An ENI as the cloud knows it. ``number`` names it (eth1, eni-lab-0001, the last bytes of its
    MAC).

    ``v4`` and ``v6`` list its private addresses, the primary first; ``prefixes`` are delegated to
    it.
    """

    number: int
    vswitch: VSwitch
    v4: tuple[IPv4Address, ...] = ()
    v6: tuple[IPv6Address, ...] = ()
    prefixes: tuple[Network, ...] = field(default=())

    @property
    def name(self) -> str:
        """The lab's word for it, and its NIC's name unless it is attached under another."""
        return f"eth{self.number}"

    @property
    def port(self) -> str:
        """Its port on the VPC router."""
        return f"port-eth{self.number}"

    @property
    def parked(self) -> str:
        """Its NIC's name while it is attached to nothing."""
        return f"parked{self.number}"

    @property
    def id(self) -> str:
        """Its id in the cloud."""
        return f"eni-lab-{self.number:04d}"

    @property
    def mac(self) -> str:
        """Its MAC, in the range that Alibaba Cloud uses (OUI 00:16:3e)."""
        return f"00:16:3e:0a:{self.number >> 8:02x}:{self.number & 0xFF:02x}"

    @property
    def addresses(self) -> tuple[IP, ...]:
        """Both families."""
        return (*self.v4, *self.v6)

    def with_address(self, address: IP) -> "Eni":
        """The same ENI with one more private address."""
        if isinstance(address, IPv4Address):
            return replace(self, v4=(*self.v4, address))
        return replace(self, v6=(*self.v6, address))

    def without_address(self, address: IP) -> "Eni":
        """The same ENI with one private address fewer."""
        return replace(
            self,
            v4=tuple(one for one in self.v4 if one != address),
            v6=tuple(one for one in self.v6 if one != address),
        )


def eni(number: int, vswitch: int | None = None, host: int = 10, *, ipv6: bool = True) -> Eni:
    """ENI ``number`` with address ``host`` (1 to 250) of vSwitch ``vswitch`` (its own number by
    default).
    """
    network = VSwitch(number if vswitch is None else vswitch)
    return Eni(
        number=number,
        vswitch=network,
        v4=(network.v4[host],),
        v6=(network.v6[int(str(host), 16)],) if ipv6 else (),
    )


ETH0 = eni(0)
ETH1 = eni(1)
ETH2 = eni(2, vswitch=1, host=20)
"""In the same vSwitch as ETH1: on this cloud the normal case."""


def cord_line(nic: Eni) -> str:
    """The cord between the router's port and a NIC that is parked (run beside the holder)."""
    return f"link add {nic.port} netns router type veth peer name {nic.parked} address {nic.mac}"


def port_lines(nic: Eni) -> list[str]:
    """The router's side of an ENI: gateway on the port, and a source check that lets nothing
    through yet.

    The gateway is a host address, so that two ports of one vSwitch can both have it and the subnet
    is reached by the host routes of ``port_address_lines`` only.
    """
    lines = [f"addr add {nic.vswitch.gateway4}/32 dev {nic.port}"]
    lines += [f"addr add {nic.vswitch.gateway6}/128 dev {nic.port} nodad"]
    lines += [f"link set {nic.port} up"]
    for address in nic.addresses:
        lines += port_address_lines(nic, address)
    for prefix in nic.prefixes:
        via = nic.v4[0] if prefix.version == _V4 else nic.v6[0]
        lines.append(f"route add {prefix} via {via} dev {nic.port} onlink")
    return lines


def port_address_lines(nic: Eni, address: IP) -> list[str]:
    """Where an address lives. The neighbour is permanent: a VPC knows where its addresses are."""
    return [
        f"route add {address} dev {nic.port}",
        f"neigh replace {address} lladdr {nic.mac} nud permanent dev {nic.port}",
    ]


def no_port_address_lines(nic: Eni, address: IP) -> list[str]:
    """Undo ``port_address_lines``."""
    return [f"route del {address} dev {nic.port}", f"neigh del {address} dev {nic.port}"]


def check_lines(
    nic: Eni, sources: Iterable[IP | Network], verb: str = "add"
) -> dict[int, list[str]]:
    """The source check for addresses of a port, by IP version: from this port, these may pass."""
    lines: dict[int, list[str]] = {4: [], 6: []}
    for source in sources:
        rule = f"rule {verb} priority {_ACCEPT} iif {nic.port} from {source} lookup main"
        lines[source.version].append(rule)
    return lines


def drop_line(nic: Eni) -> str:
    """The other half of the source check: whatever else comes in by this port to be forwarded is
    lost.

    A rule and not rp_filter, for three reasons: IPv6 has no rp_filter; the gateway must go on
    answering ARP whatever the sender (the rule for table local comes first); and it needs neither
    nft nor a module.
    """
    return f"rule add priority {_DROP} iif {nic.port} blackhole"


def proxy_lines(enis: Iterable[Eni]) -> list[str]:
    """NDP's half of one vSwitch over several ports; for IPv4 the sysctl proxy_arp does it all."""
    every = list(enis)
    return [
        f"neigh replace proxy {address} dev {nic.port}"
        for nic in every
        for other in every
        if other.number != nic.number and other.vswitch == nic.vswitch
        for address in other.v6
    ]


def attach_line(nic: Eni, pid_or_name: str, name: str) -> str:
    """Plug a parked NIC into a machine: what a hot-plugged ENI looks like to its kernel."""
    return f"link set {nic.parked} netns {pid_or_name} name {name}"


def detach_line(nic: Eni, name: str) -> str:
    """Unplug a NIC and park it: process 1 is the holder (run by it, in the instance's network)."""
    return f"link set {name} netns 1 name {nic.parked}"


def configure_lines(nic: Eni, name: str, default_metric: int | None = None) -> list[str]:
    """What a DHCP client does with a new NIC: up, addresses, perhaps a default route in main."""
    lines = [f"link set {name} up"]
    for address in nic.addresses:
        lines += address_lines(nic, address, name)
    if default_metric is not None:
        if nic.v4:
            lines.append(
                f"route add default via {nic.vswitch.gateway4} dev {name} proto dhcp"
                f" src {nic.v4[0]} metric {default_metric}"
            )
        if nic.v6:
            lines.append(
                f"route add default via {nic.vswitch.gateway6} dev {name} proto ra"
                f" metric {default_metric}"
            )
    return lines


def address_lines(nic: Eni, address: IP, name: str, verb: str = "add") -> list[str]:
    """One address on the NIC. Without duplicate address detection: it would cost a second each
    time.
    """
    if isinstance(address, IPv4Address):
        return [f"addr {verb} {address}/{nic.vswitch.v4.prefixlen} dev {name}"]
    nodad = " nodad" if verb == "add" else ""
    return [f"addr {verb} {address}/{nic.vswitch.v6.prefixlen} dev {name}{nodad}"]


def client_lines() -> list[str]:
    """The client's side of the outside world (run in the client)."""
    gateway4, gateway6 = CLIENT_GATEWAYS
    return [
        "link set lo up",
        f"addr add {CLIENT_V4}/24 dev eth0",
        f"addr add {CLIENT_V6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {gateway4}",
        f"route add default via {gateway6}",
    ]


def client_cord_line(client: str) -> str:
    """The cord between the router and the client (run beside the holder)."""
    return f"link add {CLIENT_PORT} netns router type veth peer name eth0 netns {client}"


def outside_lines() -> list[str]:
    """The router's loopback with the metadata addresses, and its port to the client (run in the
    router).
    """
    gateway4, gateway6 = CLIENT_GATEWAYS
    return [
        "link set lo up",
        f"addr add {METADATA_V4}/32 dev lo",
        f"addr add {METADATA_V6}/128 dev lo nodad",
        f"addr add {gateway4}/24 dev {CLIENT_PORT}",
        f"addr add {gateway6}/64 dev {CLIENT_PORT} nodad",
        f"link set {CLIENT_PORT} up",
    ]


def eni_to_json(nic: Eni) -> dict[str, Any]:
    """An ENI as plain values, for the file by which later verbs find a running lab's state."""
    return {
        "number": nic.number,
        "vswitch": nic.vswitch.number,
        "v4": [str(one) for one in nic.v4],
        "v6": [str(one) for one in nic.v6],
        "prefixes": [str(one) for one in nic.prefixes],
    }


def eni_from_json(told: dict[str, Any]) -> Eni:
    """The ENI that ``eni_to_json`` was given."""
    return Eni(
        number=told["number"],
        vswitch=VSwitch(told["vswitch"]),
        v4=tuple(IPv4Address(one) for one in told["v4"]),
        v6=tuple(IPv6Address(one) for one in told["v6"]),
        prefixes=tuple(ip_network(one) for one in told["prefixes"]),
    )
