"""ARP flux: two NICs in one subnet, and both answer for the addresses of both."""

from collections.abc import Iterator

from srcroutd.core.explain_arp import arp_verdicts
from srcroutd.core.lookup_values import Rpdb
from srcroutd.core.net import IP, Family
from srcroutd.core.view import NicView
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, global_addresses


def arp(scene: Scene) -> Iterator[Finding]:
    """One finding for all NICs that answer for an address of another one."""
    rpdb = scene.rpdbs.get(Family.V4)
    if rpdb is None or scene.view is None:
        return
    found = {nic.link.name: flux for nic in scene.nics if (flux := _others(rpdb, nic))}
    if not found:
        return
    name, (ip, others) = next(iter(found.items()))
    nics = sorted({*found, *(other for _, each in found.values() for other in each)})
    settings = " ".join(f"net.ipv4.conf.{one}.arp_ignore=1" for one in nics)
    # A cloud answers ARP itself and lets no such answer through; a real switch does.
    real_switch = scene.view.facts.provider == "static"
    yield Finding(
        Slug.ARP_FLUX,
        Severity.RISK if real_switch else Severity.NOTE,
        "",
        f"asked by ARP for {ip} of {name}, {' and '.join(others)} would answer, too: they share a "
        "subnet",
        "a neighbour on the same switch may learn the wrong NIC's MAC and send there; a cloud "
        "whose network answers ARP itself is not affected",
        f"set it, and write the same to /etc/sysctl.d\n$ sysctl -w {settings}",
    )


def _others(rpdb: Rpdb, nic: NicView) -> tuple[IP, list[str]] | None:
    """An address of this NIC and the other NICs that answer for it when its gateway asks."""
    half = nic.eni.v4 if nic.eni else None
    if half is None or half.gateway is None:
        return None
    for address in global_addresses(nic, Family.V4):
        others = [
            verdict.nic
            for verdict in arp_verdicts(rpdb, address.ip, half.gateway)
            if verdict.answers and verdict.nic != nic.link.name
        ]
        if others:
            return address.ip, others
    return None
