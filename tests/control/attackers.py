"""Clients that mean no good, as a program of its own: the server's loop shall not share their turn.

    python -m tests.control.attackers SOCKET UID GID COUNT SEED

One attack after the other, several at once. Prints a JSON object: for each kind of attack what
became of it, and how often. "open" means that the server never closed the connection.
"""

import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

PATIENCE_S = 15.0
AT_ONCE = 8
GET_VIEW = b"GET /v1/view HTTP/1.1\r\nHost: x\r\n\r\n"
WATCH = b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n"

Luck = random.Random
Attack = Callable[[socket.socket, Luck], str]


def main() -> None:
    """Attack."""
    path, uid, gid, count, seed = sys.argv[1], *map(int, sys.argv[2:6])
    if uid != os.getuid():
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    told: Counter[str] = Counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = [(path, name, seed + number) for number, name in enumerate(_order(count, seed))]
        told.update(pool.map(_attack, work))
    sys.stdout.write(json.dumps(told))


def _order(count: int, seed: int) -> list[str]:
    """Which attack follows which: ten of each that takes seconds, and the others in turn."""
    fast = [name for name in ATTACKS if name not in SLOW]
    rest = count - 10 * len(SLOW)
    order = [*SLOW] * 10 + [fast[number % len(fast)] for number in range(rest)]
    Luck(seed).shuffle(order)
    return order


def _attack(work: tuple[str, str, int]) -> str:
    path, name, seed = work
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            _connect(connection, path)
            return f"{name}: {ATTACKS[name](connection, random.Random(seed))}"
        except (BrokenPipeError, ConnectionResetError):
            return f"{name}: {_answer(connection)}"


def _connect(connection: socket.socket, path: str) -> None:
    """Wait in line: a connect() with a time limit would fail at once."""
    connection.connect(path)
    connection.settimeout(PATIENCE_S)


def _answer(connection: socket.socket) -> str:
    """Read to the end; the status of the answer, if there was one."""
    found = b""
    try:
        while block := connection.recv(65536):
            found = found or block
    except ConnectionResetError:
        pass
    except TimeoutError:
        return "open"
    return found.split()[1].decode() if found.startswith(b"HTTP/1") else "closed"


def _closed(connection: socket.socket) -> str:
    """Wait, without reading, until the server is gone."""
    poll = select.poll()
    poll.register(connection, 0)
    return "closed" if poll.poll(PATIENCE_S * 1000) else "open"


def garbage(connection: socket.socket, luck: Luck) -> str:
    """Bytes."""
    connection.sendall(luck.randbytes(luck.randint(1, 5000)) + b"\r\n\r\n")
    return _answer(connection)


def long_line(connection: socket.socket, luck: Luck) -> str:
    """A path without end."""
    connection.sendall(b"GET /" + b"a" * luck.randint(5_000, 500_000) + b" HTTP/1.1\r\n\r\n")
    return _answer(connection)


def long_header(connection: socket.socket, luck: Luck) -> str:
    """A header without end."""
    value = b"a" * luck.randint(5_000, 500_000)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + value + b"\r\n\r\n")
    return _answer(connection)


def many_headers(connection: socket.socket, luck: Luck) -> str:
    """Headers without end."""
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(luck.randint(100, 20_000)))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    return _answer(connection)


