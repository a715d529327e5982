"""The RPDB and one packet to the packet's way, as the kernel would find it.

Promise: the answer is the kernel's or it is ``Beyond``, never a wrong one. tests/kernel holds it
against RTM_GETROUTE over thousands of random rules, routes and packets.
"""

from srcroutd.core.lookup_v4 import walk4
from srcroutd.core.lookup_v6 import walk6
from srcroutd.core.lookup_values import Beyond, Packet, Rpdb, Walk
from srcroutd.core.net import Family


def walk(rpdb: Rpdb, packet: Packet) -> Walk:
    """Walk one packet through the rules and tables of its family."""
    if rpdb.family is not packet.family or (packet.src and Family.of(packet.src) != rpdb.family):
        return Walk(packet, (), Beyond("source and destination are of two families"))
    for address in (packet.dst, packet.src):
        if rpdb.covering is not None and address is not None and address not in rpdb.covering:
            return Walk(packet, (), Beyond(f"the routes to {address} were not read"))
    return walk4(rpdb, packet) if rpdb.family is Family.V4 else walk6(rpdb, packet)
