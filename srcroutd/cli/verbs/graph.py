"""``srcroutctl graph``: a picture of NICs, addresses, rules, tables and gateways; drift in red, and
in words.
"""

import argparse
import sys
from pathlib import Path

from srcroutd.cli.paint import BOLD, DIM, GREEN, RED, YELLOW, paint
from srcroutd.cli.sight import chosen, sight
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import View
from srcroutd.export.graph.picture import Picture
from srcroutd.export.graph.registry import FORMATS, drawing
from srcroutd.export.graph.scene import scene
from srcroutd.export.graph.terminal import Span, terminal, text

DESCRIPTION = (
    "Draws which packet meets which rules, finds its way in which table and leaves by which NIC. "
    "Asks the daemon; without it, looks at this host itself and changes nothing. What is out of "
    "step with the kernel is red and says so. Exit code: 0 in sync, 1 drift."
)
COLOURS = {"strong": BOLD, "dim": DIM, "good": GREEN, "warning": YELLOW, "bad": RED}


class NotDrawn(OperatorError):
    """The picture cannot be had that way."""

    exit_code = Exit.USAGE


class NotWritten(OperatorError):
    """The file cannot be written."""

    exit_code = Exit.CANNOT_CREATE


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--format", choices=FORMATS, help="default terminal")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write to FILE instead of standard output"
    )
    parser.add_argument(
        "--nic", action="append", metavar="NIC", help="only this NIC; can be given several times"
    )
    parser.add_argument(
        "--ascii", action="store_true", help="format terminal: plain ASCII instead of box drawing"
    )


def run(options: argparse.Namespace) -> int:
    """Draw the picture of what the daemon sees, or of what this host shows."""
    return draw(sight(options), options)


def draw(view: View, options: argparse.Namespace) -> int:
    """Draw the picture of a view."""
    if options.json and options.format:
        raise NotDrawn(
            f"--json and --format {options.format} are two formats; next: leave one of them out"
        )
    picture = scene(chosen(view, options.nic))
    form = "json" if options.json else options.format or "terminal"
    if form == "terminal" and not options.output:
        _show(picture, plain=options.ascii)
    else:
        _write(_document(picture, form, plain=options.ascii).encode(), options.output)
    return Exit.OK if picture.in_sync else Exit.DRIFT


def _show(picture: Picture, *, plain: bool) -> None:
    """To standard output, in colour where that is a terminal."""
    for line in terminal(picture, plain=plain or not _takes_boxes()):
        shown = "".join(_painted(span) for span in line)
        sys.stdout.write(f"{shown.rstrip()}\n")


def _painted(span: Span) -> str:
    return paint(span.text, COLOURS[span.shade]) if span.shade in COLOURS else span.text


def _takes_boxes() -> bool:
    """Whether standard output's encoding has more than ASCII; many a serial console's has not."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _document(picture: Picture, form: str, *, plain: bool) -> str:
    if form == "json":
        from srcroutd.export.graph.document import document

        return document(picture)
    if form == "terminal":
        return text(terminal(picture, plain=plain))
    return drawing(form)(picture)


def _write(document: bytes, output: Path | None) -> None:
    """In UTF-8 whatever the locale: the formats say so of themselves."""
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(document)
        return
    try:
        output.write_bytes(document)
    except OSError as error:
        raise NotWritten(
            f"cannot write {output}: {error.strerror}; next: name a file in a folder that is there "
            "and yours to write"
        ) from error
