"""The ENIs of these stories, as the configuration file, the metadata service and ``ip`` spell them.

ENI ``n`` is the NIC ``ethn`` in 172.16.n.0/24 and fd00:n::/64 with the gateways .253 and ::253.
"""

from dataclasses import dataclass

from srcroutd.lab.metadata_facts import EniFacts


@dataclass(frozen=True, slots=True)
class Eni:
    """One ENI. ``hosts`` and ``hosts6`` are the last parts of its addresses, the primary first."""

    number: int
    hosts: tuple[int, ...] = (5,)
    hosts6: tuple[int, ...] = (5,)
    subnet: int = -1
    """The subnet, where it is not that of its number."""

    @property
    def id(self) -> str:
        """The cloud's name for it."""
        return f"eni-{self.number}"

    @property
    def nic(self) -> str:
        """The kernel's name for it."""
        return f"eth{self.number}"

    @property
    def mac(self) -> str:
        """A MAC of Alibaba's range."""
        return f"00:16:3e:00:00:{self.number:02x}"

    @property
    def net(self) -> int:
        """The number of its subnet."""
        return self.number if self.subnet < 0 else self.subnet

    @property
    def v4(self) -> tuple[str, ...]:
        """Its IPv4 addresses."""
        return tuple(f"172.16.{self.net}.{host}" for host in self.hosts)

    @property
    def v6(self) -> tuple[str, ...]:
        """Its IPv6 addresses."""
        return tuple(f"fd00:{self.net}::{host}" for host in self.hosts6)

    def toml(self) -> str:
        """Its entry for ``provider = "static"``."""
        lines = ["[[eni]]", f'id = "{self.id}"', f'mac = "{self.mac}"']
        if self.number == 0:
            lines.append("primary = true")
        for name, place, addresses in (
            ("ipv4", 'subnet = "172.16.{0}.0/24", gateway = "172.16.{0}.253"', self.v4),
            ("ipv6", 'subnet = "fd00:{0}::/64", gateway = "fd00:{0}::253"', self.v6),
        ):
            if addresses:
                listed = ", ".join(f'"{address}"' for address in addresses)
                lines.append(f"{name} = {{ {place.format(self.net)}, addresses = [{listed}] }}")
        return "\n".join(lines) + "\n"

    def facts(self, **changes: object) -> EniFacts:
        """What the metadata service says of it."""
        sound = {
            "mac": self.mac,
            "id": self.id,
            "primary_ip": self.v4[0],
            "private_ipv4s": self.v4,
            "cidr": f"172.16.{self.net}.0/24",
            "gateway": f"172.16.{self.net}.253",
        }
        if self.v6:
            sound |= {
                "ipv6s": self.v6,
                "ipv6_cidr": f"fd00:{self.net}::/64",
                "ipv6_gateway": f"fd00:{self.net}::253",
            }
        return EniFacts.model_validate(sound | changes)

    def plug_lines(self) -> list[str]:
        """What makes the NIC, with a cable to a switch port that is up."""
        number = self.number
        return [
            f"link add {self.nic} address {self.mac} type veth peer name port{number}",
            f"link set port{number} address 02:00:00:00:00:{number:02x}",
            # Their own link-local addresses would be news whenever their check is over.
            f"link set port{number} addrgenmode none",
            f"link set {self.nic} addrgenmode none",
            f"link set port{number} up",
            f"link set {self.nic} up",
        ]

    def address_lines(self) -> list[str]:
        """What gives the NIC its addresses."""
        lines = [f"address add {address}/24 dev {self.nic}" for address in self.v4]
        return lines + [f"-6 address add {ip}/64 dev {self.nic} nodad" for ip in self.v6]


ETH0 = Eni(0, (10,), ())
ETH1 = Eni(1, (5, 6))
ETH2 = Eni(2)
ETH3 = Eni(3, (5,), ())
