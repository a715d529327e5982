"""Which NICs mark their connections: from the managed NICs and what is known of the host to the one
table of nftables that there should be.

Where marking is not possible the NIC is routed by source, which answers right for the host itself,
and says why (``Nic.unmarked``).
"""

from collections.abc import Iterable
from dataclasses import replace

from srcroutd.core.desired import Nic
from srcroutd.core.marking import MarkedNic, Marking, Mask, unmarkable
from srcroutd.core.marking_snat import Snat
from srcroutd.core.sysctls import ALL, Knob, Sysctl, Values, in_force

STRICT = 1
"""rp_filter that wants the way back to leave by the same NIC (RFC 3704)."""


def with_masks(nics: Iterable[Nic], mask: Mask, impossible: str) -> tuple[Nic, ...]:
    """The same NICs; those that ask for mode ``connmark`` with the mask, or with why not.

    ``impossible`` says why nobody on this host can mark, empty if they can.
    """
    return tuple(_with_mask(nic, mask, impossible) for nic in nics)


def _with_mask(nic: Nic, mask: Mask, impossible: str) -> Nic:
    if nic.settings.mode != "connmark":
        return nic
    why = impossible or unmarkable(nic.link.name)
    return replace(nic, unmarked=why) if why else replace(nic, mask=mask)


def marking_of(
    nics: Iterable[Nic], values: Values, mask: Mask, snats: tuple[Snat, ...] = ()
) -> Marking | None:
    """The table for these NICs and rewritten sources, None if nobody needs one. ``values`` are the
    sysctls as read; what was not read counts as strict, which costs a mark that nobody else needs.
    """
    marked = tuple(
        MarkedNic(nic.link.name, nic.seat, _strict(nic.link.name, values))
        for nic in nics
        if nic.mask
    )
    return Marking(marked, mask, snats) if marked or snats else None


def _strict(device: str, values: Values) -> bool:
    own = values.get(Sysctl(Knob.RP_FILTER, device))
    every = values.get(Sysctl(Knob.RP_FILTER, ALL))
    if own is None or every is None:
        return True
    return in_force(Knob.RP_FILTER, own, every) == STRICT
