"""Stops a process in the middle of its work: SIGSTOP at the first rule that the kernel announces.

    python3 freeze.py PID

It says "ready" once it listens and "frozen" when it has stopped the process. Whoever changes many
rules is then stopped with some of them made and the rest not.
"""

import os
import signal
import socket
import sys

RTMGRP_IPV4_RULE = 1 << 7


def main() -> None:
    """Wait for one announcement."""
    pid = int(sys.argv[1])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
        events.bind((0, RTMGRP_IPV4_RULE))
        _say("ready")
        events.recv(65536)
        os.kill(pid, signal.SIGSTOP)
    _say("frozen")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
