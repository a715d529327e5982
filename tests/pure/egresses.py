"""Hosts and entries for the tests of where new connections come from."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

from srcroutd.core.desired import Host, HostNic, NicDesired
from srcroutd.core.egress_entry import EgressEntry
from srcroutd.core.inventory import Eni
from srcroutd.core.marking import Mask
from srcroutd.core.net import Family
from tests.pure.worlds import DOMAIN, address, addressing, eni, link

MASK = Mask()
TCP, UDP = 6, 17
FAR, FAR6 = "203.0.113.0/24", "2001:db8:cafe::/48"

V4 = {
    number: addressing(
        f"192.0.{number}.5",
        f"192.0.{number}.6",
        subnet=f"192.0.{number}.0/24",
        gateway=f"192.0.{number}.253",
    )
    for number in (1, 2)
}
V6 = {
    number: addressing(
        f"2001:db8:{number}::5",
        subnet=f"2001:db8:{number}::/64",
        gateway=f"2001:db8:{number}::fd",
    )
    for number in (1, 2)
}


def nic(number: int, *texts: str, known: Eni | None = None, up: bool = True) -> HostNic:
    """EthN with the addresses of its ENI, or with others; eth1 is the primary and left alone."""
    on_nic = texts or (
        *(f"192.0.{number}.{host}/24" for host in (5, 6)),
        f"2001:db8:{number}::5/64",
    )
    return HostNic(
        link(number, up=up),
        tuple(address(number, text) for text in on_nic),
        known or eni(number, V4[number], V6[number]),
        DOMAIN.table(number) if number > 1 else 0,
        primary=number == 1,
    )


BOTH = Host(DOMAIN, (nic(1), nic(2)))


def entry(
    to: str | tuple[str, ...] = FAR, nic: str = "eth2", source: str | None = None, **more: object
) -> EgressEntry:
    prefixes = tuple(ip_network(text) for text in ((to,) if isinstance(to, str) else to) if text)
    found = EgressEntry(to=prefixes, nic=nic, source=ip_address(source) if source else None)
    return replace(found, **more)  # type: ignore[arg-type]


def said(wanted: NicDesired, family: Family = Family.V4) -> list[str]:
    """Rules, then routes, of one family."""
    wants = (*wanted.rules, *wanted.routes)
    return [str(want.thing) for want in wants if want.thing.family is family]
