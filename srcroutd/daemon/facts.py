"""The provider that the configuration names, made for this host."""

from srcroutd.core.config import Config
from srcroutd.daemon.eyes import Eyes
from srcroutd.providers.base import Provider
from srcroutd.providers.registry import make


def provider_of(name: str, config: Config, eyes: Eyes) -> Provider:
    """The provider called ``name``. The one that reads the configuration learns MACs from the
    kernel as last seen.
    """
    if name != "static":
        return make(name)

    def macs() -> dict[str, str]:
        return {link.name: link.mac for link in eyes.picture.links if link.mac}

    return make(name, entries=config.enis, macs=macs)
