"""Where a reader's ``View`` comes from: the daemon if one runs, else a survey of this host."""

import argparse
import os
from pathlib import Path

from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.view import View
from srcroutd.daemon.places import Places, places

SOCKET = Path("/run/srcroutd/control.sock")


def socket_of(options: argparse.Namespace) -> Path:
    """The control socket that the options mean."""
    return options.socket or SOCKET


def places_of(options: argparse.Namespace) -> Places:
    """The files that the options mean; the runtime directory is the socket's."""
    return places(options.config, options.state_dir, socket_of(options).parent, os.environ)


def sight(options: argparse.Namespace, *, brief: bool = False, ask: bool = True) -> View:
    """The daemon's view; where none runs, what one would see, with a note that says so.

    A ``brief`` one may lack what each NIC should have. Without ``ask`` the survey does not ask the
    metadata: what is remembered has to do.

    Raises OperatorError: the socket is there but not for this user, or the survey cannot be made
    (configuration, no provider, kernel).
    """
    from srcroutd.control.client import Client, NotReachable

    try:
        return Client(socket_of(options)).view(brief=brief)
    except NotReachable:
        pass
    from srcroutd.daemon.survey import survey

    return survey(places_of(options), ask=ask)


def daemon_view(options: argparse.Namespace) -> View:
    """The daemon's view without what each NIC should have. Raises NotReachable (exit 69)."""
    from srcroutd.control.client import Client

    return Client(socket_of(options)).view(brief=True)


class UsageProblem(OperatorError):
    """What was asked for makes no sense here; the sentence says why and what would."""

    exit_code = Exit.USAGE


def chosen(view: View, names: list[str] | None) -> View:
    """The view with only the NICs called ``names`` (all for none).

    Raises UsageProblem, which names the nearest one.
    """
    if not names:
        return view
    from dataclasses import replace

    from srcroutd.cli.parser import nearest

    known = [nic.link.name for nic in view.nics]
    for name in names:
        if name not in known:
            raise UsageProblem(
                f"{name!r} is no NIC that could be an ENI{nearest(name, known)}; "
                f"there are: {', '.join(known) or 'none'}"
            )
    nics = tuple(nic for nic in view.nics if nic.link.name in names)
    seats = {nic.seat for nic in nics if nic.seat}
    return replace(
        view, nics=nics, operations=tuple(op for op in view.operations if op.seat in seats)
    )
