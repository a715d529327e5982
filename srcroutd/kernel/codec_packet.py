"""One packet to the question about its way: the body of RTM_GETROUTE.

Promise: all that a rule can ask of the packet is in the question, so that the kernel's answer is
about the packet that the walk walks.
"""

from collections.abc import Mapping

from srcroutd.core.lookup_values import Packet
from srcroutd.core.net import Family
from srcroutd.kernel.codec_route import (
    RTA_DPORT,
    RTA_DST,
    RTA_IIF,
    RTA_IP_PROTO,
    RTA_MARK,
    RTA_OIF,
    RTA_SPORT,
    RTA_SRC,
    RTA_UID,
    RTMSG,
)
from srcroutd.kernel.wire import attribute, u32_attribute

_RTM_F_LOOKUP_TABLE = 0x1000
_TCP, _UDP = 6, 17
_ICMP = {Family.V4: 1, Family.V6: 58}


def is_askable(packet: Packet) -> bool:
    """Whether the kernel answers questions about this protocol at all: of others it says
    EOPNOTSUPP (rtm_getroute_parse_ip_proto), which is no answer.
    """
    return packet.proto in {None, _TCP, _UDP, _ICMP[packet.family]}


def encode_packet(packet: Packet, indexes: Mapping[str, int]) -> bytes:
    """The body; ``indexes`` are the ifindexes of the NICs that the packet names.

    IPv6 answers with the true table unasked, and must be. The user is always said, for the kernel
    would take whoever asks, and nobody for a packet that comes in; that is root's (sock_net_uid).
    """
    family, src = packet.family, packet.src
    flags = _RTM_F_LOOKUP_TABLE if family is Family.V4 else 0
    src_len = src.max_prefixlen if src else 0
    body = RTMSG.pack(family, packet.dst.max_prefixlen, src_len, packet.tos, 0, 0, 0, 0, flags)
    body += attribute(RTA_DST, packet.dst.packed)
    if src:
        body += attribute(RTA_SRC, src.packed)
    for kind, name in ((RTA_IIF, packet.iif), (RTA_OIF, packet.oif)):
        if index := indexes.get(name, 0):
            body += u32_attribute(kind, index)
    if packet.mark:
        body += u32_attribute(RTA_MARK, packet.mark)
    body += u32_attribute(RTA_UID, 0 if packet.iif else packet.uid)
    if packet.proto is not None:
        body += attribute(RTA_IP_PROTO, bytes([packet.proto]))
    for kind, port in ((RTA_SPORT, packet.sport), (RTA_DPORT, packet.dport)):
        if port:
            body += attribute(kind, port.to_bytes(2, "big"))
    return body
