"""``[[load]]``: which NICs share new connections, from its shape in the file to ``LoadEntry``."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from srcroutd.core.errors import ConfigError
from srcroutd.core.load import LoadEntry, lengths
from srcroutd.core.net import Family
from srcroutd.core.numbering import Domain
from srcroutd.daemon.configlines import Origins
from srcroutd.daemon.configwords import Door, Prefix

WEIGHTS = range(1, 257)
"""What the kernel can hold: one byte, and none counts as one."""


class Load(Door):
    """``[[load]]``."""

    to: Annotated[list[Prefix], Field(min_length=1)] | None = None
    nics: dict[Annotated[str, Field(min_length=1)], int] | None = None


def load_entries(found: Sequence[Load], domain: Domain, origins: Origins) -> tuple[LoadEntry, ...]:
    """The entries in file order. Raises ConfigError, with file and line, for one that contradicts
    itself or another, and where our numbers have no room for them.
    """
    entries = tuple(
        _entry(one, origins.entry("load", number), origins.entry("load", number, "nics"))
        for number, one in enumerate(found, 1)
    )
    for number, entry in enumerate(entries, 1):
        for before, other in enumerate(entries[: number - 1], 1):
            if twice := sorted(entry.destinations & other.destinations, key=str):
                where = origins.entry("load", number, "to" if found[number - 1].to else "")
                raise ConfigError(
                    f"{where}: {twice[0]} is in number {before} too (of all [[load]] entries); "
                    "one destination has one set of NICs"
                )
    if entries:
        _check_room(entries, domain, origins)
    return entries


def _entry(found: Load, where: str, where_nics: str) -> LoadEntry:
    """One entry. Raises ConfigError."""
    if not found.nics:
        raise ConfigError(
            f"{where}: needs nics with their weights, as nics = {{eth0 = 2, eth1 = 1}}"
        )
    for name, weight in found.nics.items():
        if weight not in WEIGHTS:
            raise ConfigError(
                f"{where_nics}: {name} = {weight}: a weight is from {WEIGHTS[0]} to {WEIGHTS[-1]}"
            )
    if len(found.nics) == 1:
        (name,) = found.nics
        raise ConfigError(
            f"{where_nics}: {name} alone shares with nobody; name a second NIC, or choose one with "
            "[[egress]]"
        )
    nics = tuple(found.nics.items())
    return LoadEntry(nics) if found.to is None else LoadEntry(nics, tuple(found.to))


def _check_room(entries: tuple[LoadEntry, ...], domain: Domain, origins: Origins) -> None:
    """Raise ConfigError where the numbers that are ours do not suffice."""
    if not len(domain.policy_tables):
        where = origins.key("tables")
        raise ConfigError(f"{where}: leaves no table for [[load]] beside those of the NICs")
    for family in Family:
        found = {
            one.prefixlen
            for entry in entries
            for one in entry.destinations
            if Family.of(one) is family
        }
        if len(found) > lengths(domain):
            where = origins.key("policies")
            raise ConfigError(
                f"{where}: has room for {lengths(domain)} lengths of prefix in [[load]], the "
                f"entries have {len(found)} in IP{family.name.lower()}; widen policies"
            )
