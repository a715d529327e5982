"""``srcroutctl adopt``: show what people made by a recipe and what replaces it; take it over."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from srcroutd.cli.paint import BOLD, GREEN, RED, columns, paint
from srcroutd.cli.sight import chosen, places_of, sight
from srcroutd.core.adoption import Adoption, TakenRule, ip_words
from srcroutd.core.adoption_hints import Hint
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import NicView, View

if TYPE_CHECKING:
    from srcroutd.daemon.adopt import Report

DESCRIPTION = (
    "Takes over rules and routes that were made by hand, by NetworkManager or in rc.local so that "
    "a secondary NIC answers for itself: shows them, what replaces them, what is left and why, and "
    "what would bring them back. Ours stand before theirs go; after each deletion the kernel is "
    "asked, and a rule whose loss does harm is put back. Files and profiles are never edited. Exit "
    "code: 0 done or nothing to do, 1 something went wrong (with --dry-run: there is something)."
)
QUESTION = "Do this? [y/N] "


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--nic", action="append", metavar="NIC", help="only this NIC; can be given several times"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before acting")
    parser.add_argument(
        "--json", action="store_true", help="the same for programs; with --dry-run or --yes"
    )


class NotAsked(OperatorError):
    """Nobody is there to say yes."""

    exit_code = Exit.USAGE


def run(options: argparse.Namespace) -> int:
    """Show, ask, act."""
    from srcroutd.daemon.adopt import foresee
    from srcroutd.daemon.adopt_files import read_hints

    only = frozenset(options.nic or ())
    acts = not options.dry_run
    if acts and not options.yes and (options.json or not sys.stdin.isatty()):
        raise NotAsked(
            "adopt deletes rules and routes; without a terminal to ask on it needs --yes "
            "(or --dry-run, to look)"
        )
    view = sight(options)
    chosen(view, options.nic)  # a NIC that is not there is named
    found = foresee(view, only)
    hints = read_hints(view, found, Path("/"))
    if not options.json:
        sys.stdout.writelines(f"{line}\n" for line in render(view, found, hints))
        sys.stdout.flush()
    report: Report | None = None
    if found and acts and (options.yes or _confirmed()):
        # Whoever was asked may have taken a while.
        report = _carry_out(options, view if options.yes else sight(options), found, only)
    if options.json:
        sys.stdout.write(_json(found, hints, report))
    elif report:
        sys.stdout.writelines(f"{line}\n" for line in _outcome(view, report))
    if options.dry_run:
        return Exit.DRIFT if found else Exit.OK
    return Exit.DRIFT if report and report.trouble else Exit.OK


def _confirmed() -> bool:
    sys.stdout.write(QUESTION)
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    sys.stdout.write("nothing was changed\n")
    return False


def _carry_out(
    options: argparse.Namespace, view: View, found: Adoption, only: frozenset[str]
) -> "Report":
    from contextlib import nullcontext

    from srcroutd.daemon.adopt import carry_out
    from srcroutd.daemon.places import lock

    # Without the daemon we write its rules: it must not start meanwhile.
    with nullcontext() if view.by_daemon else lock(places_of(options).runtime):
        return carry_out(view, found, only)


def render(view: View, found: Adoption, hints: tuple[Hint, ...]) -> list[str]:
    """All there is to say before anything is done."""
    lines = list(view.notes)
    for nic in view.nics:
        lines += _of_nic(nic, found)
    lines += _paragraphs("left alone", ((left.thing, (left.why,)) for left in found.left))
    lines += _paragraphs(
        "what would bring it back",
        ((f"{hint.place}  {hint.line}".rstrip(), hint.next) for hint in hints),
    )
    return [*lines, *wrap(_tally(found), 79)]


def _of_nic(nic: NicView, found: Adoption) -> list[str]:
    """What is taken over for one NIC, each with what replaces it."""
    rows: list[tuple[str, str, str]] = []
    for one in found.rules:
        if one.nic.link.index == nic.link.index:
            rows.append(("-", f"{ip_words(one.rule)} rule", str(one.rule)))
            rows.append(("", "instead", _tiers(one)))
    for gone in found.routes:
        if gone.route.oif == nic.link.index:
            instead = str(gone.instead) if gone.instead else "no route of ours: main leads there"
            rows.append(("-", f"{ip_words(gone.route)} route", str(gone.route)))
            rows.append(("", "instead", instead))
    if not rows:
        return []
    first = [op for op in found.first if op.seat == nic.seat]
    title = f"{nic.link.name}  {nic.eni.id if nic.eni else '-'}  table {nic.table}"
    puts = [f"  {paint('+', GREEN)} {str(op).removeprefix('+ ')}" for op in first]
    return [
        paint(title, BOLD),
        *puts,
        *(
            f"  {paint(line[0], RED)}{line[1:]}" if line[0] == "-" else f"  {line}"
            for line in columns(rows, " ")
        ),
    ]


def _tiers(one: TakenRule) -> str:
    numbers = [tier.priority for tier in one.tiers]
    return f"{min(numbers)}-{max(numbers)}: from {one.ip}, three tiers, table {one.nic.table}"


def _paragraphs(title: str, items: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
    """A title, then each thing with what is to say about it below it; nothing for no things.

    A command stays on one line, so that it can be copied.
    """
    lines: list[str] = []
    for thing, said in items:
        lines.append(f"  {thing}")
        for sentence in said:
            command = sentence.startswith(("nmcli", "then:"))
            lines += [f"      {line}" for line in ([sentence] if command else wrap(sentence, 74))]
    return [paint(title, BOLD), *lines] if lines else []


def _tally(found: Adoption) -> str:
    """How much of what."""
    others = f"{found.others} other foreign rule{'' if found.others == 1 else 's'} left alone."
    if not found:
        return f"Nothing to adopt. {others}"
    rules, routes, first = len(found.rules), len(found.routes), len(found.first)
    ours = f"{first} of ours to put in first; then " if first else "Ours stand already; "
    return f"{ours}{rules} of their rules and {routes} of their routes to delete. {others}"


def _outcome(view: View, report: "Report") -> Iterator[str]:
    """What became of it."""
    if report.first:
        yield f"{report.first} of ours put in"
    yield from report.done[report.first :]
    if report.trouble:
        yield f"{paint('stopped', RED)}: {report.trouble}"
        return
    yield "adopted: every address was seen to leave by its NIC; next: srcroutctl verify"
    if not view.by_daemon:
        yield "srcroutd does not run: what stands now is gone after a reboot;"
        yield "next: systemctl enable --now srcroutd"


def _json(found: Adoption, hints: tuple[Hint, ...], report: "Report | None") -> str:
    adopt: list[dict[str, object]] = [
        {
            "kind": "rule",
            "thing": f"{ip_words(one.rule)} rule {one.rule}",
            "protocol": one.rule.protocol,
            "nic": one.nic.link.name,
            "instead": [str(tier) for tier in one.tiers],
        }
        for one in found.rules
    ]
    adopt += [
        {
            "kind": "route",
            "thing": f"{ip_words(one.route)} route {one.route}",
            "protocol": one.route.protocol,
            "nic": one.route.dev,
            "instead": [str(one.instead)] if one.instead else [],
        }
        for one in found.routes
    ]
    shape = {
        "version": 1,
        "kind": "srcroutd.adopt",
        "first": [str(operation) for operation in found.first],
        "adopt": adopt,
        "leave": [{"thing": left.thing, "why": left.why} for left in found.left],
        "hints": [
            {"place": hint.place, "line": hint.line, "next": list(hint.next)} for hint in hints
        ],
        "others": found.others,
        "done": report.done if report else [],
        "trouble": report.trouble if report else "",
    }
    return json.dumps(shape, indent=2) + "\n"
