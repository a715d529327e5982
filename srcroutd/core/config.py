"""The configuration as values, and which settings it gives to one NIC.

An empty configuration is complete: every default here is what most hosts want.
"""

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from srcroutd.core.desired import ExtraRoute, ModeWord, Settings, SysctlPolicy
from srcroutd.core.inventory import Addressing, Eni
from srcroutd.core.main_table import MainInterest, Mirror
from srcroutd.core.marking import Mask
from srcroutd.core.net import Link, Network
from srcroutd.core.numbering import Domain

if TYPE_CHECKING:  # what most hosts do not configure is not loaded
    from srcroutd.core.access import AccessEntry
    from srcroutd.core.egress_entry import EgressEntry
    from srcroutd.core.load import LoadEntry

_SETTINGS = tuple(field.name for field in fields(Settings))
"""What an entry may say of a NIC."""


@dataclass(frozen=True, slots=True)
class NicEntry:
    """One ``[[nic]]`` entry: to which NICs it speaks, and what it says (None: nothing about that).

    ``name`` is a shell pattern of device names; an entry with several of name, mac and eni wants
    all of them.
    """

    name: str | None = None
    mac: str | None = None
    eni: str | None = None
    manage: bool | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    oif_rule: bool | None = None
    mode: ModeWord | None = None
    sysctls: SysctlPolicy | None = None
    addresses: Literal["leave", "assign"] | None = None
    ignore: frozenset[Network] | None = None
    routes: tuple[ExtraRoute, ...] | None = None
    keep_main: tuple[Network, ...] | None = None
    main_default_metric: int | Literal["auto"] | None = None
    """0 takes back what an earlier entry said."""
    mirror: tuple[Mirror, ...] | None = None

    def speaks_of(self, link: Link, eni: Eni) -> bool:
        """Whether this entry applies to the NIC."""
        return (
            (self.name is None or fnmatchcase(link.name, self.name))
            and (self.mac is None or link.mac == self.mac)
            and (self.eni is None or eni.id == self.eni)
        )


@dataclass(frozen=True, slots=True)
class StaticEni:
    """One ``[[eni]]`` entry, for hosts without a cloud: found by device name or MAC."""

    id: str
    name: str | None = None
    mac: str | None = None
    primary: bool = False
    v4: Addressing | None = None
    v6: Addressing | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured, with its defaults. Times are in seconds."""

    provider: str = "auto"
    domain: Domain = Domain()
    refresh_s: float = 300.0
    look_s: float = 60.0
    max_age_s: float = 30 * 86400.0
    mark_mask: Mask = Mask()
    metrics: tuple[str, int] | None = None
    """Address and TCP port for OpenMetrics; None: only on the control socket."""
    nics: tuple[NicEntry, ...] = ()
    enis: tuple[StaticEni, ...] = ()
    access: "tuple[AccessEntry, ...]" = ()
    egress: "tuple[EgressEntry, ...]" = ()
    load: "tuple[LoadEntry, ...]" = ()

    @property
    def marks(self) -> bool:
        """Whether any entry asks for what nftables has to do."""
        marks = any(entry.mode == "connmark" for entry in self.nics)
        return marks or any(entry.snat for entry in self.egress)

    @property
    def main(self) -> MainInterest:
        """What has to be looked at in table main, whichever NICs the entries speak of."""
        mirror = tuple(dict.fromkeys(one for nic in self.nics for one in nic.mirror or ()))
        return MainInterest(
            any(nic.main_default_metric for nic in self.nics),
            tuple(one for one in mirror if not isinstance(one, int)),
            tuple(one for one in mirror if isinstance(one, int)),
        )

    def settings(self, link: Link, eni: Eni) -> Settings:
        """The settings of one NIC: the defaults, then each matching entry in file order."""
        chosen: dict[str, object] = {}
        for entry in self.nics:
            if entry.speaks_of(link, eni):
                chosen |= {
                    name: value for name in _SETTINGS if (value := getattr(entry, name)) is not None
                }
        return Settings(**chosen)  # type: ignore[arg-type]
