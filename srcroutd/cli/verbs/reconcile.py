"""``srcroutctl reconcile``: have the daemon look at everything again, now; ends its standing by."""

import argparse
import sys

from srcroutd.cli.paint import width
from srcroutd.cli.sight import sight, socket_of
from srcroutd.cli.verbs.plan import render
from srcroutd.cli.verbs.status import headline
from srcroutd.core.errors import Exit

DESCRIPTION = (
    "Has the daemon read the metadata and look at the whole kernel again, now, and put right what "
    "is not. After a cleanup this is what ends its standing by. Exit code: 0 in sync, 1 not."
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb: none of its own."""


def run(options: argparse.Namespace) -> int:
    """Ask for a round and show what it came to."""
    if options.dry_run:
        view = sight(options, brief=True)
        sys.stdout.writelines(f"{line}\n" for line in render(view, width()))
        return Exit.DRIFT if view.operations else Exit.OK
    from srcroutd.control.client import Client

    view = Client(socket_of(options)).reconcile()
    sys.stdout.write(f"{headline(view)}\n")
    if not view.in_sync:
        sys.stdout.write(f"next: srcroutctl plan ({view.why})\n")
    return Exit.OK if view.in_sync else Exit.DRIFT
