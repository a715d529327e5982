"""The floor for repairing a deleted rule: a program that does nothing else, blocks, and adds back
what it hears.

``python -m bench.bare``: two sockets, no thought. It would fight anybody over anything; that is why
the daemon takes longer.
"""

import os
import sys

from bench.wires import OURS, RULES, Listener, Orders
from srcroutd.kernel.wire import NLM_F_CREATE, RTM_DELRULE, RTM_NEWRULE


def main() -> None:
    """Restore rules of ours for ever."""
    listener, orders = Listener(RULES), Orders()
    sys.stdout.write(f"ready, process {os.getpid()}\n")
    sys.stdout.flush()
    mark = bytes((5, 0, 21, 0, OURS))
    while True:
        event = listener.next(3600.0)
        if event and event.kind == RTM_DELRULE and mark in event.body:
            orders.send(RTM_NEWRULE, NLM_F_CREATE, event.body)


if __name__ == "__main__":
    main()
