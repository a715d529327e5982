"""A marking as chains and rules of nftables, each part in both of its languages: the JSON of
libnftables-json(5) for the kernel, and the words of nft(8) for people.

    prerouting  what comes in by a marked NIC and began there puts the NIC's mark on its connection;
                every other packet of a marked connection gets the mark, which leads it back
    rewritten   where rp_filter is strict: what came in for a container gets the mark too, for the
                kernel asks whether the container's address would leave by this NIC
    output      answers of the host itself get the mark if they are about to leave by another NIC

Promise: only the bits of the mask are written, and the packet's own only where they are all zero. A
packet without a connection (notrack) matches nothing here.
"""

from collections.abc import Iterator

from srcroutd.core.marking import MarkedNic, Marking
from srcroutd.core.marking_egress import BEFORE_ROUTING, snat_chains
from srcroutd.core.marking_parts import (
    ACCEPT,
    Chain,
    Part,
    TableRule,
    device,
    direction,
    mark_is,
    match,
    set_mark,
)

AFTER_MANGLE = -149
"""Behind everybody's mangle (-150): whoever sets whole marks there would wipe ours."""


def chains(marking: Marking) -> tuple[Chain, ...]:
    """All chains, in an order that reads as a packet goes; the rewritten sources' last."""
    return (*_connmark_chains(marking), *snat_chains(marking))


def _connmark_chains(marking: Marking) -> tuple[Chain, ...]:
    if not marking.nics:
        return ()
    found = [
        Chain(
            "prerouting", "filter", "prerouting", AFTER_MANGLE, "mangle + 1",
            tuple(_prerouting(marking)),
        )
    ]  # fmt: skip
    if rewritten := tuple(_rewritten(marking, nic) for nic in marking.nics if nic.strict):
        found.append(
            Chain("rewritten", "filter", "prerouting", BEFORE_ROUTING, "security", rewritten)
        )
    # Only a chain of type route makes the kernel look for a route again once the mark is set.
    output = (_unmarked(marking), *(_output(marking, nic) for nic in marking.nics))
    found.append(Chain("output", "route", "output", AFTER_MANGLE, "mangle + 1", output))
    return tuple(found)


def _prerouting(marking: Marking) -> Iterator[TableRule]:
    for nic in marking.nics:
        began = (device("iifname", "==", nic.device), direction("original"))
        # Without this test each packet would write the connection's mark, and might take back
        # what another processor writes to its other bits at the same moment.
        marked = mark_is("ct", "==", marking.mask, marking.mask.value(nic.seat))
        yield TableRule((*began, marked, ACCEPT), f"began at {nic.device}, marked")
        yield TableRule(
            (*began, set_mark("ct", marking.mask, marking.mask.value(nic.seat)), ACCEPT),
            f"began at {nic.device}",
        )
    yield _unmarked(marking)
    for nic in marking.nics:
        # Also what a helper expects, as FTP's second connection: it begins at the other end and
        # inherits the mark.
        yield TableRule(_give_back(marking, nic), f"goes back by {nic.device}")


def _unmarked(marking: Marking) -> TableRule:
    """Lets most packets off with one comparison, however many NICs there are."""
    return TableRule((mark_is("ct", "==", marking.mask, 0), ACCEPT), "began elsewhere")


def _rewritten(marking: Marking, nic: MarkedNic) -> TableRule:
    parts = (
        match("==", {"meta": {"key": "nfproto"}}, "ipv4", "meta nfproto ipv4"),
        device("iifname", "==", nic.device),
        direction("original"),
        match("in", {"ct": {"key": "status"}}, "dnat", "ct status dnat"),
        mark_is("meta", "==", marking.mask, 0),
        set_mark("meta", marking.mask, marking.mask.value(nic.seat)),
    )
    return TableRule(parts, f"for containers, strict rp_filter of {nic.device}")


def _output(marking: Marking, nic: MarkedNic) -> TableRule:
    # What a source rule has sent the right way needs no second look-up: each answer would pay for
    # another walk through the rules.
    parts = (device("oifname", "!=", nic.device), direction("reply"), *_give_back(marking, nic))
    return TableRule(parts, f"answers, back by {nic.device}")


def _give_back(marking: Marking, nic: MarkedNic) -> tuple[Part, ...]:
    return (
        mark_is("ct", "==", marking.mask, marking.mask.value(nic.seat)),
        # Whoever has marked the packet already knows more about it than we do.
        mark_is("meta", "==", marking.mask, 0),
        set_mark("meta", marking.mask, marking.mask.value(nic.seat)),
    )
