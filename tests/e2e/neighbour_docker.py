"""A container behind a bridge with a published port, as docker makes them, on a machine that
networkd configures.

The container is the lab's; the bridge, the masquerading and the DNAT of port 8080 are made in the
machine, by its own ip and nft, and made again as a restart of docker does it.
"""

import sys

from srcroutd.lab.machine import Machine as LabMachine
from srcroutd.lab.topology import CLIENT_V4, ETH0, ETH1
from tests.e2e.cloud import Cloud
from tests.e2e.neighbours import NETWORKD, Event, Neighbour

_PORT = 8080
_CONTAINER = "172.17.0.2"
_RULESET = "/etc/docker-like.nft"
_NFT = f"""\
table ip docker-like
delete table ip docker-like
table ip docker-like {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        fib daddr type local tcp dport {_PORT} dnat to {_CONTAINER}:7
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
    }}
}}
"""
_BRIDGE = f"""
ip link del docker0
ip link add docker0 address 02:42:00:00:00:01 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip link set vethc master docker0 up
nft -f {_RULESET}
"""
# An address that is the same on every machine, for the link-local one is made from it.
_CORD = "ip link set vethc down address 02:42:00:00:00:02"
_ASK = f"""
import socket, sys
with socket.create_connection((sys.argv[1], {_PORT}), 2) as connection:
    connection.sendall(b"hello")
    sys.exit(connection.recv(5) != b"hello")
"""

DOCKER = Neighbour(
    name="docker",
    title="a docker-like bridge with nftables DNAT",
    events=(
        Event("bridge and rules made anew, as a restart does", _BRIDGE),
        Event("nft -f: its rules loaded again", f"nft -f {_RULESET}"),
        Event(
            "container stopped, started", "ip link set vethc down; sleep 0.3; ip link set vethc up"
        ),
    ),
    start=f"{NETWORKD.start}\n{_CORD}\n{_BRIDGE}",
    settled=f"{NETWORKD.settled} && ip link show docker0 | grep -q LOWER_UP",
    tools="nft list table ip docker-like",
    version="nft --version | cut -d ' ' -f 1,2",
    units=NETWORKD.units,
    files=NETWORKD.files | {_RULESET: _NFT},
    container=True,
)


def reach(cloud: Cloud) -> list[str]:
    """Who reaches whom through the bridge, one line each."""
    asked = {
        f"the port published on {nic.name}": (
            cloud.client.run(sys.executable, "-c", _ASK, str(nic.v4[0]), check=False).code == 0
        )
        for nic in (ETH0, ETH1)
    }
    asked["the container, from eth1's address"] = bool(
        cloud.instance.probe(_CONTAINER, src=ETH1.v4[0], kind="tcp")
    )
    container = LabMachine(cloud.lab.folder, "container")
    asked["the client, from the container"] = bool(container.probe(CLIENT_V4))
    return [f"{who}: {'reached' if done else 'not reached'}" for who, done in asked.items()]
