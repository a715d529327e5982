"""``srcroutctl watch``: one line for each change as it happens, until Ctrl-C."""

import argparse
import sys

from srcroutd.cli.sight import socket_of
from srcroutd.core.errors import Exit

DESCRIPTION = (
    "Prints one line for each entry of the daemon's record as it happens: changes with their "
    "reasons, refusals, news of the metadata. Ends with Ctrl-C, or with the daemon (exit code 69)."
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb: none of its own."""


def run(options: argparse.Namespace) -> int:
    """Follow the record."""
    from srcroutd.control.client import Client

    for entry in Client(socket_of(options)).watch():
        sys.stdout.write(f"{entry.json() if options.json else f'{entry.time}  {entry.message}'}\n")
        sys.stdout.flush()
    sys.stderr.write("srcroutctl: srcroutd has ended; next: systemctl status srcroutd\n")
    return Exit.UNREACHABLE
