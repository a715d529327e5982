"""``srcroutctl plan``: what would change now, in order, with reasons; nothing is touched."""

import argparse
import sys

from srcroutd.cli.paint import BOLD, GREEN, RED, YELLOW, columns, paint, width
from srcroutd.cli.sight import chosen, sight
from srcroutd.core.errors import Exit
from srcroutd.core.net import Family
from srcroutd.core.operation import Operation
from srcroutd.core.view import View

DESCRIPTION = (
    "Shows what would change now, in order, each change with its reason. Without the daemon it "
    "looks at this host itself, so it is also the dry run before srcroutd was ever enabled: it "
    "writes nothing, anywhere. Exit code: 0 nothing to do, 1 something."
)
SIGN = {"add": ("+", GREEN), "replace": ("~", YELLOW), "delete": ("-", RED)}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--nic", action="append", metavar="NIC", help="only this NIC; can be given several times"
    )


def run(options: argparse.Namespace) -> int:
    """Show the plan."""
    view = chosen(sight(options, brief=True), options.nic)
    if options.json:
        from srcroutd.control.translate import plan_json

        sys.stdout.write(plan_json(view))
    else:
        sys.stdout.writelines(f"{line}\n" for line in render(view, width()))
    return Exit.DRIFT if view.operations else Exit.OK


def render(view: View, at_most: int | None) -> list[str]:
    """The plan as lines; ``at_most`` columns, None for as many as it takes."""
    lines = list(view.notes)
    for seat in dict.fromkeys(operation.seat for operation in view.operations):
        due = [operation for operation in view.operations if operation.seat == seat]
        lines += [paint(_who(view, due[0]), BOLD), *lay_out(due, at_most)]
    waiting = [nic for nic in view.nics if nic.why and nic.state.value in {"waiting", "refused"}]
    lines += [f"{nic.link.name}  {nic.state}: {nic.why}" for nic in waiting]
    lines += view.policies.notes
    if view.facts.trouble:
        lines.append(f"metadata: {view.facts.trouble}")
    return [*lines, tally(view)]


def _who(view: View, operation: Operation) -> str:
    nic = view.of_seat(operation.seat)
    if nic and nic.eni:
        return f"{nic.link.name}  {nic.eni.id}  table {nic.table}"
    return f"number {operation.seat}, no NIC here" if operation.seat else "the whole host"


def lay_out(operations: list[Operation], at_most: int | None) -> list[str]:
    """Operations as aligned lines: sign, kind, object, because (below it where it does not fit)."""
    rows = [(*_words(operation), _because(operation)) for operation in operations]
    lines = columns(rows)
    below = at_most is not None and max(map(len, lines)) > at_most - 2
    if below:
        lines = columns([row[:-1] for row in rows])
    laid: list[str] = []
    for line, operation in zip(lines, operations, strict=True):
        laid.append(f"  {paint(line[0], SIGN[operation.verb][1])}{line[1:]}")
        if below:
            laid.append(f"           {_because(operation)}")
    return laid


def _words(operation: Operation) -> tuple[str, str]:
    six = "-6 " if operation.family is Family.V6 else ""
    return f"{SIGN[operation.verb][0]} {operation.kind:<5}", f"{six}{operation.thing}"


def _because(operation: Operation) -> str:
    was = f"; was: {operation.replaces}" if operation.replaces else ""
    return f"{operation.because}{was}"


def tally(view: View) -> str:
    """How many of which kind, and what is left alone."""
    verbs = [operation.verb for operation in view.operations]
    counts = [f"{verbs.count(verb)} to {verb}" for verb in SIGN if verb in verbs]
    number = view.foreign_rules
    foreign = f"{number} foreign rule{'' if number == 1 else 's'} left alone."
    if not counts:
        kept = sum(nic.kept for nic in view.nics)
        what = "nothing is kept" if not kept else "the kernel is as it should be"
        return f"Nothing to do: {what}. {foreign}"
    return f"{', '.join(counts)}. {foreign} At no step does a rule lack its route."
