"""The VPC router: a port for every ENI, where every address lives, and the source check."""

from collections.abc import Callable, Iterable, Sequence

from srcroutd.core.net import IP
from srcroutd.lab import topology
from srcroutd.lab.machine import Machine
from srcroutd.lab.topology import Eni

Park = Callable[[Sequence[str]], object]
"""Runs ``ip`` lines beside the holder, where cords are made and detached NICs lie."""

_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/default/proxy_arp": "1",
    "net/ipv6/conf/default/proxy_ndp": "1",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/send_redirects": "0",
}
_PORT_SYSCTLS = {
    # A proxy waits up to 0.8 s by default before it answers, to let the real owner be first.
    "net/ipv4/neigh/{port}/proxy_delay": "0",
    "net/ipv6/neigh/{port}/proxy_delay": "0",
}


class Vpc:
    """What the router is told. It refuses what comes out of an ENI with another's source."""

    def __init__(self, router: Machine, park: Park) -> None:
        self._router = router
        self._park = park

    def build(self, client: Machine) -> None:
        """Forwarding, the metadata service's addresses, and the cord to the client outside."""
        self._router.sysctl(_SYSCTLS)
        self._park([topology.client_cord_line(client.name)])
        self._router.ip_batch(topology.outside_lines())
        client.ip_batch(topology.client_lines())

    def connect(self, fresh: Sequence[Eni], every: Iterable[Eni]) -> None:
        """Give new ENIs a port each; their NICs are parked. ``every`` lists all ENIs of the VPC."""
        self._park([topology.cord_line(nic) for nic in fresh])
        lines = [line for nic in fresh for line in topology.port_lines(nic)]
        self._router.ip_batch([*lines, *topology.proxy_lines(every)])
        self._router.sysctl(
            {
                key.format(port=nic.port): value
                for nic in fresh
                for key, value in _PORT_SYSCTLS.items()
            }
        )
        for version in (4, 6):
            allowed = [
                line
                for nic in fresh
                for line in topology.check_lines(nic, (*nic.addresses, *nic.prefixes))[version]
            ]
            self._router.ip_batch([*allowed, *map(topology.drop_line, fresh)], version)

    def route(self, nic: Eni, address: IP, every: Iterable[Eni]) -> None:
        """Give an ENI that has a port one more address."""
        lines = topology.port_address_lines(nic, address)
        self._router.ip_batch([*lines, *topology.proxy_lines(every)])
        self._router.ip_batch(
            topology.check_lines(nic, [address])[address.version], address.version
        )

    def unroute(self, nic: Eni, address: IP) -> None:
        """Take an address away from an ENI. Its NDP proxies stay, silent without a route."""
        rules = topology.check_lines(nic, [address], "del")[address.version]
        self._router.ip_batch(rules, address.version)
        self._router.ip_batch(topology.no_port_address_lines(nic, address))
