"""Network namespaces for the test's own thread: into a fresh one, and home again.

What the test starts is in the namespace too, and the machine itself is out of reach. A namespace
ends with its last process and socket, as a host does when it is switched off.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from srcroutd.lab.namespaces import CLONE_NEWNET, unshare

_HERE = "/proc/thread-self/ns/net"
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def home() -> Iterator[int]:
    """The namespace to come back to, as an open file.

    Root of a user namespace of its own may leave the machine's but not enter it again; then a first
    namespace of our own is home from here on.
    """
    here = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    if _LIBC.setns(here, CLONE_NEWNET):
        os.close(here)
        enter_fresh()
        here = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield here
    finally:
        os.close(here)


def enter_fresh() -> None:
    """Leave the present namespace for a new one with lo up."""
    unshare(CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def go_home(here: int) -> None:
    """Back to where ``home`` was."""
    # Not an assertion: going on in the wrong namespace would test the machine itself.
    if _LIBC.setns(here, CLONE_NEWNET):
        os.abort()
