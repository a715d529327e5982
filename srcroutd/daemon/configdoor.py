"""The door of the configuration: what TOML said, checked by pydantic, becomes a ``Config``.

Every mistake is named with file, line and nearest known key. Only a configuration that says
something comes through here: pydantic costs 60 ms and 8 MiB, and most hosts need no configuration.
"""

import re
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from srcroutd.core.config import Config, NicEntry, StaticEni
from srcroutd.core.errors import ConfigError
from srcroutd.core.inventory import Addressing
from srcroutd.core.net import Network
from srcroutd.core.numbering import PRIORITIES_A_SEAT, Domain

KERNEL_TABLES = range(1, 2**31)
KERNEL_PRIORITIES = range(1, 32766)
"""Before main: a rule behind 32766 would never be asked."""


def _mac(text: object) -> object:
    if not isinstance(text, str) or not re.fullmatch(
        r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text
    ):
        msg = "not a MAC address like 00:16:3e:12:34:56"
        raise ValueError(msg)
    return text.lower().replace("-", ":")


def _band(text: object) -> object:
    found = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text) if isinstance(text, str) else None
    if not found or int(found[1]) >= int(found[2]):
        msg = 'not a band like "18000-18999"'
        raise ValueError(msg)
    return range(int(found[1]), int(found[2]) + 1)


METRICS = ("127.0.0.1", 9183)
"""Where metrics are to be had by TCP when somebody asks for them and says no more."""


def _listen(said: object) -> object:
    """``true``, a port, an address, or both, as (address, port); ``false`` as None."""
    if said is None or isinstance(said, tuple):
        return said
    if isinstance(said, bool):
        return METRICS if said else None
    host, port = METRICS
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))?(?::(\d+))?", str(said))
    if isinstance(said, int):
        port = said
    elif not isinstance(said, str) or not said or not found:
        msg = 'not true, a port, or an address and port like "127.0.0.1:9183" or "[::1]:9183"'
        raise ValueError(msg)
    else:
        host, port = found[1] or found[2] or host, int(found[3] or port)
    if not 0 < port < 65536:
        msg = f"{port} is not a TCP port (1-65535)"
        raise ValueError(msg)
    return str(ip_address(host)), port


Mac = Annotated[str, BeforeValidator(_mac)]
Band = Annotated[range, BeforeValidator(_band)]
Listen = Annotated[tuple[str, int] | None, BeforeValidator(_listen)]
DeviceName = Annotated[str, Field(min_length=1, max_length=15)]


class _Door(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, strict=False
    )


class _Nic(_Door):
    name: Annotated[str, Field(min_length=1)] | None = None
    mac: Mac | None = None
    eni: Annotated[str, Field(min_length=1)] | None = None
    manage: bool | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    oif_rule: bool | None = None
    ignore: list[IPv4Network | IPv6Network] | None = None


class _Family4(_Door):
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    addresses: list[IPv4Address] = []
    prefixes: list[IPv4Network] = []


class _Family6(_Door):
    subnet: IPv6Network
    gateway: IPv6Address | None = None
    addresses: list[IPv6Address] = []
    prefixes: list[IPv6Network] = []


class _Eni(_Door):
    id: Annotated[str, Field(min_length=1)] | None = None
    name: DeviceName | None = None
    mac: Mac | None = None
    primary: bool = False
    ipv4: _Family4 | None = None
    ipv6: _Family6 | None = None


class _File(_Door):
    provider: Literal["auto", "aliyun", "static"] = "auto"
    protocol: Annotated[int, Field(ge=5, le=255)] = 83
    priorities: Band = range(18000, 19000)
    tables: Band = range(18000, 19000)
    refresh: Annotated[float, Field(ge=30, le=86400)] = 300
    look: Annotated[float, Field(ge=1, le=3600)] = 60
    max_age: Annotated[float, Field(ge=60)] = 30 * 86400
    metrics: Listen = None
    nic: list[_Nic] = []
    eni: list[_Eni] = []


