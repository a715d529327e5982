"""An administrator who is logged in by ssh: a TCP connection to port 22 from another host on eth0's
cable.
"""

import contextlib
import fcntl
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.life.host import Host

PEER = "172.16.0.77"
_SIOCOUTQ = 0x5411
_DIALS = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as one:
    print("in", flush=True)
    while line := sys.stdin.readline():
        one.sendall(line.encode())
        print(one.recv(100).decode().strip() or "ended", flush=True)
"""


class Administrator:
    """A session that stands."""

    def __init__(self, client: "subprocess.Popen[str]", server: socket.socket) -> None:
        self._client = client
        self._server = server

    def types(self, word: str) -> str:
        """Type a line; what comes back, empty if nothing does."""
        assert self._client.stdin
        assert self._client.stdout
        self._client.stdin.write(f"{word}\n")
        self._client.stdin.flush()
        self._server.settimeout(10)
        heard = self._server.recv(100)
        with contextlib.suppress(OSError):
            self._server.send(heard)
        # An acknowledged answer leaves nothing in the queue.
        return self._client.stdout.readline().strip() if _acknowledged(self._server) else ""


def _acknowledged(server: socket.socket) -> bool:
    for _ in range(100):
        if not struct.unpack("i", fcntl.ioctl(server, _SIOCOUTQ, bytes(4)))[0]:
            return True
        time.sleep(0.01)
    return False


@contextmanager
def logged_in(host: Host, own: str = "172.16.0.10", port: int = 22) -> Iterator[Administrator]:
    """Somebody on another host behind port0, with a session at ``own``."""
    there = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        _move_port(host, there.pid)
        with socket.create_server((own, port)) as door:
            enter = ["nsenter", f"--net=/proc/{there.pid}/ns/net"]
            client = subprocess.Popen(
                [*enter, "python3", "-c", _DIALS, own, str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                door.settimeout(15)
                server, _ = door.accept()
                assert client.stdout
                assert client.stdout.readline() == "in\n"
                with server:
                    yield Administrator(client, server)
            finally:
                client.kill()
                client.communicate()
    finally:
        there.kill()
        there.wait()


def _move_port(host: Host, pid: int) -> None:
    """Take eth0's cable to the other host."""
    own_namespace = f"/proc/{pid}/ns/net"
    for _ in range(200):  # until unshare has unshared
        here = subprocess.run(["readlink", "/proc/self/ns/net"], capture_output=True, check=True)
        there = subprocess.run(["readlink", own_namespace], capture_output=True, check=True)
        if here.stdout != there.stdout:
            break
    host.ip(f"link set port0 netns {pid}")
    inside = ["nsenter", f"--net={own_namespace}", "ip"]
    for words in (
        "link set lo up",
        "link set port0 up",
        f"address add {PEER}/24 dev port0",
        "route add default via 172.16.0.10",
    ):
        subprocess.run([*inside, *words.split()], check=True)
