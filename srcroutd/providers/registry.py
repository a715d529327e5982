"""The providers by name. A provider's module is imported when it is chosen, never before."""

from difflib import get_close_matches
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from srcroutd.core.errors import ConfigError, NoProvider
from srcroutd.core.net import IP
from srcroutd.providers.base import Provider
from srcroutd.providers.dmi import DMI, detect

AUTO = "auto"

PROVIDERS = {
    "aliyun": "srcroutd.providers.aliyun:AliyunProvider",
    "static": "srcroutd.providers.static:StaticProvider",
}
"""Name to "module:Class". A new cloud is one line here; its module has ``ENDPOINTS``, the base URLs
that it asks.
"""


class UnknownProviderError(ConfigError):
    """A name that is in no list. The message names the nearest one that is."""


class NoCloudError(NoProvider):
    """``auto`` was asked for on a machine that does not say it is a cloud we know."""


def make(name: str, *, dmi_dir: Path = DMI, **options: Any) -> Provider:
    """Make the provider of this name; ``options`` go to its class.

    Raises UnknownProviderError, and NoCloudError for ``auto`` where DMI names no cloud.
    """
    module, _, cls = PROVIDERS[resolve(name, dmi_dir)].partition(":")
    provider: Provider = getattr(import_module(module), cls)(**options)
    return provider


def metadata_addresses(name: str) -> tuple[IP, ...]:
    """Where the provider of this (resolved) name asks; none where it asks nobody."""
    endpoints = import_module(PROVIDERS[name].partition(":")[0]).ENDPOINTS
    return tuple(ip_address(urlsplit(endpoint).hostname) for endpoint in endpoints)


def resolve(name: str, dmi_dir: Path = DMI) -> str:
    """The name that ``auto`` stands for on this machine; any other known name is itself."""
    if name in PROVIDERS:
        return name
    if name != AUTO:
        raise UnknownProviderError(_unknown(name))
    found = detect(dmi_dir)
    if found is None:
        raise NoCloudError(
            f"no cloud recognised by {dmi_dir}/sys_vendor and product_name;"
            ' set provider = "static" and list the ENIs, or name the cloud'
        )
    return found


def _unknown(name: str) -> str:
    known = [AUTO, *PROVIDERS]
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"{name[:40]!a} is not a provider; {hint}"
