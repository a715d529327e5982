"""An echo service on port 7 of every address of a machine, TCP and UDP, IPv4 and IPv6.

UDP answers from the address that was asked, whatever route the answer takes: a server on a wildcard
address has to say so with IP_PKTINFO, ip(7) and ipv6(7), else the kernel picks a source by its own
routing.
"""

import socket
import struct
import threading

PORT = 7

_IP_PKTINFO = 8
_started = threading.Event()


def start() -> dict[str, object]:
    """Begin to echo in threads of this process; a second call changes nothing."""
    if not _started.is_set():
        _started.set()
        for family in (socket.AF_INET, socket.AF_INET6):
            _thread(_echo_datagrams, _wildcard(family, socket.SOCK_DGRAM))
            listener = _wildcard(family, socket.SOCK_STREAM)
            listener.listen(64)
            _thread(_accept, listener)
    return {}


def _wildcard(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    server = socket.socket(family, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    server.bind(("", PORT))
    return server


def _echo_datagrams(server: socket.socket) -> None:
    while True:
        payload, told, _, sender = server.recvmsg(2048, 128)
        try:
            server.sendmsg([payload], [_from_where_asked(*one) for one in told], 0, sender)
        except OSError:
            continue  # No route back: unanswered is what the probe shall see.


def _from_where_asked(level: int, kind: int, value: bytes) -> tuple[int, int, bytes]:
    """The pktinfo of a request made into that of its answer: same local address, any interface."""
    if level == socket.IPPROTO_IPV6:
        return level, kind, struct.pack("16sI", value[:16], 0)
    return level, kind, struct.pack("I4s4s", 0, value[4:8], bytes(4))


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        _thread(_echo_stream, connection)


def _echo_stream(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            return  # The other side reset, or its machine has gone.


def _thread(work: object, server: socket.socket) -> None:
    threading.Thread(target=work, args=(server,), daemon=True).start()  # type: ignore[arg-type]
