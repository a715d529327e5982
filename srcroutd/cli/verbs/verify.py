"""``srcroutctl verify``: the kernel's own word on every managed address."""

import argparse
import asyncio
import json
import sys

from srcroutd.cli.paint import GREEN, RED, paint
from srcroutd.cli.sight import chosen, sight
from srcroutd.core.errors import Exit

DESCRIPTION = (
    "Asks the kernel for every managed address by which NIC a packet with that source would leave. "
    "Exit code: 0 each leaves by its own NIC, 1 at least one does not."
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--nic", action="append", metavar="NIC", help="only this NIC; can be given several times"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="say only what is wrong; the exit code says the rest"
    )


def run(options: argparse.Namespace) -> int:
    """Ask, and show each answer."""
    from srcroutd.daemon.verify import verify

    view = chosen(sight(options), options.nic)
    verdicts = asyncio.run(verify(view))
    wrong = sum(not verdict.ok for verdict in verdicts)
    if options.json:
        told = [
            {
                "nic": one.nic,
                "address": str(one.address),
                "ok": one.ok,
                "leaves_by": one.leaves_by,
                "why": one.why,
            }
            for one in verdicts
        ]
        shape = {"version": 1, "kind": "srcroutd.verify", "ok": not wrong, "addresses": told}
        sys.stdout.write(json.dumps(shape, indent=2) + "\n")
        return Exit.DRIFT if wrong else Exit.OK
    for note in view.notes:
        sys.stdout.write(f"{note}\n")
    for one in verdicts:
        if not one.ok:
            sys.stdout.write(f"{paint('FAIL', RED)}  {one}\n      {one.why}\n")
        elif not options.quiet:
            sys.stdout.write(f"{paint('ok', GREEN)}    {one}\n")
    if wrong:
        sys.stdout.write(f"{wrong} of {len(verdicts)} addresses do not leave by their NIC\n")
    elif not verdicts:
        sys.stdout.write("No address is managed. next: srcroutctl status\n")
    return Exit.DRIFT if wrong else Exit.OK
