"""What srcroutctl understands: the verbs, their options, and a good word for what it does not.

The completions, the man page and the tests are held against ``parser()``. A verb's file is imported
when somebody asks for that verb, or for all of it (``filled``).
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from srcroutd import __version__
from srcroutd.cli.verbs import VERBS, Verb
from srcroutd.core.errors import Exit


class Parser(argparse.ArgumentParser):
    """argparse with the exit code of sysexits.h, the nearest word it knows, and options that are
    added when they are needed.
    """

    fill: "Callable[[Parser], None] | None" = None

    def filled(self) -> "Parser":
        """Itself, with the options that were held back."""
        fill, self.fill = self.fill, None
        if fill:
            fill(self)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, once the options are there."""
        return super(Parser, self.filled()).parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        self.exit(Exit.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, in our words."""
        choices = list(action.choices or ())
        if action.choices is not None and value not in choices:
            known = ", ".join(map(str, choices))
            raise argparse.ArgumentError(
                None, f"{value!r} is not known{nearest(str(value), choices)}; known: {known}"
            )


def nearest(word: str, known: Iterable[Any]) -> str:
    """`` (do you mean ...?)`` for a word that resembles a known one, else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, [str(one) for one in known], 1, 0.5)
    return f" (do you mean {near[0]}?)" if near else ""


def parser() -> Parser:
    """The parser of srcroutctl; ``verbs_of`` gives those of the verbs."""
    whole = Parser(
        prog="srcroutctl",
        description="Source routing for cloud hosts with several NICs: the administrator's tool. "
        "Without a verb it says the status.",
        allow_abbrev=False,
    )
    _add_places(whole, default=None)
    whole.add_argument("--version", action="version", version=f"srcroutctl {__version__}")
    verbs = whole.add_subparsers(metavar="VERB", dest="verb", title="verbs")
    for verb in VERBS:
        below = verbs.add_parser(verb.name, help=verb.summary, allow_abbrev=False)
        below.fill = partial(_fill, verb)
    return whole


def verbs_of(whole: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers below a parser, by verb, each with all its options."""
    for action in whole._actions:  # noqa: SLF001 - argparse has no public way to its verbs
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found: Sequence[tuple[str, Any]] = tuple(action.choices.items())
            return {name: one.filled() if isinstance(one, Parser) else one for name, one in found}
    return {}


def _fill(verb: Verb, below: Parser) -> None:
    module = import_module(f"srcroutd.cli.verbs.{verb.name}")
    below.description = module.DESCRIPTION
    if verb.kind != "lab":
        _add_places(below, default=argparse.SUPPRESS)
    if verb.kind == "reader":
        below.add_argument(
            "--json", action="store_true", help="the same for programs; the shape is versioned"
        )
    if verb.kind == "writer":
        below.add_argument("--dry-run", action="store_true", help="only show what would be done")
    module.add(below)
    if hasattr(module, "run"):
        below.set_defaults(run=module.run)


def _add_places(to: argparse.ArgumentParser, default: Any) -> None:
    """The options that every verb takes, before it or after it."""
    for name, metavar, text in (
        ("--socket", "PATH", "the daemon's control socket; default /run/srcroutd/control.sock"),
        ("--config", "FILE", "default /etc/srcroutd/srcroutd.toml"),
        ("--state-dir", "DIR", "default /var/lib/srcroutd"),
    ):
        to.add_argument(name, type=Path, metavar=metavar, default=default, help=text)
