"""The daemon's program: ``srcroutd``, in the foreground; options, exit codes and one sentence an
error.
"""

import os
import sys
from pathlib import Path

from srcroutd import __version__
from srcroutd.cli.parser import Parser
from srcroutd.core.errors import Exit, OperatorError


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
    options.add_argument("--verbose", action="store_true", help="say more on stderr")
    options.add_argument("--version", action="version", version=f"srcroutd {__version__}")
    return options


def main() -> int:
    """Run; returns the exit code."""
    options = parser().parse_args()
    from srcroutd.daemon.audit import log, to_stderr
    from srcroutd.daemon.configfile import load
    from srcroutd.daemon.places import places

    to_stderr(verbose=options.verbose)
    where = places(options.config, options.state_dir, options.runtime_dir, os.environ)
    try:
        if options.check:
            if options.config and not options.config.exists():
                log.warning(
                    "%s does not exist; without a file everything is at its default", options.config
                )
            load(where.config)
            sys.stdout.write(f"{where.config}: good\n")
            return Exit.OK
        from srcroutd.daemon.service import serve

        return serve(where, once=options.once)
    except OperatorError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the outermost line: no traceback reaches an operator
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        name = type(cause).__name__
        log.critical("this is a bug in srcroutd: %s: %s; routing stays as it is", name, cause)
        log.debug("where it happened", exc_info=True)
        return Exit.BUG


if __name__ == "__main__":
    sys.exit(main())
