"""Connections at a port, as the kernel tells them, and questions asked without a loop."""

import asyncio
import socket
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from srcroutd.kernel.at_once import at_once
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.sock_diag import MANY, Connection, connections_at

pytestmark = pytest.mark.usefixtures("netns")


def connected(stack: ExitStack, door: socket.socket, to: str, times: int = 1) -> list[int]:
    """Connections through a door; the ports of those who came."""
    ports = []
    for _ in range(times):
        client = stack.enter_context(socket.create_connection((to, door.getsockname()[1])))
        ports.append(client.getsockname()[1])
        stack.enter_context(door.accept()[0])
    return ports


def test_it_tells_who_is_connected_to_a_port_and_to_no_other() -> None:
    four, six = ip_address("127.0.0.1"), ip_address("::1")
    with ExitStack() as stack:
        door = stack.enter_context(
            socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True)
        )
        other = stack.enter_context(socket.create_server(("127.0.0.1", 2222)))
        (by_six,) = connected(stack, door, "::1")
        (by_four,) = connected(stack, door, "127.0.0.1")
        (elsewhere,) = connected(stack, other, "127.0.0.1")
        assert set(connections_at([22])) == {
            Connection(four, 22, four, by_four),
            Connection(six, 22, six, by_six),
        }
        assert connections_at([2222]) == (Connection(four, 2222, four, elsewhere),)
        assert len(connections_at([22, 2222])) == 3
    assert connections_at([23]) == ()


def test_a_door_that_only_listens_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 22)):
        assert connections_at([22]) == ()


def test_it_names_who_holds_the_socket_and_what_it_is_bound_to() -> None:
    with ExitStack() as stack:
        door = stack.enter_context(socket.socket())
        door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        door.bind(("127.0.0.1", 22))
        door.listen()
        connected(stack, door, "127.0.0.1")
        (found,) = connections_at([22])
        assert (found.uid, found.bound) == (0, 1)


def test_several_datagrams_full_of_connections_are_read_whole() -> None:
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 22)))
        ports = connected(stack, door, "127.0.0.1", times=400)
        assert sorted(one.peer_port for one in connections_at([22])) == sorted(ports)
        assert len(ports) < MANY


def test_questions_to_the_kernel_need_no_loop() -> None:
    requests = Requests()
    try:
        assert next(link.name for link in at_once(requests.links())) == "lo"
    finally:
        requests.close()


def test_what_waits_for_anything_else_is_no_such_question() -> None:
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()

    async def asked() -> None:
        at_once(waits())

    with pytest.raises(RuntimeError, match="waits for"):
        asyncio.run(asked())
