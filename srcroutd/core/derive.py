"""What one NIC should have: its mode's rules and routes, then what the administrator lays over
them.
"""

from srcroutd.core.desired import Nic, NicDesired
from srcroutd.core.extras import with_extras
from srcroutd.core.modes.source import derive_source


def derive(nic: Nic) -> NicDesired:
    """The rules and routes of one NIC, both families, in an order in which they can be put in."""
    return with_extras(nic, derive_source(nic))
