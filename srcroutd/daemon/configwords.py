"""The words that the shapes of the configuration are made of: prefixes, addresses, bands, names.

Each is read from what TOML has for it, with a sentence of its own for what it cannot be.
"""

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from srcroutd.core.main_table import PROTOCOLS


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


def _bits(said: object) -> object:
    """A number, or a text like "0x00ff0000"."""
    if isinstance(said, str) and re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", said):
        return int(said, 16)
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    msg = 'not bits like "0x00ff0000"'
    raise ValueError(msg)


def _prefix(text: object) -> object:
    return ip_network(text) if isinstance(text, str) else text  # its own words say what is wrong


def _address(text: object) -> object:
    return ip_address(text) if isinstance(text, str) else text


def _metric(said: object) -> object:
    """``false`` as 0: that takes back what an earlier entry said."""
    if said is None or said == "auto":
        return said
    if said is False:
        return 0
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said < 2**32 - 1:
        msg = f'not a metric: false, "auto" or a number from 1 to {2**32 - 2}'
        raise ValueError(msg)
    return said


def _mirror(said: object) -> object:
    """A prefix, or a protocol by its word or number."""
    if isinstance(said, str):
        if said in PROTOCOLS:
            return PROTOCOLS[said]
        if "." in said or ":" in said:
            return ip_network(said)
    elif isinstance(said, int) and not isinstance(said, bool) and 0 < said < 256:
        return said
    words = ", ".join(sorted(PROTOCOLS))
    msg = f"not a prefix, nor a protocol: a number from 1 to 255 or one of {words}"
    raise ValueError(msg)


Prefix = Annotated[IPv4Network | IPv6Network, BeforeValidator(_prefix)]
Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_address)]
Mac = Annotated[str, BeforeValidator(_mac)]
Band = Annotated[range, BeforeValidator(_band)]
MarkBits = Annotated[int, BeforeValidator(_bits)]
Listen = Annotated[tuple[str, int] | None, BeforeValidator(_listen)]
Metric = Annotated[int | Literal["auto"] | None, BeforeValidator(_metric)]
Mirror = Annotated[IPv4Network | IPv6Network | int, BeforeValidator(_mirror)]
DeviceName = Annotated[str, Field(min_length=1, max_length=15)]


class Door(BaseModel):
    """What all tables of the file have in common."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, strict=False
    )
