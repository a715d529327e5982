"""What the cloud says about this host's ENIs, as values; and how a new reading meets what was known before.

A provider's answer is a ``Reading`` (perhaps of some ENIs only) or ``Unknown``. ``learn`` merges it into the
``Inventory`` that the daemon keeps. Promise 2 lives here: an error, a missing record or half a record never
takes a fact away; only a newer complete record of the same ENI replaces the older one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from srcroutd.core.net import IP, Family, Network


@dataclass(frozen=True, slots=True)
class Addressing:
    """One family of one ENI. ``addresses`` has the primary first; ``prefixes`` are delegated prefixes."""

    addresses: tuple[IP, ...] = ()
    subnet: Network | None = None
    gateway: IP | None = None
    prefixes: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Eni:
    """One ENI: the cloud's object, joined with a NIC by MAC (lower case, colons).

    ``v4`` or ``v6`` is None where the ENI has nothing of that family.
    """

    id: str
    mac: str
    v4: Addressing | None = None
    v6: Addressing | None = None

    def addressing(self, family: Family) -> Addressing | None:
        """The half of the record that belongs to ``family``."""
        return self.v4 if family is Family.V4 else self.v6


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of a provider, whole or in part.

    ``enis`` are the complete, valid records of this answer; ``pending`` says of each MAC that was listed but
    has no usable record yet why (half a record, a refused value). ``listed`` holds every MAC the provider
    named, None if this part of the answer does not say. ``primary`` is the primary NIC's MAC, if told.
    """

    source: str
    enis: tuple[Eni, ...] = ()
    pending: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[str] | None = None
    primary: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """We could not learn. ``reason`` is for people: what, where, what next. ``kind`` is a bounded label.

    ``retry_after_s`` is set where the service asked us to wait (429 or 503 with Retry-After), in seconds.
    """

    reason: str
    kind: str = "error"
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything known about the ENIs, by MAC, whatever the age. Empty means: nothing known yet.

    ``unlisted`` are MACs known before that the last full answer did not list; ``pending`` as in Reading.
    """

    source: str = ""
    enis: Mapping[str, Eni] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()
    primary: str | None = None


def learn(known: Inventory, reading: Reading) -> Inventory:
    """Merge a reading into what is known. Facts are replaced by complete records and never by absence.

    An ENI whose identity moved to another MAC (the same id under a new MAC) leaves its old MAC.
    """
    fresh = {eni.mac: eni for eni in reading.enis}
    fresh_ids = {eni.id for eni in reading.enis}
    kept = {
        mac: eni for mac, eni in known.enis.items() if mac in fresh or eni.id not in fresh_ids
    }
    enis = kept | fresh
    pending = {mac: why for mac, why in known.pending.items() if mac not in fresh}
    unlisted = known.unlisted - fresh.keys()
    if reading.listed is not None:
        pending = {mac: why for mac, why in pending.items() if mac in reading.listed}
        unlisted = frozenset(enis.keys() - reading.listed)
    return replace(
        known,
        source=reading.source,
        enis=dict(sorted(enis.items())),
        pending=dict(sorted((pending | dict(reading.pending)).items())),
        unlisted=unlisted,
        primary=reading.primary or known.primary,
    )


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