def parse(content: dict[str, object], file: Path, text: str) -> _File:
    """Check the content of one file. Raises ConfigError with place, key and what to do."""
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        line = _line_of(text, first["loc"])
        place = f"{file}:{line}" if line else str(file)
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{place}: unknown key {where}{_nearest(first['loc'])}") from None
        raise ConfigError(
            f"{place}: {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def _nearest(loc: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = _File
    if len(loc) > 1:
        model = _Eni if loc[0] == "eni" else _Nic
    if len(loc) > 3:
        model = _Family4
    near = get_close_matches(str(loc[-1]), model.model_fields, n=1, cutoff=0.5)
    known = ", ".join(model.model_fields)
    return f"; did you mean {near[0]}?" if near else f"; known here: {known}"


def _line_of(text: str, loc: tuple[int | str, ...]) -> int:
    """The line of a key: the last name of ``loc``, below the n-th header of its array where it has
    one.
    """
    lines = text.splitlines()
    start = 0
    if len(loc) > 1 and isinstance(loc[1], int):
        header = re.compile(rf"\s*\[\[\s*{re.escape(str(loc[0]))}\s*\]\]")
        headers = [number for number, line in enumerate(lines) if header.match(line)]
        start = headers[loc[1]] if loc[1] < len(headers) else 0
    for name in reversed([part for part in loc if isinstance(part, str)]):
        key = re.compile(
            rf"(.*[{{,\s]|\s*\[+\s*([\w-]+\.)*)?[\"']?{re.escape(name)}[\"']?\s*([=.\]])"
        )
        for number in range(start, len(lines)):
            if key.match(lines[number].split("#")[0]):
                return number + 1
    return start + 1 if start else 0


def config(parsed: _File, file: Path) -> Config:
    """The values behind the checked content; what contradicts itself raises ConfigError."""
    domain = Domain(parsed.protocol, parsed.priorities, parsed.tables)
    if parsed.priorities.stop - 1 not in KERNEL_PRIORITIES or not parsed.priorities.start:
        raise ConfigError(f"{file}: priorities: must lie in 1-32765, before the rule for main")
    if parsed.tables.stop - 1 not in KERNEL_TABLES or any(
        t in parsed.tables for t in (253, 254, 255)
    ):
        raise ConfigError(f"{file}: tables: must not contain 253, 254 or 255, the kernel's own")
    if not len(domain.seats):
        raise ConfigError(
            f"{file}: priorities and tables leave no room for a NIC; each needs a table and "
            f"{PRIORITIES_A_SEAT} priorities, and the first and last {PRIORITIES_A_SEAT} stay free"
        )
    for number, nic in enumerate(parsed.nic, 1):
        if nic.name is nic.mac is nic.eni is None:
            raise ConfigError(
                f"{file}: [[nic]] number {number}: needs name, mac or eni to say which NIC it means"
            )
    return Config(
        provider=parsed.provider,
        domain=domain,
        refresh_s=parsed.refresh,
        look_s=parsed.look,
        max_age_s=parsed.max_age,
        metrics=parsed.metrics,
        nics=tuple(_nic(nic) for nic in parsed.nic),
        enis=_enis(parsed, file),
    )


def _nic(nic: _Nic) -> NicEntry:
    fields = nic.model_dump(exclude={"ignore"})
    return NicEntry(**fields, ignore=None if nic.ignore is None else frozenset(nic.ignore))


def _enis(parsed: _File, file: Path) -> tuple[StaticEni, ...]:
    if parsed.provider == "static" and not parsed.eni:
        raise ConfigError(f'{file}: provider = "static" needs at least one [[eni]] entry')
    if parsed.eni and parsed.provider != "static":
        raise ConfigError(f'{file}: [[eni]] entries are used only with provider = "static"')
    enis = []
    for number, eni in enumerate(parsed.eni, 1):
        where = f"{file}: [[eni]] number {number}"
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
        raise ConfigError(f"{file}: [[eni]] {twice} stands there twice; give each its own id")
    return tuple(enis)


def _addressing(family: _Family4 | _Family6 | None) -> Addressing | None:
    if family is None:
        return None
    prefixes: tuple[Network, ...] = tuple(family.prefixes)
    return Addressing(tuple(family.addresses), family.subnet, family.gateway, prefixes)
