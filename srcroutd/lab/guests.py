"""Machines beside the instance: another host of the VPC, a container behind a bridge of the
instance.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, ip_network

from srcroutd.lab import topology
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import Eni, VSwitch
from srcroutd.lab.vpc import Park

_BRIDGE = ip_network("172.17.0.0/16")
_METRIC = 100

Boot = Callable[[str], Machine]


def host_eni(address: IPv4Address) -> Eni:
    """The ENI of another host of the VPC, in the vSwitch that its address lies in."""
    third, last = address.packed[2:]
    return Eni(number=1000 + last, vswitch=VSwitch(third), v4=(address,))


def plug_host(boot: Boot, park: Park, nic: Eni) -> Machine:
    """Boot the host of a parked ENI and configure its NIC."""
    host = boot(f"host{nic.number}")
    park([topology.attach_line(nic, host.name, "eth0")])
    host.ip_batch(["link set lo up", *topology.configure_lines(nic, "eth0", _METRIC)])
    host.echo()
    return host


def plug_container(boot: Boot, park: Park, instance: Machine) -> Machine:
    """Boot a container at 172.17.0.2 behind docker0, 172.17.0.1/16, as docker would."""
    container = boot("container")
    instance.sysctl({"net/ipv4/ip_forward": "1"})
    park(["link add cord type veth peer name eth0 netns container"])
    park(["link set cord netns instance name vethc"])
    instance.ip_batch(
        [
            "link add docker0 type bridge",
            f"addr add {_BRIDGE[1]}/{_BRIDGE.prefixlen} dev docker0",
            "link set docker0 up",
            "link set vethc master docker0 up",
        ]
    )
    container.ip_batch(
        [
            "link set lo up",
            f"addr add {_BRIDGE[2]}/{_BRIDGE.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {_BRIDGE[1]}",
        ]
    )
    container.echo()
    return container


def masquerade(instance: Machine) -> None:
    """Let containers out under the instance's address, as docker does. Needs nft."""
    instance.run(
        "nft",
        "add table ip lab; add chain ip lab post { type nat hook postrouting priority 100; };"
        f" add rule ip lab post ip saddr {_BRIDGE} oifname != docker0 masquerade",
    )
