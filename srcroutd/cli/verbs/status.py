"""``srcroutctl status``: what is kept, how it stands, how fresh the facts are; a NIC a line."""

import argparse
import sys
import time
from collections.abc import Iterator

from srcroutd.cli.paint import BOLD, DIM, GREEN, RED, YELLOW, ago, columns, paint, width
from srcroutd.cli.sight import daemon_view
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.join import State
from srcroutd.core.net import Family, Scope
from srcroutd.core.view import NicView, View, state_word

DESCRIPTION = (
    "Says whether the kernel is as it should be, when it was last changed, how fresh the facts "
    "are, and how each NIC stands. Asks the daemon. Exit code: 0 in sync, 1 not, 69 no daemon."
)
SHOWN = 6
"""Addresses of a NIC on the screen; --json has all."""
HEAD = ("NIC", "ENI", "ROLE", "STATE", "TABLE", "MODE", "ADDRESSES", "GATEWAY")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--watch", action="store_true", help="again every two seconds, until Ctrl-C"
    )


def run(options: argparse.Namespace) -> int:
    """Show the status once, or until interrupted."""
    while options.watch:
        try:
            shown = _shown(options)[1]
        except OperatorError as error:
            shown = f"srcroutctl: {error}\n"
        clear = "\033[H\033[2J" if sys.stdout.isatty() else ""
        sys.stdout.write(f"{clear}{shown}" + ("" if clear or options.json else "\n"))
        sys.stdout.flush()
        time.sleep(2)
    view, shown = _shown(options)
    sys.stdout.write(shown)
    return Exit.OK if view.in_sync and not view.standing_by else Exit.DRIFT


def _shown(options: argparse.Namespace) -> tuple[View, str]:
    view = daemon_view(options)
    if options.json:
        from srcroutd.control.translate import status_json

        return view, status_json(view)
    return view, "".join(f"{line}\n" for line in render(view, width()))


def render(view: View, at_most: int | None) -> list[str]:
    """The status as lines; ``at_most`` columns, None for as many as it takes."""
    lines = [headline(view), ""]
    if view.nics:
        table = _table(view)
        lines += table if _fits(table, at_most) else _blocks(view)
    else:
        lines.append("No NIC here could be an ENI.")
    lines += [f"{nic.link.name}: {note}" for nic in view.nics for note in nic.desired.notes]
    lines += view.policies.notes
    lines += [f"conflict: {one}" for one in view.conflicts]
    if view.facts.trouble:
        lines.append(f"metadata: {view.facts.trouble}")
    lines += view.notes
    if following := _next(view):
        lines += ["", f"next: {following}"]
    return lines


def headline(view: View) -> str:
    """In sync or not, the generation, the facts, and how many NICs are in which state."""
    word = paint("in sync", GREEN) if view.in_sync else paint("not in sync", RED)
    if view.standing_by:
        word = paint("standing by", YELLOW)
    parts = [paint(word, BOLD)]
    changed = f", {ago(view.taken_at_s - view.changed_at_s)} ago" if view.changed_at_s else ""
    parts.append(f"generation {view.generation}{changed}")
    facts = view.facts
    read = (
        f"read {ago(view.taken_at_s - facts.read_at_s)} ago" if facts.read_at_s else "not read yet"
    )
    parts.append(f"{facts.provider or 'no provider'}, {read}")
    states = [nic.state for nic in view.nics]
    kept = states.count(State.MANAGED) + states.count(State.KEPT)
    counts = [f"{kept} NIC{'' if kept == 1 else 's'} kept"]
    counts += [
        f"{states.count(state)} {state}"
        for state in (State.WAITING, State.REFUSED)
        if state in states
    ]
    return "   ".join([*parts, ", ".join(counts)])


def _next(view: View) -> str:
    if view.standing_by:
        return "srcroutctl reconcile puts everything back"
    if not view.in_sync:
        return f"srcroutctl plan ({view.why})" if view.why else "srcroutctl plan"
    return ""


