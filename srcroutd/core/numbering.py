"""Which numbers are ours, and which ENI has which: the same ENI keeps its table and priorities
(promise 5).

A ``Domain`` is what marks an object as ours: our protocol number *and* a number inside our bands.
An ENI gets a seat, a small number k; seat k owns table ``tables.start + k`` and the ten priorities
from ``priorities.start + 10 k``. Seats outlive detach, attach in another order and reboot; only
when all are taken does the one that has been empty longest go to somebody new.

What concerns the whole host and no single NIC (access control, the source of new connections, load
over several NICs) has a band of priorities of its own, asked before the NICs': access control in
its first half, the rest in its second. Its tables lie behind those of the seats.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from srcroutd.core.net import MAIN_TABLE, Route, RouteType, Rule

PRIORITIES_A_SEAT = 10
POLICY_TABLES = 64
"""How many tables policies have: each is looked at, so that nothing of ours is ever forgotten."""
KERNEL = 2
"""RTPROT_KERNEL (rtnetlink.h): the rules that every network namespace begins with."""
LAST_METRIC = 4_000_000_000
"""Where the metrics begin that are behind any that a person or a DHCP client would choose."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What bears our mark: ``protocol`` (1..255), a band of priorities and a band of tables."""

    protocol: int = 83
    priorities: range = range(18000, 19000)
    tables: range = range(18000, 19000)
    policies: range = range(17000, 18000)
    """Priorities of what concerns the whole host; all before those of the NICs."""
    main_metrics: tuple[range, ...] = ()
    """Metrics of the default routes in main that are ours; without any, nothing in main is."""

    @property
    def auto_metrics(self) -> tuple[range, ...]:
        """The metrics of defaults in main that nobody chose: a NIC's is the number of its table,
        or behind everything.
        """
        return (self.tables, range(LAST_METRIC, LAST_METRIC + self.seats.stop))

    @property
    def access(self) -> range:
        """The priorities of access control: it is asked first."""
        return self.policies[: len(self.policies) // 2]

    @property
    def egress(self) -> range:
        """The priorities of what chooses the NIC of new connections."""
        return self.policies[len(self.policies) // 2 :]

    @property
    def rewritten(self) -> range:
        """The priorities for connections whose source is rewritten, before those of all seats.

        Not in ``egress``: in IPv6 only packets without a source come by there.
        """
        return range(self.priority(0), self.priority(1))

    @property
    def policy_tables(self) -> range:
        """The tables of what concerns the whole host: 18100..18163 with the default bands."""
        first = self.tables.start + self.seats.stop + 1
        return range(first, max(first, min(self.tables.stop - 1, first + POLICY_TABLES)))

    @property
    def seats(self) -> range:
        """The seats there are: 1..98 with the default bands."""
        return range(1, min(len(self.priorities) // PRIORITIES_A_SEAT, len(self.tables)) - 1)

    def table(self, seat: int) -> int:
        """The table of a seat."""
        return self.tables.start + seat

    def priority(self, seat: int) -> int:
        """The first of the ten priorities of a seat."""
        return self.priorities.start + PRIORITIES_A_SEAT * seat

    def owns_rule(self, rule: Rule) -> bool:
        """Ours: our protocol and our band. Anything else belongs to a stranger."""
        return rule.protocol == self.protocol and (
            rule.priority in self.priorities or rule.priority in self.policies
        )

    def owns_route(self, route: Route) -> bool:
        """Ours: our protocol and our band. Anything else belongs to a stranger.

        In main the band is one of metrics, and only a default by one gateway is ours.
        """
        if route.protocol != self.protocol:
            return False
        return route.table in self.tables or (
            route.table == MAIN_TABLE
            and route.dst.prefixlen == 0
            and route.type is RouteType.UNICAST
            and route.gateway is not None
            and not route.beyond
            and any(route.identity[3] in band for band in self.main_metrics)
        )

    def same_bands(self, other: "Domain") -> bool:
        """Whether both are the same but for defaults in main."""
        return replace(self, main_metrics=()) == replace(other, main_metrics=())

    def with_metrics_of(self, other: "Domain") -> "Domain":
        """The same, with the other's defaults in main for ours as well."""
        both = dict.fromkeys((*self.main_metrics, *other.main_metrics))
        return replace(self, main_metrics=tuple(sorted(both, key=lambda band: band.start)))

    def seat_of(self, thing: Rule | Route) -> int:
        """The seat that an object of ours sits in (it may be a seat that nobody holds); 0 for what
        concerns the whole host, and for a default in main, which says only by which NIC it goes.
        """
        if isinstance(thing, Rule):
            if thing.priority not in self.priorities:
                return 0
            return (thing.priority - self.priorities.start) // PRIORITIES_A_SEAT
        return thing.table - self.tables.start if self._is_seats(thing.table) else 0

    def _is_seats(self, table: int) -> bool:
        return table in self.tables and table not in self.policy_tables


def merged(domains: Iterable[Domain]) -> tuple[Domain, ...]:
    """The same numbers with each pair of bands once."""
    found: list[Domain] = []
    for domain in domains:
        same = next((at for at, one in enumerate(found) if one.same_bands(domain)), None)
        if same is None:
            found.append(domain)
        else:
            found[same] = found[same].with_metrics_of(domain)
    return tuple(found)


def is_foreign(rule: Rule, domains: Iterable[Domain]) -> bool:
    """Whether a rule is neither ours nor one of the kernel's own."""
    return rule.protocol != KERNEL and not any(domain.owns_rule(rule) for domain in domains)


@dataclass(frozen=True, slots=True)
class Seat:
    """A number and the ENI that it was given to."""

    number: int
    eni: str
    mac: str


@dataclass(frozen=True, slots=True)
class Seating:
    """All seats ever given, in the order in which their ENIs were last seen (the longest gone
    first).
    """

    seats: tuple[Seat, ...] = ()

    def number(self, eni: str) -> int | None:
        """The seat number of an ENI, None if it has none."""
        return next((seat.number for seat in self.seats if seat.eni == eni), None)

    def holder(self, number: int) -> Seat | None:
        """Who holds a seat number."""
        return next((seat for seat in self.seats if seat.number == number), None)


@dataclass(frozen=True, slots=True)
class SeatsExhausted:
    """There are more ENIs at once than seats; ``eni`` got none."""

    eni: str


def seat(
    seating: Seating, present: Iterable[tuple[str, str]], domain: Domain, taken: Mapping[int, str]
) -> tuple[Seating, tuple[SeatsExhausted, ...]]:
    """Give each present ENI (id, MAC) a seat, keeping the one it has.

    ``taken`` maps seat numbers that strangers use (a route in the table, a rule in the priorities)
    to the reason; an ENI whose own seat is taken moves. The result is the same whatever order
    ``present`` is in.
    """
    here = dict(sorted(present))
    usable = {seat.eni: seat for seat in seating.seats if _usable(seat, domain, taken)}
    absent = [seat for seat in seating.seats if seat.eni not in here and seat.eni in usable]
    kept = {eni: seat.number for eni, seat in usable.items() if eni in here}
    held = set(kept.values()) | {seat.number for seat in absent}
    free = [number for number in domain.seats if number not in held and number not in taken]
    exhausted = []
    for eni in here:
        if eni in kept:
            continue
        if not free and absent:
            free.append(absent.pop(0).number)
        if free:
            kept[eni] = free.pop(0)
        else:
            exhausted.append(SeatsExhausted(eni))
    order = {seat.eni: place for place, seat in enumerate(seating.seats)}
    ranked = sorted(kept, key=lambda eni: (order.get(eni, len(order)), eni))
    return (
        Seating((*absent, *(Seat(kept[eni], eni, here[eni]) for eni in ranked))),
        tuple(exhausted),
    )


def _usable(seat: Seat, domain: Domain, taken: Mapping[int, str]) -> bool:
    return seat.number in domain.seats and seat.number not in taken


def recovered(seating: Seating, clues: Mapping[int, str], ids: Mapping[str, str]) -> Seating:
    """Add the seats that the kernel still shows: seat number -> MAC of the NIC its routes point at.

    For a lost or damaged state file: what stands in the kernel keeps its numbers. ``ids`` maps MAC
    to ENI id; a clue without a known ENI is left out, and a seat or ENI that is already seated is
    not moved.
    """
    seats = list(seating.seats)
    for number, mac in sorted(clues.items()):
        eni = ids.get(mac)
        if eni and not any(seat.eni == eni or seat.number == number for seat in seats):
            seats.append(Seat(number, eni, mac))
    return Seating(tuple(seats))
