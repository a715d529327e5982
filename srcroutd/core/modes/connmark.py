"""Mode ``connmark``: mode ``source``, and what came in by this NIC goes back by it though it bears
an address of nobody here: a container's, behind a rewritten destination.

nftables puts the NIC's mark on such packets (``core.marking_rules``); three rules for the mark lead
them out, in the NIC's first priorities beside those for bound sockets:

    +0   fwmark MARK   specific routes of the NIC's table: its subnet, the other NICs' subnets
    +1   fwmark MARK   main without its default: what comes in for a container finds its bridge
    +2   fwmark MARK   the default of the NIC's table

They must lie before the jump of +3, which passes by the NIC whatever bears no address of it.
"""

from collections.abc import Iterator

from srcroutd.core.desired import Nic, NicDesired, Want
from srcroutd.core.marking import Mask
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import MAIN_TABLE, Family, Rule


def derive_connmark(nic: Nic, mask: Mask) -> NicDesired:
    """The rules and routes of one NIC in mode ``connmark``. Raises ValueError if its seat has no
    mark.

    A family in which the NIC's table is empty gets no rules: they would lead nowhere, and so out by
    another NIC.
    """
    wanted = derive_source(nic)
    families = sorted({want.thing.family for want in wanted.routes})
    marked = tuple(want for family in families for want in _tiers(nic, family, mask))
    return NicDesired(wanted.routes, (*marked, *wanted.rules), wanted.notes)


def _tiers(nic: Nic, family: Family, mask: Mask) -> Iterator[Want]:
    because = f"answers to what came in by {nic.link.name}, containers' too"
    for step, table, suppress in ((0, nic.table, 0), (1, MAIN_TABLE, 0), (2, nic.table, -1)):
        rule = Rule(
            family,
            nic.priority + step,
            table=table,
            mark=mask.value(nic.seat),
            mask=mask.bits,
            suppress_prefixlength=suppress,
            protocol=nic.protocol,
        )
        yield Want(rule, because)
