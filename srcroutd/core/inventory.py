"""What the cloud says about this host's ENIs, as values.

A provider's answer is a ``Reading`` (perhaps of some ENIs only) or ``Unknown``; ``learn`` merges it
into the ``Inventory`` that the daemon keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from srcroutd.core.net import IP, Family, Network


@dataclass(frozen=True, slots=True)
class Addressing:
    """One family of one ENI. ``addresses`` has the primary first; ``prefixes`` are delegated
    prefixes.
    """

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

    ``enis`` are the complete, valid records of this answer; ``pending`` says of each MAC that was
    listed but has no usable record yet why (half a record, a refused value). ``listed`` holds every
    MAC the provider named, None if this part of the answer does not say. ``primary`` is the primary
    NIC's MAC, if told.
    """

    source: str
    enis: tuple[Eni, ...] = ()
    pending: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[str] | None = None
    primary: str | None = None
    final: bool = False
    """A person wrote the list: what is not in it is not wanted (a cloud's list may be late)."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """We could not learn. ``reason`` is for people: what, where, what next. ``kind`` is a bounded
    label.

    ``retry_after_s`` is set where the service asked us to wait (429 or 503 with Retry-After), in
    seconds.
    """

    reason: str
    kind: str = "error"
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything known about the ENIs, by MAC, whatever the age. Empty means: nothing known yet.

    ``unlisted`` are MACs known before that the last full answer did not list; ``pending`` and
    ``final`` as in Reading.
    """

    source: str = ""
    enis: Mapping[str, Eni] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()
    primary: str | None = None
    final: bool = False
