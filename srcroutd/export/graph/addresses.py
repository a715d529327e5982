"""A NIC's addresses in words: the cloud's first one first, then its others, then by value."""

from collections.abc import Iterator

from srcroutd.core.net import IP, Family, Rule, Scope
from srcroutd.core.view import NicView
from srcroutd.export.graph.picture import Line

SHOWN = 8
"""Addresses of a NIC and family in a picture; the rest is counted."""


def address_lines(nic: NicView, families: tuple[Family, ...]) -> tuple[Line, ...]:
    """The lines for the addresses of some families, with those that get no rules told apart."""
    lines: list[Line] = []
    for family in families:
        lines += _of_family(nic, family)
    if len(lines) > SHOWN + 1:
        lines = [*lines[:SHOWN], Line(f"and {len(lines) - SHOWN} more")]
    for family in families:
        lines += _beyond(nic, family)
    return tuple(lines) or (Line("no address yet"),)


def _of_family(nic: NicView, family: Family) -> Iterator[Line]:
    half = nic.eni.addressing(family) if nic.eni else None
    listed = half.addresses if half else ()
    # By number: hashing a number is ten times as fast as hashing an address object.
    place = {int(ip): number for number, ip in enumerate(listed)}
    ruled = {
        int(want.thing.src.network_address)
        for want in nic.desired.rules
        if isinstance(want.thing, Rule) and want.thing.src and want.thing.family is family
    }
    here = [
        address
        for address in nic.addresses
        if Family.of(address.interface) is family and address.scope == Scope.GLOBAL
    ]
    here.sort(key=lambda address: (place.get(int(address.ip), len(place)), int(address.ip)))
    for address in here:
        number = int(address.ip)
        note = "primary" if place.get(number) == 0 and len(here) > 1 else ""
        if address.tentative:
            note = "tentative"
        elif nic.kept and number not in ruled:
            note = "no rules"
        yield Line(str(address.ip), note=note)


def _beyond(nic: NicView, family: Family) -> Iterator[Line]:
    """What the cloud has for the ENI that is not on the NIC."""
    half = nic.eni.addressing(family) if nic.eni else None
    if half is None:
        return
    for prefix in half.prefixes[:SHOWN]:
        yield Line(str(prefix), note="delegated")
    if len(half.prefixes) > SHOWN:
        yield Line(f"and {len(half.prefixes) - SHOWN} more", note="delegated")
    here = {int(address.ip) for address in nic.addresses}
    absent: list[IP] = [ip for ip in half.addresses if int(ip) not in here]
    if absent:
        yield Line(f"{len(absent)} more listed", note="not on the NIC")
