"""What our one table of nftables has to say, as a value: which NICs mark the connections that come
in by them, and with what.

A mark is a seat's number shifted into a mask, so that the same ENI keeps the same mark, as it keeps
its table and priorities, and no bit outside the mask is ever read or written.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from srcroutd.core.marking_snat import Snat

MARK_BITS = 0xFFFFFFFF
"""Packet marks and connection marks have 32 bits (struct sk_buff, struct nf_conn)."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")


@dataclass(frozen=True, slots=True)
class Mask:
    """The bits of a mark that are ours: one run, not all. Raises ValueError for others."""

    bits: int = 0x00FF0000

    def __post_init__(self) -> None:
        if why := _misshapen(self.bits):
            raise ValueError(why)

    @property
    def highest(self) -> int:
        """The highest seat that there is a mark for."""
        return self.bits >> self._shift

    @property
    def others(self) -> int:
        """The bits that are not ours."""
        return MARK_BITS & ~self.bits

    def value(self, seat: int) -> int:
        """The mark of a seat. Raises ValueError where it has none: 0 is "not marked"."""
        if not 0 < seat <= self.highest:
            raise ValueError(f"seat {seat} has no mark within {self}")
        return seat << self._shift

    @property
    def _shift(self) -> int:
        return (self.bits & -self.bits).bit_length() - 1

    def __str__(self) -> str:
        return f"{self.bits:#010x}"


def unfit(bits: int, highest: int) -> str:
    """Why these bits cannot be the mask where seats go up to ``highest``; empty if they can."""
    if why := _misshapen(bits):
        return why
    mask = Mask(bits)
    if mask.highest < highest:
        return (
            f"{mask} has marks for {mask.highest} NICs, and priorities and tables have room for "
            f"{highest}; widen it to {highest.bit_length()} bits or narrow those"
        )
    return ""


def _misshapen(bits: int) -> str:
    if not 0 < bits <= MARK_BITS:
        return f"{bits:#x} is no mask of a mark: it needs one to 31 bits"
    if bits == MARK_BITS:
        return f"{bits:#x} is the whole mark, which the host's other programs need too"
    run = bits // (bits & -bits)
    if run & (run + 1):
        return f"{bits:#010x} has gaps; a mask is one run of bits, as 0x00ff0000 is"
    return ""


def unmarkable(device: str) -> str:
    """Why connections that come in by this device cannot be marked; empty if they can.

    nftables reads ``*`` at the end of a name as "whatever follows", and has meanings for quotes and
    ``@``; what the kernel allows beyond letters, digits and ``_ . -`` is not worth the doubt.
    """
    if _NAME.fullmatch(device):
        return ""
    return f"nftables may misread the name {device!r}; rename the NIC to letters and digits"


@dataclass(frozen=True, slots=True)
class MarkedNic:
    """One NIC in mode ``connmark``.

    ``strict``: rp_filter is 1 here, the greater of ``all`` and the NIC's own
    (Documentation/networking/ip-sysctl.rst), so that what comes in for a container passes only
    with a mark.
    """

    device: str
    seat: int
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Marking:
    """All marked NICs of a host, by seat, and all rewritten sources. Raises ValueError for two of a
    name or mark, for a name that cannot be said, a number without a mark, or for nothing at all:
    then there is no table.
    """

    nics: tuple[MarkedNic, ...]
    mask: Mask = field(default_factory=Mask)
    snats: tuple[Snat, ...] = ()

    def __post_init__(self) -> None:
        nics = tuple(sorted(self.nics, key=lambda nic: nic.seat))
        object.__setattr__(self, "nics", nics)
        if not nics and not self.snats:
            raise ValueError("a marking without NICs and rewritten sources is no table")
        _once("seat", (nic.seat for nic in nics))
        _once("device", (nic.device for nic in nics))
        rewritten = {snat.number for snat in self.snats}
        _once("mark", (*(nic.seat for nic in nics), *rewritten))
        for number in (*(nic.seat for nic in nics), *rewritten):
            self.mask.value(number)
        named = {name for snat in self.snats for name in (snat.device, *snat.outer)}
        for device in (*(nic.device for nic in nics), *sorted(named)):
            if why := unmarkable(device):
                raise ValueError(why)

    def __str__(self) -> str:
        told = [
            f"{nic.device} {self.mask.value(nic.seat):#010x}{' strict' if nic.strict else ''}"
            for nic in self.nics
        ]
        told += [
            f"{snat.source} by {snat.device} {self.mask.value(snat.number):#010x}"
            for snat in self.snats
        ]
        return f"mask {self.mask}: {', '.join(told)}"


def _once(what: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value} is given twice")
        seen.add(value)
