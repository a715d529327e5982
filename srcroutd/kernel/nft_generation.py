"""The generation of nftables' ruleset: a number that every change in this namespace raises.

Asking costs some microseconds where ``nft list`` costs milliseconds, so a round in which nobody
touched nftables need not start a program. Sources: include/uapi/linux/netfilter/{nfnetlink,
nf_tables}.h.
"""

import socket
from struct import Struct, error

NETLINK_NETFILTER = 12
_GETGEN, _NEWGEN = (10 << 8) | 16, (10 << 8) | 15
"""NFNL_SUBSYS_NFTABLES and NFT_MSG_GETGEN, NFT_MSG_NEWGEN."""
_NLM_F_REQUEST = 1
_GEN_ID = 1

_HEADER = Struct("=IHHII4x")
"""nlmsghdr and nfgenmsg."""
_ATTRIBUTE = Struct("=HH")
_ANSWER = 1 << 12


def generation() -> int | None:
    """The number; None where the kernel does not tell it (no nf_tables, no CAP_NET_ADMIN)."""
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
    ) as asked:
        # The kernel answers inside send, so no answer at once means that there is none.
        asked.setblocking(False)  # noqa: FBT003 - the name of the call says it
        try:
            asked.send(_HEADER.pack(_HEADER.size, _GETGEN, _NLM_F_REQUEST, 0, 0))
            return _id_of(asked.recv(_ANSWER))
        except (OSError, error):
            return None


def _id_of(answer: bytes) -> int | None:
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _NEWGEN:
        return None
    place = _HEADER.size
    while place + _ATTRIBUTE.size <= min(length, len(answer)):
        size, name = _ATTRIBUTE.unpack_from(answer, place)
        if name == _GEN_ID:
            return int.from_bytes(answer[place + 4 : place + 8], "big")
        place += max(size + 3 & ~3, _ATTRIBUTE.size)
    return None
