"""The daemon's program: ``srcroutd``, in the foreground; options, exit codes and one sentence an
error.
"""

import os
import sys
from argparse import Namespace
from pathlib import Path

from srcroutd import __version__
from srcroutd.cli.parser import Parser
from srcroutd.core import entries
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.daemon.audit import Audit
from srcroutd.daemon.sinks import CHOICES, sink_for


def parser() -> Parser:
    """The parser of srcroutd."""
    options = Parser(
        prog="srcroutd",
        description="Source routing for cloud hosts with several NICs: keeps rules and routes so "
        "that every ENI answers for itself. Runs in the foreground; SIGHUP reloads, SIGTERM leaves "
        "routing standing.",
        allow_abbrev=False,
    )
    options.add_argument(
        "--config", type=Path, metavar="FILE", help="default /etc/srcroutd/srcroutd.toml"
    )
    options.add_argument("--state-dir", type=Path, metavar="DIR", help="default /var/lib/srcroutd")
    options.add_argument("--runtime-dir", type=Path, metavar="DIR", help="default /run/srcroutd")
    options.add_argument(
        "--once", action="store_true", help="reconcile once and exit (gone after a reboot)"
    )
    options.add_argument("--check", action="store_true", help="check the configuration and exit")
    options.add_argument(
        "--log",
        choices=CHOICES,
        default="auto",
        metavar="FORM",
        help="where the record goes: journal, or stderr as text or json; default auto: the journal "
        "if stderr is connected to it, else text",
    )
    options.add_argument(
        "--verbose", action="store_true", help="in text on stderr, show the fields of each entry"
    )
    options.add_argument("--version", action="version", version=f"srcroutd {__version__}")
    return options


def main() -> int:
    """Run; returns the exit code."""
    options = parser().parse_args()
    sink = sink_for(options.log, os.environ, sys.stderr.fileno(), more=options.verbose)
    audit = Audit(sink)
    try:
        return _run(options, audit)
    except OperatorError as error:
        audit.say(entries.cannot_run(str(error), error.exit_code))
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the outermost line: no traceback reaches an operator
        from traceback import format_exception

        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        where = "".join(format_exception(error))
        audit.say(entries.bug(type(cause).__name__, str(cause), where))
        return Exit.BUG
    finally:
        audit.close()


def _run(options: Namespace, audit: Audit) -> Exit:
    """Check the configuration, or serve. Raises OperatorError."""
    from srcroutd.daemon.access_check import refuse_dangerous
    from srcroutd.daemon.configfile import load
    from srcroutd.daemon.places import places

    where = places(options.config, options.state_dir, options.runtime_dir, os.environ)
    if options.check:
        if options.config and not options.config.exists():
            sys.stderr.write(
                f"{options.config} does not exist; without a file everything is at its default\n"
            )
        for unseen in refuse_dangerous(load(where.config), {}):
            sys.stderr.write(f"not known, so nothing was checked against it: {unseen}\n")
        sys.stdout.write(f"{where.config}: good\n")
        return Exit.OK
    from srcroutd.daemon.service import serve

    return serve(where, audit, once=options.once)


if __name__ == "__main__":
    sys.exit(main())
