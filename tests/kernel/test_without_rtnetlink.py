"""Where there is no rtnetlink. Fake: Python's own socket refuses, in a process of its own, with the
errno that a kernel without it gives; tests/e2e has the real refusal of a unit's sandbox.
"""

import subprocess
import sys

REFUSED = """
import errno, socket, sys
from srcroutd.kernel.errors import KernelLacks
from srcroutd.kernel.events import Events
from srcroutd.kernel.requests import Requests

def refuse(*_words):
    raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

socket.socket = refuse
for make in (Requests, lambda: Events(range(1, 2), 0)):
    try:
        make()
    except KernelLacks as error:
        print(int(error.exit_code), error)
"""


def test_it_is_named_and_what_may_forbid_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.startswith("71 there is no rtnetlink here (Address family not supported")
    assert "RestrictAddressFamilies=" in first
