"""UDP servers on wildcard sockets: the answer's source is chosen anew, by the primary NIC's route,
unless the program tells the kernel which address it was asked at.
"""

from collections.abc import Iterator

from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, global_addresses

_WELL_BEHAVED = frozenset(
    "chronyd chrony systemd-resolve systemd-network systemd-timesyn NetworkManager dhclient dhcpcd "
    "dnsmasq named coredns ntpd avahi-daemon tailscaled kubelet kube-proxy".split()
)
"""They ask with IP_PKTINFO, bind each address, or are asked by nobody but their own servers."""
_NO_SERVICE = frozenset({67, 68, 546, 547, 4789, 5353, 5355, 6081, 8472})
"""DHCP and multicast name services, answered within a link; the kernel's VXLAN and Geneve, which
answer nothing.
"""
_SHOWN = 4


def udp(scene: Scene) -> Iterator[Finding]:
    """One note for all of them, on hosts with two NICs or more that have addresses."""
    if len([nic for nic in scene.nics if global_addresses(nic)]) < 2 or not scene.kept:
        return
    first = scene.sysctls.get("ipv4/ip_local_port_range", 32768)
    last = scene.sysctls.get("ipv4/ip_local_port_range/last", 60999)
    servers = {
        (one.port, one.program)
        for one in scene.udp
        if one.program not in _WELL_BEHAVED
        and one.port not in _NO_SERVICE
        and not first <= one.port <= last
    }
    if not servers:
        return
    words = [f"{program or 'unknown'} ({port})" for port, program in sorted(servers)]
    shown = ", ".join(words[:_SHOWN])
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    yield Finding(
        Slug.UDP_WILDCARD,
        Severity.NOTE,
        "",
        f"UDP servers listen on all addresses at once: {shown}{more}",
        "asked at a secondary NIC's address, such a server answers with the primary NIC's, and the "
        "client drops that, unless the program uses IP_PKTINFO; whether it does cannot be seen "
        "from outside",
        "if clients of a secondary NIC's address get no answer, have the server listen on that "
        "address itself",
    )
