"""``srcroutctl apply``: another configuration, checked, tried if wanted, and only then put in its
place.

With ``--confirm`` the running daemon tries it and goes back by itself: nobody locks himself out.
"""

import argparse
import os
import sys
from pathlib import Path

from srcroutd.cli.parser import nearest
from srcroutd.cli.sight import UsageProblem, places_of, socket_of
from srcroutd.cli.verbs.status import headline
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import View

DESCRIPTION = (
    "Checks FILE, puts it in the place of the configuration and has the daemon take it. With "
    "--confirm 60s the daemon only tries it for that long and then goes back to the configuration "
    "of before by itself, unless srcroutctl apply --keep is typed meanwhile, from this connection "
    "or another one. Drop-ins stay as they are. Exit code: 0 done or tried, 1 in use and not in "
    "sync."
)
UNITS = {"s": 1, "m": 60}


class CannotPut(OperatorError):
    """A file cannot be written."""

    exit_code = Exit.CANNOT_CREATE


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the new configuration")
    parser.add_argument(
        "--confirm",
        metavar="TIME",
        type=_seconds,
        help="try it for so long (60s, 5m), then go back unless it is kept",
    )
    parser.add_argument("--keep", action="store_true", help="what is on trial stays")


def run(options: argparse.Namespace) -> int:
    """Check, then try or put in place; or keep what is on trial."""
    if options.keep == bool(options.file) or (options.keep and options.confirm):
        raise UsageProblem(
            "srcroutctl apply takes a FILE, or --keep alone for what is on trial; "
            "see srcroutctl apply --help"
        )
    config = places_of(options).config
    if options.keep:
        return _keep(options, config)
    text = _checked(options.file, config)
    if options.dry_run:
        sys.stdout.write(f"{options.file} is good; it would become {config}\n")
        return Exit.OK
    if options.confirm:
        return _try(options, config, text)
    return _replace(options, config, text)


def _replace(options: argparse.Namespace, config: Path, text: bytes) -> int:
    """Put it in place and have it taken; what the daemon refuses does not stay there."""
    from srcroutd.control.client import Declined

    before = config.read_bytes() if config.exists() else None
    _put(config, text)
    try:
        return _reload(options, config)
    except Declined as error:
        if error.exit_code in {Exit.CONFIG, Exit.NO_PROVIDER}:
            if before is None:
                config.unlink(missing_ok=True)
            else:
                _put(config, before)
        raise


def _try(options: argparse.Namespace, config: Path, text: bytes) -> int:
    from srcroutd.control.client import Client
    from srcroutd.daemon.trial import trial_file

    _put(trial_file(config), text)
    view = Client(socket_of(options)).try_config(options.confirm)
    _tell(view)
    sys.stdout.write(
        f"on trial for {options.confirm} s; {config} is as it was\n"
        "next: srcroutctl apply --keep, or wait and the configuration of before returns\n"
    )
    return Exit.OK if view.in_sync else Exit.DRIFT


def _keep(options: argparse.Namespace, config: Path) -> int:
    from srcroutd.daemon.trial import trial_file

    file = trial_file(config)
    if options.dry_run:
        sys.stdout.write(f"{file} would become {config}\n")
        return Exit.OK
    from srcroutd.control.client import Client

    text = _checked(file, config)
    view = Client(socket_of(options)).keep_config()
    _put(config, text)
    file.unlink(missing_ok=True)
    sys.stdout.write(f"kept; it is {config} now\n")
    _tell(view)
    return Exit.OK if view.in_sync else Exit.DRIFT


def _reload(options: argparse.Namespace, config: Path) -> int:
    """Have a running daemon take what has been put in place."""
    from srcroutd.control.client import Client, NotReachable

    try:
        view = Client(socket_of(options)).reload()
    except NotReachable:
        sys.stdout.write(
            f"{config} is in place; srcroutd is not running and takes it when it starts\n"
        )
        return Exit.OK
    sys.stdout.write(f"{config} is in place and in use\n")
    _tell(view)
    return Exit.OK if view.in_sync else Exit.DRIFT


def _tell(view: View) -> None:
    sys.stdout.write(f"{headline(view)}\n")
    if not view.in_sync:
        sys.stdout.write(f"next: srcroutctl plan ({view.why})\n")


def _seconds(text: str) -> int:
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    if not number.isascii() or not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 60s or 5m")
    return int(number) * UNITS[unit]


def _checked(file: Path, config: Path) -> bytes:
    """The bytes of a configuration that is good beside the drop-ins of the real one.

    Raises ConfigError with file, line and key.
    """
    from srcroutd.daemon.access_check import refuse_dangerous
    from srcroutd.daemon.configfile import SIZE_LIMIT, load

    if not file.is_file():
        near = nearest(file.name, [one.name for one in file.parent.glob("*.toml")])
        raise UsageProblem(f"{file} is no file{near}")
    for unseen in refuse_dangerous(load(file, drop_ins=config), {}):
        sys.stderr.write(f"not known, so nothing was checked against it: {unseen}\n")
    with file.open("rb") as opened:
        return opened.read(SIZE_LIMIT)


def _put(file: Path, text: bytes) -> None:
    """Write a file at once and whole, readable for the daemon's user."""
    temporary = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        raise CannotPut(f"{file}: cannot be written: {error.strerror}; next: sudo") from None
