"""The shape of the configuration file: which keys there are and what each may hold, for pydantic.

Only a configuration that says something comes through here: pydantic costs 60 ms and 8 MiB, and
most hosts need no configuration.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Literal

from pydantic import Field

from srcroutd.daemon.configaccess import Access
from srcroutd.daemon.configegress import Egress
from srcroutd.daemon.configload import Load
from srcroutd.daemon.configwords import (
    Address,
    Band,
    DeviceName,
    Door,
    Listen,
    Mac,
    MarkBits,
    Metric,
    Mirror,
    Prefix,
)


class ExtraRoute(Door):
    """One route that the NIC's table gets beyond what metadata says."""

    to: Prefix
    via: Address | None = None
    type: Literal["unicast", "blackhole", "unreachable", "prohibit", "throw"] = "unicast"
    metric: Annotated[int, Field(ge=0, lt=2**32 - 1)] = 0


class Nic(Door):
    """``[[nic]]``."""

    name: Annotated[str, Field(min_length=1)] | None = None
    mac: Mac | None = None
    eni: Annotated[str, Field(min_length=1)] | None = None
    manage: bool | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    oif_rule: bool | None = None
    mode: Literal["source", "connmark"] | None = None
    sysctls: Literal["leave", "auto"] | None = None
    addresses: Literal["leave", "assign"] | None = None
    ignore: list[Prefix] | None = None
    routes: list[ExtraRoute] | None = None
    keep_main: list[Prefix] | None = None
    main_default_metric: Metric = None
    mirror: list[Mirror] | None = None


class Family4(Door):
    """``[eni.ipv4]``."""

    subnet: IPv4Network
    gateway: IPv4Address | None = None
    addresses: list[IPv4Address] = []
    prefixes: list[IPv4Network] = []


class Family6(Door):
    """``[eni.ipv6]``."""

    subnet: IPv6Network
    gateway: IPv6Address | None = None
    addresses: list[IPv6Address] = []
    prefixes: list[IPv6Network] = []


class Eni(Door):
    """``[[eni]]``."""

    id: Annotated[str, Field(min_length=1)] | None = None
    name: DeviceName | None = None
    mac: Mac | None = None
    primary: bool = False
    ipv4: Family4 | None = None
    ipv6: Family6 | None = None


class File(Door):
    """The whole file."""

    provider: Literal["auto", "aliyun", "static"] = "auto"
    protocol: Annotated[int, Field(ge=5, le=255)] = 83
    priorities: Band = range(18000, 19000)
    tables: Band = range(18000, 19000)
    policies: Band | None = None
    refresh: Annotated[float, Field(ge=30, le=86400)] = 300
    look: Annotated[float, Field(ge=1, le=3600)] = 60
    max_age: Annotated[float, Field(ge=60)] = 30 * 86400
    mark_mask: MarkBits = 0x00FF0000
    metrics: Listen = None
    nic: list[Nic] = []
    eni: list[Eni] = []
    access: list[Access] = []
    egress: list[Egress] = []
    load: list[Load] = []
