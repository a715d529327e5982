"""The door of the configuration: what TOML said, checked by pydantic, becomes a ``Config``.

Every mistake is named with file, line and nearest known key.
"""

from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from srcroutd.core.config import Config, NicEntry, StaticEni
from srcroutd.core.desired import ExtraRoute
from srcroutd.core.errors import ConfigError
from srcroutd.core.inventory import Addressing
from srcroutd.core.marking import Mask, unfit
from srcroutd.core.net import Network, RouteType
from srcroutd.core.numbering import PRIORITIES_A_SEAT, Domain
from srcroutd.daemon import configshape
from srcroutd.daemon.configaccess import Access, access
from srcroutd.daemon.configegress import Egress, egress_entries
from srcroutd.daemon.configlines import Origins, line_of
from srcroutd.daemon.configload import Load, load_entries
from srcroutd.daemon.configmain import with_main_of
from srcroutd.daemon.configshape import Eni, Family4, Family6, File, Nic
from srcroutd.daemon.configwords import Door

KERNEL_TABLES = range(1, 2**31)
KERNEL_PRIORITIES = range(1, 32766)
"""Before main: a rule behind 32766 would never be asked."""
POLICIES = 1000
"""How many priorities before those of the NICs are ours if nobody says which."""


def parse(content: dict[str, object], file: Path, text: str) -> File:
    """Check the content of one file. Raises ConfigError with place, key and what to do."""
    try:
        return File.model_validate(content)
    except ValidationError as error:
        errors = error.errors()
        # A key that is not known explains the one that is missed.
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        line = line_of(text, first["loc"])
        place = f"{file}:{line}" if line else str(file)
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{place}: unknown key {where}{_nearest(first['loc'])}") from None
        raise ConfigError(
            f"{place}: {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


_TABLES: dict[tuple[str, ...], type[Door]] = {
    (): File,
    ("nic",): Nic,
    ("nic", "routes"): configshape.ExtraRoute,
    ("eni",): Eni,
    ("eni", "ipv4"): Family4,
    ("eni", "ipv6"): Family6,
    ("access",): Access,
    ("egress",): Egress,
    ("load",): Load,
}
"""Which shape a table of the file has, by the names that lead to it."""


def _nearest(loc: tuple[int | str, ...]) -> str:
    names = tuple(part for part in loc[:-1] if isinstance(part, str))
    model = _TABLES.get(names, File)
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"


def config(parsed: File, origins: Origins) -> Config:
    """The values behind the checked content; what contradicts itself raises ConfigError."""
    domain = _domain(parsed, origins)
    for number, nic in enumerate(parsed.nic, 1):
        _check_nic(nic, origins.entry("nic", number))
        domain = with_main_of(nic, domain, origins.entry("nic", number))
    if why := unfit(parsed.mark_mask, domain.seats[-1]):
        raise ConfigError(f"{origins.key('mark_mask')}: {why}")
    return Config(
        provider=parsed.provider,
        domain=domain,
        refresh_s=parsed.refresh,
        look_s=parsed.look,
        max_age_s=parsed.max_age,
        mark_mask=Mask(parsed.mark_mask),
        metrics=parsed.metrics,
        nics=tuple(_nic(nic) for nic in parsed.nic),
        enis=_enis(parsed, origins),
        access=access(parsed.access, domain, origins),
        egress=egress_entries(parsed.egress, domain, Mask(parsed.mark_mask), origins),
        load=load_entries(parsed.load, domain, origins),
    )


def _domain(parsed: File, origins: Origins) -> Domain:
    """Which numbers are ours. Raises ConfigError where the kernel or the order forbids them."""
    first, last = parsed.priorities.start, parsed.priorities.stop - 1
    if last not in KERNEL_PRIORITIES or not first:
        where = origins.key("priorities")
        raise ConfigError(f"{where}: must lie in 1-32765, before the rule for main")
    if parsed.tables.stop - 1 not in KERNEL_TABLES or any(
        t in parsed.tables for t in (253, 254, 255)
    ):
        where = origins.key("tables")
        raise ConfigError(f"{where}: must not contain 253, 254 or 255, the kernel's own")
    policies = parsed.policies or range(max(1, first - POLICIES), first)
    if not policies.start or policies.stop > first:
        raise ConfigError(
            f"{origins.key('policies')}: must lie in 1-{first - 1}, before the priorities of the "
            f"NICs ({first}-{last})"
        )
    domain = Domain(parsed.protocol, parsed.priorities, parsed.tables, policies)
    if not len(domain.seats):
        raise ConfigError(
            f"{origins.last}: priorities and tables leave no room for a NIC; each needs a table "
            f"and {PRIORITIES_A_SEAT} priorities, and the first and last {PRIORITIES_A_SEAT} stay "
            "free"
        )
    return domain


def _check_nic(nic: Nic, where: str) -> None:
    """Raise ConfigError for an entry that contradicts itself."""
    if nic.name is nic.mac is nic.eni is None:
        raise ConfigError(f"{where}: needs name, mac or eni to say which NIC it means")
    if nic.addresses == "assign" and nic.manage is False:
        raise ConfigError(
            f'{where}: addresses = "assign" contradicts manage = false: nothing is done on a NIC '
            "that is left alone; leave out one of them"
        )
    for route in nic.routes or ():
        words = f"{where}: routes: to {route.to}"
        if route.via and route.via.version != route.to.version:
            raise ConfigError(f"{words}: via {route.via} is of another family")
        if route.via and route.type != "unicast":
            raise ConfigError(f"{words}: type {route.type} sends nothing on; leave out via")
    routes = [(route.to, route.metric) for route in nic.routes or ()]
    for to, metric in routes:
        if routes.count((to, metric)) > 1:
            raise ConfigError(f"{where}: routes: to {to} stands there twice with metric {metric}")


def _nic(nic: Nic) -> NicEntry:
    fields = nic.model_dump(exclude={"ignore", "routes", "keep_main", "mirror"})
    return NicEntry(
        **fields,
        ignore=None if nic.ignore is None else frozenset(nic.ignore),
        mirror=None if nic.mirror is None else tuple(dict.fromkeys(nic.mirror)),
        keep_main=None if nic.keep_main is None else tuple(dict.fromkeys(nic.keep_main)),
        routes=None if nic.routes is None else tuple(map(_extra_route, nic.routes)),
    )


def _extra_route(route: configshape.ExtraRoute) -> ExtraRoute:
    return ExtraRoute(route.to, route.via, RouteType[route.type.upper()], route.metric)


def _enis(parsed: File, origins: Origins) -> tuple[StaticEni, ...]:
    if parsed.provider == "static" and not parsed.eni:
        raise ConfigError(f'{origins.key("provider")} = "static" needs at least one [[eni]] entry')
    if parsed.eni and parsed.provider != "static":
        where = origins.entry("eni", 1)
        raise ConfigError(f'{where}: entries are used only with provider = "static"')
    enis = []
    for number, eni in enumerate(parsed.eni, 1):
        where = origins.entry("eni", number)
        if eni.name is None and eni.mac is None:
            raise ConfigError(f"{where}: needs name or mac to say which NIC it is")
        if eni.ipv4 is None and eni.ipv6 is None:
            raise ConfigError(f"{where}: needs ipv4 or ipv6 with a subnet and a gateway")
        name = eni.id or eni.name or eni.mac or ""
        enis.append(
            StaticEni(
                name, eni.name, eni.mac, eni.primary, _addressing(eni.ipv4), _addressing(eni.ipv6)
            )
        )
    ids = [eni.id for eni in enis]
    for twice in sorted({name for name in ids if ids.count(name) > 1}):
        where = origins.entry("eni", len(ids) - ids[::-1].index(twice))
        raise ConfigError(f"{where}: {twice} stands there twice; give each its own id")
    return tuple(enis)


def _addressing(family: Family4 | Family6 | None) -> Addressing | None:
    if family is None:
        return None
    prefixes: tuple[Network, ...] = tuple(family.prefixes)
    return Addressing(tuple(family.addresses), family.subnet, family.gateway, prefixes)
