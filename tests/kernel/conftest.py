"""What the kernel tier shares: a network namespace for each test, and two NICs in it.

The test runs in its own namespace, in the thread it started in; commands that it runs are in it
too.
"""

import asyncio
import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator

import pytest

from srcroutd.kernel.requests import Requests

Story = Callable[[Requests], Coroutine[None, None, None]]
_CLONE_NEWNET = 0x40000000
_HERE = "/proc/thread-self/ns/net"
_LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="session")
def home() -> Iterator[int]:
    """The network namespace to come back to: the one we started in, as an open file.

    Root of a user namespace of its own may leave the machine's but not enter it again; then a first
    namespace of our own is home from here on.
    """
    here = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    if _LIBC.setns(here, _CLONE_NEWNET):
        os.close(here)
        _leave()
        here = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    yield here
    os.close(here)


@pytest.fixture
def netns(home: int) -> Iterator[None]:
    """A fresh network namespace with lo up; the machine itself is out of reach."""
    _leave()
    yield
    # Not an assertion: going on in the wrong namespace would test the machine itself.
    if _LIBC.setns(home, _CLONE_NEWNET):
        os.abort()


def _leave() -> None:
    if _LIBC.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare of the network namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@pytest.fixture
def ip(netns: None) -> Callable[[str], str]:  # noqa: ARG001 - the namespace is where it runs
    """Run one command of iproute2 inside the namespace: ``ip("rule add from all nop")``."""

    def run(words: str) -> str:
        done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
        assert not done.returncode, f"ip {words}: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def nics(ip: Callable[[str], str]) -> dict[str, int]:
    """Two NICs joined by a cable, both up, eth1 with an address of each family: name to ifindex."""
    ip("link add eth1 type veth peer name eth2")
    ip("address add 192.0.2.1/24 dev eth1")
    ip("-6 address add 2001:db8::1/64 dev eth1 nodad")
    ip("link set eth1 up")
    ip("link set eth2 up")
    return {name: socket.if_nametoindex(name) for name in ("eth1", "eth2")}


@pytest.fixture
def tell(netns: None) -> Callable[[Story], None]:  # noqa: ARG001 - the namespace is where it runs
    """Run an async story with a line to the namespace's kernel, which is closed behind it."""

    async def told(story: Story) -> None:
        requests = Requests()
        try:
            await story(requests)
        finally:
            requests.close()

    return lambda story: asyncio.run(told(story))
