"""What one NIC should have: its mode's rules and routes, then what the administrator lays over
them.
"""

from dataclasses import replace

from srcroutd.core.desired import Nic, NicDesired
from srcroutd.core.extras import with_extras
from srcroutd.core.main_default import with_main_default
from srcroutd.core.mirror import with_mirror
from srcroutd.core.modes.connmark import derive_connmark
from srcroutd.core.modes.source import derive_source


def derive(nic: Nic) -> NicDesired:
    """The rules and routes of one NIC, both families, in an order in which they can be put in."""
    wanted = derive_connmark(nic, nic.mask) if nic.mask else derive_source(nic)
    if nic.unmarked:
        note = f'routed by source alone, not by "connmark": {nic.unmarked}'
        wanted = replace(wanted, notes=(*wanted.notes, note))
    own = with_extras(nic, wanted)
    return with_mirror(nic, with_main_default(nic, own))
