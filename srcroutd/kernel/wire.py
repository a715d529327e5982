"""Netlink on the wire: the numbers, the headers and the attributes that every codec here shares.

Nothing is opened or sent in this file. Integers are in the byte order of the machine, addresses in
network order, everything is padded to four bytes. Sources: netlink(7), rtnetlink(7) and
include/uapi/linux/ {netlink,rtnetlink,fib_rules,if_link,if_addr}.h.
"""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from struct import Struct

from srcroutd.core.net import IP, Interface, Network

NLMSG_ERROR, NLMSG_DONE = 2, 3

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34

NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200

MESSAGE = Struct("=IHHII")
"""nlmsghdr: length with this header, type, flags, sequence number, port id."""
ATTRIBUTE = Struct("=HH")
U32 = Struct("=I")
S32 = Struct("=i")
U32_ATTRIBUTE = Struct("=HHI")

RT_TABLE_COMPAT = 252
"""What the eight bits of the header say of a table that needs more (RT_TABLE_COMPAT)."""


def attributes(body: bytes, start: int) -> dict[int, bytes]:
    """The attributes of ``body`` from ``start`` on: number to payload, the last of a number wins.

    A length that leads nowhere ends the walk: what the kernel sends is well formed, so nothing is
    lost.
    """
    found: dict[int, bytes] = {}
    unpack, end = ATTRIBUTE.unpack_from, len(body)
    while start + 4 <= end:
        length, kind = unpack(body, start)
        if length < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = body[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    length = 4 + len(payload)
    return ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


BEYOND_HEADER = 0
"""In ``beyond``: something in the fixed header that our types do not hold (tos, an unknown scope).
"""


def u32_attribute(kind: int, value: int) -> bytes:
    """One attribute that holds a u32."""
    return U32_ATTRIBUTE.pack(8, kind, value)


def u32(payload: bytes) -> int:
    """The number in a u32 attribute."""
    (value,) = U32.unpack(payload)
    return int(value)


def text(payload: bytes) -> str:
    """The words of a NUL-terminated attribute. One that is not UTF-8 survives the way back."""
    return payload.partition(b"\0")[0].decode(errors="surrogateescape")


def text_attribute(kind: int, words: str) -> bytes:
    """One NUL-terminated attribute; the counterpart of ``text``."""
    return attribute(kind, words.encode(errors="surrogateescape") + b"\0")


# Making an ipaddress object costs several microseconds and the same few thousand come back in every
# look.
@lru_cache(maxsize=8192)
def network(packed: bytes, length: int) -> Network:
    """The prefix of ``length`` bits at a packed address. Raises ValueError if host bits are set."""
    if len(packed) == 4:
        return IPv4Network((packed, length))
    return IPv6Network((packed, length))


@lru_cache(maxsize=8192)
def interface(packed: bytes, length: int) -> Interface:
    """The address as configured on a NIC, with its prefix length."""
    if len(packed) == 4:
        return IPv4Interface((packed, length))
    return IPv6Interface((packed, length))


def ip(packed: bytes) -> IP:
    """The address in four or sixteen bytes."""
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
