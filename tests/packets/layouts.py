"""The rows of the connectivity matrix: how people lay out the routing of a host with two NICs.

Seeds and peers by the words that their users type; srcroutd is the real daemon, with metadata.
"""

from collections.abc import Callable, Mapping

from srcroutd.lab.cloud import Cloud
from tests.packets import published

Put = Callable[[Cloud], None]

NONE = "none"
SEED_001 = "seed 001's rule"
SEED_003 = "seed 003's recipe"
NM_CLOUD_SETUP = "nm-cloud-setup"
SOURCE = "srcroutd source"
CONNMARK = "srcroutd connmark"
BOTH = "connmark, eth0 too"
"""The primary NIC has its own rules as well."""


_MARKED = """
[[nic]]
name = "eth1"
mode = "connmark"
sysctls = "auto"
"""
_PRIMARY = """
[[nic]]
name = "eth0"
manage = true
"""


def daemon(config: str) -> Put:
    """The daemon with this configuration, once it has nothing left to do."""

    def put(cloud: Cloud) -> None:
        cloud.daemon.start(config)
        cloud.daemon.ctl("reconcile")
        cloud.daemon.ctl("plan")

    return put


def _nothing(_cloud: Cloud) -> None:
    """As the distribution leaves it."""


LAYOUTS: Mapping[str, Put] = {
    NONE: _nothing,
    SEED_001: published.put_rc_local,
    SEED_003: published.put_recipe_of_seed_003,
    NM_CLOUD_SETUP: published.put_nm_cloud_setup,
    SOURCE: daemon(""),
    CONNMARK: daemon(_MARKED),
    BOTH: daemon(_MARKED + _PRIMARY),
}
