"""``srcroutctl cleanup``: remove exactly ours; a running daemon does it itself and stands by."""

import argparse
import sys

from srcroutd.cli.sight import places_of, socket_of
from srcroutd.core.errors import Exit
from srcroutd.core.view import Cleaned

DESCRIPTION = (
    "Removes every rule and route that bears our protocol number inside our bands, and nothing "
    "else. A running daemon does it itself and then stands by, changing nothing, until srcroutctl "
    "reconcile or a restart. Exit code: 0 all is gone, 1 something was refused (or, with "
    "--dry-run, is there)."
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb: none of its own."""


def run(options: argparse.Namespace) -> int:
    """Remove, or show what would be removed."""
    cleaned, by_daemon = _cleanup(options)
    for operation in cleaned.operations:
        sys.stdout.write(f"{operation}\n")
    for refusal in cleaned.refused:
        sys.stdout.write(f"refused by the kernel: {refusal.operation}: {refusal.words}\n")
    word = "to remove" if options.dry_run else "removed"
    number, foreign = len(cleaned.operations), cleaned.foreign_rules
    sys.stdout.write(
        f"{number} {word}, {foreign} foreign rule{'' if foreign == 1 else 's'} left alone\n"
    )
    if by_daemon and not options.dry_run:
        sys.stdout.write(
            "srcroutd stands by and changes nothing; next: srcroutctl reconcile puts all back, "
            "systemctl disable --now srcroutd ends it\n"
        )
    return Exit.DRIFT if cleaned.refused or (options.dry_run and number) else Exit.OK


def _cleanup(options: argparse.Namespace) -> tuple[Cleaned, bool]:
    """What became of it, and whether the daemon did it."""
    from contextlib import nullcontext

    from srcroutd.control.client import Client, NotReachable

    try:
        return Client(socket_of(options)).cleanup(dry_run=options.dry_run), True
    except NotReachable:
        pass
    from srcroutd.daemon.cleanup import cleanup
    from srcroutd.daemon.configfile import load
    from srcroutd.daemon.places import lock

    where = places_of(options)
    config = load(where.config)
    with nullcontext() if options.dry_run else lock(where.runtime):
        return cleanup(config, where, dry_run=options.dry_run), False