def large_body(connection: socket.socket, luck: Luck) -> str:
    """A body that nobody asked for."""
    size = luck.randint(1, 3_000_000)
    connection.sendall(
        b"POST /v1/reconcile HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    )
    connection.sendall(bytes(size))
    return _answer(connection)


def endless_body(connection: socket.socket, _luck: Luck) -> str:
    """Chunks for ever."""
    connection.sendall(
        b"POST /v1/cleanup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        connection.sendall(b"1000\r\n" + bytes(0x1000) + b"\r\n")
    return "open"


def two_lengths(connection: socket.socket, _luck: Luck) -> str:
    """One request that is two, depending on who reads it."""
    connection.sendall(
        b"POST /v1/cleanup?dry_run=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST /v1/cleanup HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    return _answer(connection)


def drip(connection: socket.socket, luck: Luck) -> str:
    """A head that never ends, a byte at a time."""
    for byte in b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(luck.uniform(0.01, 0.1))
    return "open"


def silence(connection: socket.socket, _luck: Luck) -> str:
    """Nothing at all."""
    return _closed(connection)


def half(connection: socket.socket, luck: Luck) -> str:
    """A part of a request, and nothing more."""
    connection.sendall(GET_VIEW[: luck.randint(1, len(GET_VIEW) - 1)])
    return _closed(connection)


def half_closed(connection: socket.socket, luck: Luck) -> str:
    """A part of a request, and the end."""
    connection.sendall(GET_VIEW[: luck.randint(1, len(GET_VIEW))])
    connection.shutdown(socket.SHUT_WR)
    return _answer(connection)


def pipeline(connection: socket.socket, luck: Luck) -> str:
    """All requests at once."""
    connection.sendall(GET_VIEW * luck.randint(2, 500))
    return _answer(connection)


def method(connection: socket.socket, luck: Luck) -> str:
    """What nobody does."""
    name = luck.choice(["DELETE", "PUT", "TRACE", "OPTIONS", "CONNECT", "HEAD", "X" * 300, "GET\t"])
    target = luck.choice(["/v1/cleanup", "*", "/v1/view", "example.com:443"])
    connection.sendall(f"{name} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return _answer(connection)


def traversal(connection: socket.socket, luck: Luck) -> str:
    """What is elsewhere."""
    target = luck.choice(
        [
            "/v1/schemas/../../../../../../etc/passwd",
            "/v1/schemas/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/v1/schemas/....//....//etc/passwd",
            "/v1/schemas//etc/passwd",
            "/v1/schemas/view%00.json",
            "file:///etc/passwd",
            "http://[::1/v1/status",
            "/%ff%fe?%ff=%fe&a=%",
            "/v1/view?" + "brief=1&" * 400,
        ]
    )
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return _answer(connection)


def leave(connection: socket.socket, luck: Luck) -> str:
    """Go in the middle of a large answer."""
    connection.sendall(luck.choice([GET_VIEW, WATCH]))
    time.sleep(luck.uniform(0, 0.05))
    with suppress(TimeoutError):
        connection.settimeout(0.2)
        connection.recv(luck.randint(1, 100_000))
    return "left"


def never_read(connection: socket.socket, _luck: Luck) -> str:
    """Ask for a large answer and do not look at it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(GET_VIEW)
    return _closed(connection)


def never_read_the_record(connection: socket.socket, _luck: Luck) -> str:
    """Watch and do not look."""
    connection.sendall(WATCH)
    return _closed(connection)


def upgrade(connection: socket.socket, luck: Luck) -> str:
    """Another protocol, please."""
    connection.sendall(
        luck.choice(
            [
                (
                    b"GET /v1/view HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
                ),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                b"\x05\x01\x00" * 10 + b"\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
            ]
        )
        + luck.randbytes(1000)
    )
    return _answer(connection)


def crowd(connection: socket.socket, _luck: Luck) -> str:
    """Many at once, who all want something."""
    address = connection.getpeername()
    others = [socket.socket(socket.AF_UNIX) for _ in range(30)]
    with ExitStack() as stack:
        for other in others:
            stack.enter_context(other)
        for other in others:
            _connect(other, address)
            with suppress(BrokenPipeError):
                other.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        told = {_answer(other) for other in others}
    return "open" if "open" in told else "answered"


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        garbage,
        long_line,
        long_header,
        many_headers,
        large_body,
        endless_body,
        two_lengths,
        drip,
        silence,
        half,
        half_closed,
        pipeline,
        method,
        traversal,
        leave,
        never_read,
        never_read_the_record,
        upgrade,
        crowd,
    )
}

SLOW = ("drip", "silence", "half", "never_read", "never_read_the_record", "crowd")


if __name__ == "__main__":
    main()
