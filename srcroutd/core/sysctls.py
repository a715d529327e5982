"""The sysctls that decide whether a NIC's routing works: what they are called, which value is in
force, and which one serves.

Written after IN_DEV_* in include/linux/inetdevice.h, arp_ignore, arp_solicit and arp_filter in
net/ipv4/arp.c, fib_validate_source in net/ipv4/fib_frontend.c, addrconf_ifdown in
net/ipv6/addrconf.c and Documentation/networking/ip-sysctl.rst. ``all`` speaks for every NIC of the
host; ``default`` decides nothing by itself: a NIC copies it once, when it is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never


class Knob(Enum):
    """One setting that each NIC has: its family and its file below /proc/sys/net/FAMILY/conf/NIC.

    What is never wanted is watched all the same: rp_filter decides whether a mark needs
    src_valid_mark, and arp_filter is as good with the rules by source in place as without.
    """

    RP_FILTER = ("ipv4", "rp_filter")
    SRC_VALID_MARK = ("ipv4", "src_valid_mark")
    ARP_IGNORE = ("ipv4", "arp_ignore")
    ARP_ANNOUNCE = ("ipv4", "arp_announce")
    ARP_FILTER = ("ipv4", "arp_filter")
    PROMOTE_SECONDARIES = ("ipv4", "promote_secondaries")
    KEEP_ADDR_ON_DOWN = ("ipv6", "keep_addr_on_down")

    def __init__(self, family: str, file: str) -> None:
        self.family = family
        self.file = file


ALL = "all"
_NAME_BYTES = 15
_FORBIDDEN = frozenset("/:\0 \t\n\v\f\r")
_TYPED_AS_IT_IS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@+-/")


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One knob of one NIC (or of ``all``). Raises ValueError for a name that is no plain file name,
    so that no path can be made of it.
    """

    knob: Knob
    nic: str

    def __post_init__(self) -> None:
        if not is_plain(self.nic):
            raise ValueError(f"{self.nic!r} cannot be the name of a NIC")

    @property
    def path(self) -> tuple[str, str, str, str]:
        """The folders and the file below /proc/sys/net; the NIC's name is one of them, dots and
        all.
        """
        return (self.knob.family, "conf", self.nic, self.knob.file)

    def __str__(self) -> str:
        # With dots between the parts a dot inside of one is written as a slash (sysctl(8)).
        return f"net.{self.knob.family}.conf.{self.nic.replace('.', '/')}.{self.knob.file}"


Values = Mapping[Sysctl, int]
"""What was read, for NICs and for ``all``. What is missing was not there to read."""


def is_plain(nic: str) -> bool:
    """Whether a name can be that of a NIC: one component of a path, as the kernel sees to it.

    Source: dev_valid_name in net/core/dev.c.
    """
    try:
        size = len(nic.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        return False
    return 0 < size <= _NAME_BYTES and nic not in {".", ".."} and _FORBIDDEN.isdisjoint(nic)


def typed(sysctl: Sysctl, value: int) -> str:
    """What sets it, as you would type it: ``sysctl -w net.ipv4.conf.eth1.arp_ignore=1``.

    The kernel allows quotes, ``$`` and ``;`` in names: such a word is quoted for the shell.
    """
    word = f"{sysctl}={value}"
    if not _TYPED_AS_IT_IS.issuperset(str(sysctl)):
        word = "'" + word.replace("'", "'\\''") + "'"
    return f"sysctl -w {word}"


def in_force(knob: Knob, own: int, every: int) -> int:
    """What the kernel acts on, given the NIC's own value and that of ``all``."""
    match knob:
        case Knob.RP_FILTER | Knob.ARP_IGNORE | Knob.ARP_ANNOUNCE:
            return max(own, every)
        case Knob.SRC_VALID_MARK | Knob.ARP_FILTER | Knob.PROMOTE_SECONDARIES:
            return int(own != 0 or every != 0)
        case Knob.KEEP_ADDR_ON_DOWN:
            # Not the larger: a negative "all" forbids what a NIC allows.
            return int((every or own) > 0)
        case _:
            assert_never(knob)


def why_in_force(sysctl: Sysctl, values: Values) -> str:
    """The value in force and how it comes about, as a clause; empty where it was not read."""
    own, every = values.get(sysctl), values.get(Sysctl(sysctl.knob, ALL))
    if own is None or every is None:
        return ""
    result = in_force(sysctl.knob, own, every)
    match sysctl.knob:
        case Knob.RP_FILTER | Knob.ARP_IGNORE | Knob.ARP_ANNOUNCE:
            rule = f"the larger of {sysctl.nic} ({own}) and all ({every})"
        case Knob.SRC_VALID_MARK | Knob.ARP_FILTER | Knob.PROMOTE_SECONDARIES:
            rule = f"on if {sysctl.nic} ({own}) or all ({every}) is not 0"
        case Knob.KEEP_ADDR_ON_DOWN if every:
            rule = f"all ({every}) decides unless it is 0, whatever {sysctl.nic} ({own}) says"
        case Knob.KEEP_ADDR_ON_DOWN:
            rule = f"all is 0, so {sysctl.nic} ({own}) decides"
        case _:
            assert_never(sysctl.knob)
    return f"{sysctl.knob.file} is {result} in force: {rule}"


def serves(knob: Knob, value: int) -> bool:
    """Whether a value in force does what a mode needs of it.

    arp_ignore 1, 2 and 8 silence a NIC about addresses of others; 3 to 7 do not, large as they are.
    arp_announce does nothing beyond 2.
    """
    match knob:
        case Knob.ARP_IGNORE:
            return value in {1, 2, 8}
        case Knob.ARP_ANNOUNCE:
            return value == 2
        case Knob.SRC_VALID_MARK | Knob.PROMOTE_SECONDARIES | Knob.KEEP_ADDR_ON_DOWN:
            return value != 0
        case Knob.RP_FILTER | Knob.ARP_FILTER:
            return True
        case _:
            assert_never(knob)
