"""Links and addresses out of dumped bodies, and the few bodies with which we change them.

A body is what follows the nlmsghdr of RTM_NEWLINK or RTM_NEWADDR. Sources: ifinfomsg and IFLA_* in
include/uapi/linux/if_link.h, ifaddrmsg and IFA_* in include/uapi/linux/if_addr.h.
"""

from struct import Struct

from srcroutd.core.assigned import PutAddress
from srcroutd.core.net import Address, Family, Interface, Link
from srcroutd.kernel.wire import attribute, attributes, interface, text, u32, u32_attribute

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_PERM_ADDRESS = 1, 3, 10, 18, 54
_IFLA_INFO_KIND = 1
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_AF_UNSPEC = 0
_MAC_LENGTH = 6

_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_IFA_F_SECONDARY, _IFA_F_OPTIMISTIC, _IFA_F_DADFAILED, _IFA_F_TENTATIVE = 0x1, 0x4, 0x8, 0x40
_IFA_F_PERMANENT, _IFA_F_NOPREFIXROUTE = 0x80, 0x200

_IFINFOMSG = Struct("=BxHiII")
"""family, ARPHRD type, index, flags, change mask."""
_IFADDRMSG = Struct("=BBBBI")
"""family, prefix length, the low eight flags, scope, index of the link."""
_CACHEINFO = Struct("=IIII")
"""preferred and valid lifetime in seconds, two times that the kernel fills in."""
_FOREVER = 0xFFFFFFFF


def decode_link(body: bytes) -> Link | None:
    """The NIC in a dumped body; None for a bridge's or another family's view of one."""
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
    if family != _AF_UNSPEC:
        return None
    found = attributes(body, _IFINFOMSG.size)
    master = found.get(_IFLA_MASTER)
    details = attributes(found.get(_IFLA_LINKINFO, b""), 0)
    return Link(
        index=index,
        name=text(found.get(_IFLA_IFNAME, b"")),
        mac=_mac(found.get(_IFLA_PERM_ADDRESS)) or _mac(found.get(_IFLA_ADDRESS)),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        kind=text(details.get(_IFLA_INFO_KIND, b"")),
        master=u32(master) if master else 0,
        loopback=bool(flags & _IFF_LOOPBACK),
    )


def _mac(payload: bytes | None) -> str:
    """A MAC in words; empty for none, for all zeros (lo) and for what is no MAC (a tunnel's
    endpoint).
    """
    if payload is None or len(payload) != _MAC_LENGTH or not any(payload):
        return ""
    return payload.hex(":")


def decode_address(body: bytes) -> Address | None:
    """The address in a dumped body; None for families other than IPv4 and IPv6.

    IFA_LOCAL is our own end; IFA_ADDRESS is the peer's where there is one, and the same where there
    is none. On IPv6 ``secondary`` is the kernel's word for a temporary (privacy) address.
    """
    _, prefix_length, flags, scope, index = _IFADDRMSG.unpack_from(body)
    found = attributes(body, _IFADDRMSG.size)
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if packed is None or len(packed) not in (4, 16):
        return None
    if _IFA_FLAGS in found:
        flags = u32(found[_IFA_FLAGS])
    unproven = flags & _IFA_F_TENTATIVE and not flags & _IFA_F_OPTIMISTIC
    return Address(
        index=index,
        interface=interface(packed, prefix_length),
        scope=scope,
        secondary=bool(flags & _IFA_F_SECONDARY),
        tentative=bool(unproven or flags & _IFA_F_DADFAILED),
        duplicate=bool(flags & _IFA_F_DADFAILED),
        permanent=bool(flags & _IFA_F_PERMANENT),
        protocol=found[_IFA_PROTO][0] if _IFA_PROTO in found else 0,
    )


def encode_new_address(put: PutAddress) -> bytes:
    """The body that puts an address on a NIC.

    A host prefix makes no route in main for IPv4; for IPv6 IFA_F_NOPREFIXROUTE says so. A kernel
    before 5.18 passes over IFA_PROTO.
    """
    body = _encode_address(put.index, put.interface)
    if put.family is Family.V6:
        body += u32_attribute(_IFA_FLAGS, _IFA_F_NOPREFIXROUTE)
    if put.spare:
        body += attribute(_IFA_CACHEINFO, _CACHEINFO.pack(0, _FOREVER, 0, 0))
    return body + attribute(_IFA_PROTO, bytes([put.protocol]))


def encode_old_address(index: int, own: Interface) -> bytes:
    """The body that takes one address off a NIC."""
    return _encode_address(index, own)


def _encode_address(index: int, own: Interface) -> bytes:
    packed = own.ip.packed
    header = _IFADDRMSG.pack(Family.of(own), own.network.prefixlen, 0, 0, index)
    return header + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)


def encode_link_up(index: int) -> bytes:
    """The body that sets a link up and leaves all else of it as it is."""
    return _IFINFOMSG.pack(_AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP)
