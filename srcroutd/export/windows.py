"""The view as PowerShell for the same ENIs under Windows.

Windows looks up the route among those of the NIC that bears the source address (the strong host
model), so a default route a NIC is all that source routing takes there: no rules, no tables, no
guard. The interface index is Windows' own; the script finds it by MAC.
"""

from ipaddress import IPv4Network

from srcroutd.core.net import Family, Route, RouteType
from srcroutd.core.view import View
from srcroutd.export.document import Document
from srcroutd.export.kept import Kept, comment, kept

METRIC = 200
"""Higher than what DHCP gives the primary NIC: it stays first for who chooses no address."""


def windows(view: View, *, temporary: bool = False) -> tuple[Document, ...]:
    """One script for all kept NICs. Raises NotSayable."""
    nics = [(nic, routes) for nic in kept(view) if (routes := _defaults(nic))]
    if not nics:
        return ()
    text = comment(_REMARKS) + "".join(_nic(nic, routes, temporary) for nic, routes in nics)
    apply = (
        "Copy it to the Windows host and run it in PowerShell as Administrator; "
        "route print shows the outcome."
    )
    return (Document("srcroutd-routes.ps1", r"C:\srcroutd-routes.ps1", text, apply),)


_REMARKS = (
    "Written by srcroutctl export windows. Run it in PowerShell as Administrator; where a route is",
    "there already, Windows says so and changes nothing. The addresses must stand on the NICs.",
    "",
    "Left out, because Windows needs none of it: rules, tables, routes to subnets.",
    "Left out, because Windows has nothing like it: the guard that lets no packet of an ENI leave",
    "by another NIC, and delegated prefixes.",
)


def _defaults(nic: Kept) -> list[Route]:
    """The default routes of a NIC, IPv4 first."""
    routes = [entry.thing for entry in nic.routes]
    found = [one for one in routes if one.dst.prefixlen == 0 and one.type is RouteType.UNICAST]
    return sorted(found, key=lambda route: route.family)


def _nic(nic: Kept, routes: list[Route], temporary: bool) -> str:  # noqa: FBT001 - private
    mac = nic.mac.upper().replace(":", "-")
    adapter = f"Get-NetAdapter | Where-Object {{ $_.MacAddress -eq '{mac}' }}"
    placeholder = f"<INDEX-OF-{mac}>"
    plain = [line for route in routes for line in _route(route, placeholder, temporary)]
    lines = [line for route in routes for line in _route(route, "$index", temporary)]
    return "\n".join(
        [
            "",
            *(f"# {line}" for line in nic.heading),
            f"$index = ({adapter} | Select-Object -First 1).ifIndex",
            f"if (-not $index) {{ throw 'no NIC with the MAC {mac} here' }}",
            *lines,
            "# The same by hand, the index as netsh interface ipv4 show interfaces has it:",
            *(f"#   {line}" for line in plain),
            "",
        ]
    )


def _route(route: Route, index: str, temporary: bool) -> list[str]:  # noqa: FBT001 - private
    gateway = route.gateway
    if gateway is None:
        return []
    if route.family is Family.V6:
        store = "store=active" if temporary else "store=persistent"
        add = f"netsh interface ipv6 add route {{}} interface={index}"
        link = [f"{add.format(f'{gateway}/128')} metric=1 {store}"] if route.onlink else []
        return [*link, f"{add.format('::/0')} nexthop={gateway} metric={METRIC} {store}"]
    add = "route add" if temporary else "route add -p"
    link = [_v4(add, IPv4Network(str(gateway)), "0.0.0.0", index, 1)] if route.onlink else []  # noqa: S104 - Windows' word for on-link
    return [*link, _v4(add, IPv4Network("0.0.0.0/0"), str(gateway), index, METRIC)]


def _v4(add: str, dst: IPv4Network, gateway: str, index: str, metric: int) -> str:
    return f"{add} {dst.network_address} mask {dst.netmask} {gateway} if {index} metric {metric}"
