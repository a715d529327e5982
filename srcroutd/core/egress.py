"""The source of new connections: ``[[egress]]`` entries to rules, routes and rewritten sources.

Each entry has two priorities in the first half of ``Domain.egress`` and a table of its own kind:

    +0   to what the cloud keeps for itself   main     metadata, name servers, multicast
    +0   to PREFIX   what main knows more narrowly     containers, VPN, the link itself
    +1   to PREFIX   the entry's table                 default by the NIC, ``src`` the source

so that an entry is to its connections what a route to PREFIX in main would be. Its table has no
guard: a socket that is bound to another NIC finds nothing in it and goes on. Only connections whose
source nobody has chosen come here; with ``snat``, nftables marks the others (``marking_egress``),
and two rules for each mark, behind the band of policies, lead them:

    18000   fwmark MARK   as +0
    18001   fwmark MARK   as +1
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from srcroutd.core.desired import Host, NicDesired, Want
from srcroutd.core.egress_entry import EgressEntry, mark_number, priority_of, table_of
from srcroutd.core.egress_way import Way, way_of
from srcroutd.core.marking import Mask, unmarkable
from srcroutd.core.marking_snat import Snat
from srcroutd.core.net import MAIN_TABLE, Family, Network, Route, Rule, Scope
from srcroutd.core.numbering import Domain
from srcroutd.core.unbound import KEPT, jumps, only_unbound


@dataclass(frozen=True, slots=True)
class _Led:
    """One family of an entry that has a way now."""

    domain: Domain
    mask: Mask
    entry: EgressEntry
    family: Family
    way: Way
    priority: int
    table: int
    number: int
    """Its mark's, 0 without ``snat``."""


def derive_egress(entries: Sequence[EgressEntry], host: Host, mask: Mask) -> NicDesired:
    """The rules and routes of all entries; ``mask`` is where the marks of ``snat`` lie."""
    led, notes = _sort(entries, host, mask)
    routes = dict.fromkeys(want for one in led for want in _routes(one))
    rules = [want for one in led for want in _rules(one)]
    if any(one.family is Family.V6 for one in led):
        rules += jumps(host.domain)
    return NicDesired(_each_once(routes), tuple(dict.fromkeys(rules)), notes)


def derive_snats(entries: Sequence[EgressEntry], host: Host, mask: Mask) -> tuple[Snat, ...]:
    """What our table of nftables has to rewrite, for each family of each entry that asks for it."""
    led, _ = _sort(entries, host, mask)
    return tuple(_snat(one, host) for one in led if one.number)


def _sort(
    entries: Sequence[EgressEntry], host: Host, mask: Mask
) -> tuple[list[_Led], tuple[str, ...]]:
    """The families of entries that have a way, and a note for each that has none."""
    led: list[_Led] = []
    notes: list[str] = []
    for number, entry in enumerate(entries):
        table = table_of(host.domain, entries, entry)
        priority = priority_of(host.domain, number)
        why = _not_rewritten(entry, host)
        mark = mark_number(mask, entries, entry) if entry.snat and not why else 0
        ways = {family: way_of(entry, family, host) for family in entry.families}
        for family, way in ways.items():
            if isinstance(way, Way):
                led.append(_Led(host.domain, mask, entry, family, way, priority, table, mark))
        lacking = [way for way in ways.values() if isinstance(way, str)]
        if len(lacking) == len(ways) or entry.to:
            # Who asks for a NIC without saying for what takes the families that it has.
            notes += (f"{entry} waits: {why}" for why in dict.fromkeys(lacking))
        if why:
            notes.append(f"{entry} rewrites nothing: {why}")
    return led, tuple(notes)


def _not_rewritten(entry: EgressEntry, host: Host) -> str:
    """Why our table of nftables cannot say what an entry with ``snat`` wants; empty if it can."""
    whys = (unmarkable(nic.link.name) for nic in host.nics)
    return next(filter(None, whys), "") if entry.snat else ""


def _each_once(wants: dict[Want, None]) -> tuple[Want, ...]:
    """Entries that share a table want the same routes: the first one's reason is told."""
    found: dict[Rule | Route, Want] = {}
    for want in wants:
        found.setdefault(want.thing, want)
    return tuple(found.values())


def _routes(led: _Led) -> Iterator[Want]:
    way, because = led.way, str(led.entry)
    link = way.nic.link
    base = Route(
        led.family,
        led.table,
        led.family.everything,
        gateway=way.gateway,
        oif=link.index,
        dev=link.name,
        prefsrc=way.source,
        onlink=way.onlink,
        protocol=led.domain.protocol,
    )
    if way.subnet:
        scope = Scope.LINK if led.family is Family.V4 else Scope.GLOBAL
        yield Want(replace(base, dst=way.subnet, gateway=None, onlink=False, scope=scope), because)
    yield Want(base, because)


def _rules(led: _Led) -> Iterator[Want]:
    entry, domain = led.entry, led.domain
    unbound = Rule(
        led.family,
        led.priority,
        mark=entry.mark,
        mask=entry.mask,
        ip_proto=entry.ip_proto,
        dport=entry.port,
        uids=entry.uids,
        protocol=domain.protocol,
    )
    yield from _tiers(led, only_unbound(unbound), f"new connections of {entry}")
    if led.number:
        value = led.mask.value(led.number)
        marked = Rule(
            led.family,
            domain.rewritten.start,
            mark=value,
            mask=led.mask.bits,
            protocol=domain.protocol,
        )
        yield from _tiers(led, marked, f"rewritten connections of {entry}")


def _tiers(led: _Led, asks: Rule, because: str) -> Iterator[Want]:
    """What main keeps, then the entry's table, for packets that meet the selectors of ``asks``."""
    for prefix in led.entry.destinations(led.family):
        for kept in KEPT:
            if Family.of(kept) is led.family and kept != prefix and _within(kept, prefix):
                yield Want(replace(asks, dst=kept, table=MAIN_TABLE), f"{kept} stays as it is")
        dst = prefix if prefix.prefixlen else None
        if prefix.prefixlen < prefix.max_prefixlen:
            yield Want(
                replace(asks, dst=dst, table=MAIN_TABLE, suppress_prefixlength=prefix.prefixlen),
                f"what main knows more narrowly than {prefix} stays as it is",
            )
        yield Want(replace(asks, priority=asks.priority + 1, dst=dst, table=led.table), because)


def _within(inner: Network, outer: Network) -> bool:
    return inner.subnet_of(outer)  # type: ignore[arg-type]


def _snat(led: _Led, host: Host) -> Snat:
    entry = led.entry
    return Snat(
        led.number,
        led.way.nic.link.name,
        led.way.source,
        tuple(prefix for prefix in entry.to if Family.of(prefix) is led.family),
        entry.ip_proto,
        entry.port,
        entry.uids,
        entry.mark,
        entry.mask,
        tuple(sorted(nic.link.name for nic in host.nics)) if entry.forwarded else (),
    )
