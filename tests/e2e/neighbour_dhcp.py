"""A DHCP server for the ports of the VPC router: each NIC gets the address that the cloud gave its
ENI.

    python -m tests.e2e.neighbour_dhcp LEASE_S port-eth1,00:16:3e:0a:00:01,172.16.1.10,172.16.1.253
    ...

Four messages of RFC 2131 and no state: the cloud knows each MAC's address, so whoever asks from
another is not answered, and a lease can neither run out nor be given twice. It says on its output
when it is ready, and when somebody has renewed a lease.
"""

import selectors
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

_HEAD = struct.Struct("!4BIHH4s4s4s4s16s64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5
_PAD, _MASK, _ROUTER, _LEASE, _KIND, _SERVER, _END = 0, 1, 3, 51, 53, 54, 255
_ANSWERS = {_DISCOVER: _OFFER, _REQUEST: _ACK}


@dataclass(frozen=True, slots=True)
class Lease:
    """What the client with this MAC behind this port gets. The mask is a vSwitch's, 24 bits."""

    port: str
    mac: bytes
    address: IPv4Address
    gateway: IPv4Address

    @classmethod
    def from_words(cls, words: str) -> "Lease":
        """``PORT,MAC,ADDRESS,GATEWAY``. Raises ValueError."""
        port, mac, address, gateway = words.split(",")
        return cls(
            port, bytes.fromhex(mac.replace(":", "")), IPv4Address(address), IPv4Address(gateway)
        )


def answer(asked: bytes, lease: Lease, lease_s: int) -> bytes | None:
    """The reply to a datagram, None if it deserves none."""
    if len(asked) < _HEAD.size:
        return None
    way, _, _, _, number, _, flags, client, *_, hardware, _, _, cookie = _HEAD.unpack_from(asked)
    kind = _options(asked[_HEAD.size :]).get(_KIND, b"\0")[0]
    if way != 1 or cookie != _COOKIE or kind not in _ANSWERS or hardware[:6] != lease.mac:
        return None
    none = bytes(4)
    yours, server = lease.address.packed, lease.gateway.packed
    head = _HEAD.pack(
        *(2, 1, 6, 0, number, 0, flags, client, yours, server, none, hardware, b"", b"", _COOKIE)
    )
    options = {
        _KIND: bytes([_ANSWERS[kind]]),
        _SERVER: server,
        _LEASE: struct.pack("!I", lease_s),
        _MASK: IPv4Network("0.0.0.0/24").netmask.packed,
        _ROUTER: server,
    }
    told = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
    return head + told + bytes([_END])


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while data and data[0] != _END:
        if data[0] == _PAD:
            data = data[1:]
            continue
        if len(data) < 2:
            break
        found[data[0]] = data[2 : 2 + data[1]]
        data = data[2 + data[1] :]
    return found


def _listener(lease: Lease) -> socket.socket:
    """Port 67 of one of the router's ports."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, lease.port.encode())
    server.bind(("", 67))
    return server


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(lease_s: int, leases: list[Lease]) -> None:
    """Serve until killed."""
    selector = selectors.DefaultSelector()
    for lease in leases:
        selector.register(_listener(lease), selectors.EVENT_READ, lease)
    _say("ready")
    while True:
        for key, _ in selector.select():
            server: socket.socket = key.fileobj  # type: ignore[assignment]
            asked, _who = server.recvfrom(2048)
            told = answer(asked, key.data, lease_s)
            if told is None:
                continue
            # Who renews has the address and hears unicast; who has none yet hears broadcast.
            has = IPv4Address(asked[12:16])
            try:
                server.sendto(told, (str(has) if int(has) else "255.255.255.255", 68))
            except OSError:
                continue  # The port has no carrier just now; the client asks again.
            if int(has):
                _say(f"renewed {has}")


if __name__ == "__main__":
    main(int(sys.argv[1]), [Lease.from_words(words) for words in sys.argv[2:]])
