"""``srcroutctl doctor``: neighbours and traps on this host, each with why it matters and what to
do.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from srcroutd.cli.paint import BOLD, DIM, RED, YELLOW, paint, width
from srcroutd.cli.sight import places_of, sight
from srcroutd.core.errors import ConfigError, Exit, OperatorError
from srcroutd.core.view import View

if TYPE_CHECKING:
    from srcroutd.doctor.finding import Finding
    from srcroutd.doctor.scene import Ailments

DESCRIPTION = (
    "Looks for neighbours and traps on this host: other agents that delete or overrule rules and "
    "routes, leftovers of hand-made recipes, sysctls that drop or misdirect packets, clashes of "
    "numbers, and how the daemon itself fares. Changes nothing, works without the daemon and "
    "without root (and says what it could not look at). Exit code: 0 nothing needs doing, "
    "1 there are problems or risks."
)
COLOURS = {"problem": RED, "risk": YELLOW, "note": DIM}
COLUMNS = 80


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--no-notes", action="store_true", help="only problems and risks: what needs doing"
    )


def run(options: argparse.Namespace) -> int:
    """Look, and say what was found."""
    from srcroutd.doctor.diagnose import diagnose
    from srcroutd.doctor.finding import Severity
    from srcroutd.doctor.gather import gather
    from srcroutd.doctor.scene import Blind

    view: View | None = None
    blind: Blind | None = None
    try:
        view = sight(options)
    except OperatorError as error:
        blind = Blind(str(error), error.exit_code)
    scene = gather(view, blind, Path("/"), _ailments(options, view))
    found = diagnose(scene)
    due = [finding for finding in found if finding.severity is not Severity.NOTE]
    shown = due if options.no_notes else found
    if options.json:
        sys.stdout.write(_json(shown, scene.unseen))
    else:
        sys.stdout.writelines(f"{line}\n" for line in render(shown, scene.unseen))
    return Exit.DRIFT if due else Exit.OK


def _ailments(options: argparse.Namespace, view: View | None) -> "Ailments":
    """What the daemon would meet at its next start; where it does not run, the view has met it."""
    from srcroutd.daemon.access_check import cut_off
    from srcroutd.daemon.configfile import load
    from srcroutd.doctor.scene import Ailments

    if view is None or not view.by_daemon:
        return Ailments()
    places = places_of(options)
    configuration = state = ""
    cut: tuple[tuple[str, bool], ...] = ()
    try:
        config = load(places.config)
        cut = tuple((f"{one.entry}: {one.why}", one.entry.force) for one in cut_off(config))
    except ConfigError as error:
        # What this user may not read is no fault of the file.
        configuration = "" if isinstance(error.__context__, PermissionError) else str(error)
    except OperatorError:
        pass  # The kernel shows this user nothing: the other checks say so.
    try:
        if os.statvfs(places.state).f_flag & os.ST_RDONLY:
            state = str(places.state)
    except OSError:
        pass  # Not there, or not for this user: nothing is known.
    return Ailments(configuration, state, cut)


def render(findings: "Sequence[Finding]", unseen: Sequence[str]) -> Iterator[str]:
    """Three paragraphs a finding, what was not looked at, and a count."""
    for finding in findings:
        head = " ".join(filter(None, (finding.severity.upper(), finding.nic)))
        yield f"{paint(head, COLOURS[finding.severity])}  {paint(finding.slug, BOLD)}"
        yield from _paragraph("what", finding.what)
        yield from _paragraph("why", finding.why)
        yield from _paragraph("next", finding.next)
        yield ""
    if unseen:
        yield "Not looked at:"
        for sentence in unseen:
            yield from wrap(sentence, _columns(), initial_indent="  ", subsequent_indent="    ")
        yield ""
    yield _tally(findings)


def _paragraph(word: str, text: str) -> Iterator[str]:
    """The word, then the text beside it, wrapped; a command stays whole: it may be copied."""
    lead = f"  {word:<4}  "
    for line in text.splitlines() or [""]:
        if line.startswith("$ "):
            yield f"{lead}{line}"
        else:
            yield from wrap(
                line,
                _columns(),
                initial_indent=lead,
                subsequent_indent=" " * len(lead),
                break_long_words=False,
                break_on_hyphens=False,
            )
        lead = " " * len(lead)


def _columns() -> int:
    return min(COLUMNS, width() or COLUMNS) - 1


def _tally(findings: "Sequence[Finding]") -> str:
    counts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for word in COLOURS
        if (count := sum(finding.severity == word for finding in findings))
    ]
    if not counts:
        return "Nothing found."
    quiet = not any(finding.severity != "note" for finding in findings)
    return ", ".join(counts) + ("; nothing needs doing." if quiet else ".")


def _json(findings: "Sequence[Finding]", unseen: Sequence[str]) -> str:
    told = [
        {
            "slug": finding.slug,
            "severity": finding.severity,
            "nic": finding.nic,
            "what": finding.what,
            "why": finding.why,
            "next": finding.next,
        }
        for finding in findings
    ]
    shape = {
        "version": 1,
        "kind": "srcroutd.doctor",
        "findings": told,
        "not_looked_at": list(unseen),
    }
    return json.dumps(shape, indent=2) + "\n"
