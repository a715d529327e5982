"""The administrator's program: ``srcroutctl VERB``."""

import argparse
import os
import sys
from pathlib import Path

from srcroutd import __version__
from srcroutd.cli.lab import add_lab_verbs
from srcroutd.cli.srcroutd import Parser
from srcroutd.core.errors import Exit, OperatorError


def main() -> int:
    """Run a verb; returns the exit code."""
    parser = _parser()
    options = parser.parse_args()
    if not hasattr(options, "func"):
        parser.print_help()
        return Exit.USAGE
    try:
        return int(options.func(options) or 0)
    except OperatorError as error:
        sys.stderr.write(f"srcroutctl: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return Exit.OK


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="srcroutctl",
        description="Source routing for cloud hosts with several NICs: the administrator's tool.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="default /etc/srcroutd/srcroutd.toml"
    )
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="default /var/lib/srcroutd")
    parser.add_argument("--version", action="version", version=f"srcroutctl {__version__}")
    verbs = parser.add_subparsers(metavar="VERB")
    _add_cleanup(verbs)
    add_lab_verbs(verbs)
    return parser


def _add_cleanup(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cleanup = verbs.add_parser(
        "cleanup",
        help="remove every rule and route of ours, and nothing else",
        description="Removes every rule and route that bears our protocol number inside our "
        "bands, and nothing else. The daemon must be stopped: it would put them back.",
    )
    cleanup.add_argument("--runtime-dir", type=Path, metavar="DIR", help="default /run/srcroutd")
    cleanup.add_argument("--dry-run", action="store_true", help="show what would be removed")
    cleanup.set_defaults(func=_cleanup)


def _cleanup(options: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from srcroutd.daemon.cleanup import cleanup
    from srcroutd.daemon.configfile import load
    from srcroutd.daemon.places import lock, places

    where = places(options.config, options.state_dir, options.runtime_dir, os.environ)
    config = load(where.config)
    with nullcontext() if options.dry_run else lock(where.runtime):
        cleaned = cleanup(config, where, dry_run=options.dry_run)
    for operation in cleaned.operations:
        sys.stdout.write(f"{operation}\n")
    for refusal in cleaned.refused:
        sys.stdout.write(f"refused by the kernel: {refusal.operation}: {refusal.words}\n")
    word = "to remove" if options.dry_run else "removed"
    number = len(cleaned.operations)
    sys.stdout.write(f"{number} {word}, {cleaned.foreign_rules} foreign rules left alone\n")
    return Exit.DRIFT if cleaned.refused or (options.dry_run and number) else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