def _table(view: View) -> list[str]:
    rows: list[tuple[str, ...]] = [HEAD]
    for nic in view.nics:
        addresses, gateways = _addresses(nic), _gateways(nic)
        last = "  ".join(gateways) or "-"
        if why := _why(view, nic):
            last = f"{last}  ({why})" if gateways else why
        rows.append((*_first_words(view, nic), "  ".join(addresses) or "-", last))
    return _coloured(columns(rows), view)


def _blocks(view: View) -> list[str]:
    """For a narrow screen: the short words in columns, the long ones on lines of their own."""
    firsts = columns([HEAD[:6], *(_first_words(view, nic) for nic in view.nics)])
    lines = [paint(firsts[0], DIM)]
    for nic, line in zip(view.nics, _coloured(firsts, view)[1:], strict=True):
        lines.append(line)
        indent = " " * (max(len(nic.link.name), 3) + 2)
        lines += [f"{indent}{address}" for address in _addresses(nic)]
        lines += [f"{indent}via {gateway}" for gateway in _gateways(nic)]
        if why := _why(view, nic):
            lines.append(f"{indent}{why}")
    return lines


def _coloured(lines: list[str], view: View) -> list[str]:
    def colour(nic: NicView) -> str:
        word = state_word(view, nic)
        shade = GREEN if word == "in sync" else DIM if nic.state is State.LEFT_ALONE else YELLOW
        return RED if word.startswith(("drift", "not", "refused")) else shade

    states = {state_word(view, nic): colour(nic) for nic in view.nics}
    painted = [paint(lines[0], DIM)]
    for nic, line in zip(view.nics, lines[1:], strict=True):
        word = state_word(view, nic)
        painted.append(line.replace(f"  {word}", f"  {paint(word, states[word])}", 1))
    return painted


def _first_words(view: View, nic: NicView) -> tuple[str, ...]:
    table = str(nic.table) if nic.kept else "main" if nic.eni else "-"
    return (
        nic.link.name,
        nic.eni.id if nic.eni else "-",
        nic.role or "-",
        state_word(view, nic),
        table,
        nic.mode if nic.kept else "-",
    )


def _addresses(nic: NicView) -> list[str]:
    """The NIC's global addresses, the cloud's first ones first, then by value."""
    listed: list[object] = []
    for family in Family:
        half = nic.eni.addressing(family) if nic.eni else None
        listed += half.addresses if half else ()
    place = {ip: number for number, ip in enumerate(listed)}
    ips = [address.ip for address in nic.addresses if address.scope == Scope.GLOBAL]
    ips.sort(key=lambda ip: (ip.version, place.get(ip, len(place)), int(ip)))
    shown = [str(ip) for ip in ips[:SHOWN]]
    return [*shown, f"and {len(ips) - SHOWN} more"] if len(ips) > SHOWN else shown


def _gateways(nic: NicView) -> list[str]:
    halves = [nic.eni.v4, nic.eni.v6] if nic.eni else []
    return [str(half.gateway) for half in halves if half and half.gateway]


def _why(view: View, nic: NicView) -> str:
    """Why the NIC is not simply managed; nothing of one left alone, which needs no doing."""
    if nic.state is State.LEFT_ALONE:
        return ""
    if nic.state is not State.WAITING or nic.since_s is None:
        return nic.why
    return f"{nic.why}, {ago(view.taken_at_s - nic.since_s)}"


def _fits(lines: list[str], at_most: int | None) -> bool:
    return at_most is None or max(map(_length, lines)) <= at_most


def _length(line: str) -> int:
    """Columns on the screen: colours take none."""
    return sum(len(part) for part in _plain(line))


def _plain(line: str) -> Iterator[str]:
    for number, part in enumerate(line.split("\033[")):
        yield part.partition("m")[2] if number else part
