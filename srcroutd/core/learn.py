"""How a new reading meets what was known before.

Promise 2 lives here: an error, a missing record or half a record never takes a fact away; only a
newer complete record of the same ENI replaces the older one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from srcroutd.core.inventory import Addressing, Eni, Inventory, Reading
from srcroutd.core.net import IP, Network


def learn(known: Inventory, reading: Reading) -> Inventory:
    """Merge a reading into what is known. Facts are replaced by complete records and never by
    absence.

    What a newer record claims has moved there: an ENI id leaves its old MAC, an address or prefix
    leaves the older record of another ENI.
    """
    fresh = {eni.mac: _whole(eni, known, reading) for eni in reading.enis}
    fresh_ids = {eni.id for eni in reading.enis}
    moved = frozenset(thing for eni in fresh.values() for thing in _things(eni))
    kept = {mac: _without(eni, moved) for mac, eni in known.enis.items() if eni.id not in fresh_ids}
    enis = kept | fresh
    pending = {mac: why for mac, why in known.pending.items() if mac not in fresh}
    unlisted = known.unlisted - fresh.keys()
    if reading.listed is not None:
        pending = {mac: why for mac, why in pending.items() if mac in reading.listed}
        if reading.final:
            enis = {mac: eni for mac, eni in enis.items() if mac in reading.listed}
        unlisted = frozenset(enis.keys() - reading.listed)
    return replace(
        known,
        source=reading.source,
        enis=dict(sorted(enis.items())),
        pending=dict(sorted((pending | dict(reading.pending)).items())),
        unlisted=unlisted,
        primary=reading.primary or known.primary,
        final=reading.final,
    )


def _whole(eni: Eni, known: Inventory, reading: Reading) -> Eni:
    """The record with the half that could not be learnt now taken from what was known of the ENI.

    An ENI never loses its primary IPv4 address, so IPv4 is never taken away; a missing IPv6 half is
    unknown if the reading says that something of this ENI is pending, else there is none.
    """
    old = known.enis.get(eni.mac)
    if old is None or old.id != eni.id:
        return eni
    return replace(
        eni, v4=eni.v4 or old.v4, v6=eni.v6 or (old.v6 if eni.mac in reading.pending else None)
    )


def _things(eni: Eni) -> Iterator[IP | Network]:
    for half in (eni.v4, eni.v6):
        if half:
            yield from half.addresses
            yield from half.prefixes


def _without(eni: Eni, moved: frozenset[IP | Network]) -> Eni:
    if moved.isdisjoint(_things(eni)):
        return eni
    return replace(eni, v4=_half_without(eni.v4, moved), v6=_half_without(eni.v6, moved))


def _half_without(half: Addressing | None, moved: frozenset[IP | Network]) -> Addressing | None:
    if half is None:
        return None
    addresses = tuple(ip for ip in half.addresses if ip not in moved)
    prefixes = tuple(prefix for prefix in half.prefixes if prefix not in moved)
    return replace(half, addresses=addresses, prefixes=prefixes)


def forget(known: Inventory, present: Iterable[str]) -> Inventory:
    """Drop the ENIs that the cloud no longer lists **and** whose NIC the kernel no longer has."""
    gone = known.unlisted - frozenset(present)
    if not gone:
        return known
    return replace(
        known,
        enis={mac: eni for mac, eni in known.enis.items() if mac not in gone},
        unlisted=known.unlisted - gone,
    )
