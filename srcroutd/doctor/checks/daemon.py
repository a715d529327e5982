"""How the daemon itself fares: not running, out of sync, metadata, conflicts."""

from collections.abc import Iterator

from srcroutd.core.errors import Exit
from srcroutd.core.view import View
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Ailments, Blind, Scene

UNIT = "srcroutd.service"


def daemon(scene: Scene) -> Iterator[Finding]:
    """What the view, or the want of one, says."""
    if scene.blind:
        yield _blind(scene.blind)
    if scene.view is None:
        return
    if not scene.view.by_daemon:
        yield _not_running(scene)
    elif scene.view.standing_by:
        yield Finding(
            Slug.STANDING_BY,
            Severity.RISK,
            "",
            "srcroutd stands by: somebody ran srcroutctl cleanup",
            "no rules and routes are kept until it is told to go on or restarted",
            "$ srcroutctl reconcile",
        )
    elif not scene.view.in_sync:
        yield Finding(
            Slug.NOT_IN_SYNC,
            Severity.PROBLEM,
            "",
            f"the kernel is not as it should be: {scene.view.why or _due(scene.view)}",
            "some addresses may be answered by the wrong NIC, or not at all",
            "$ srcroutctl plan\n$ srcroutctl verify\n$ journalctl -u srcroutd",
        )
    yield from _facts(scene.view)
    yield from _next_start(scene.ailments)


def _blind(blind: Blind) -> Finding:
    what, _, following = blind.why.partition("; next: ")
    # Who asks without permission has learned nothing about the host: that is no problem of it.
    forbidden = blind.exit_code == Exit.NOT_PERMITTED
    return Finding(
        Slug.DAEMON_NOT_SEEN,
        Severity.NOTE if forbidden else Severity.PROBLEM,
        "",
        f"neither srcroutd nor a look at this host gives a picture: {what}",
        "which addresses should leave by which NIC is not known, so most of what could be wrong "
        "with them was not looked at",
        following or "correct what it says; srcroutd --check tells whether it is good now",
    )


def _not_running(scene: Scene) -> Finding:
    ours = sum(scene.domain.owns_rule(rule) for rule in scene.rules())
    if not ours and UNIT not in scene.enabled:
        return Finding(
            Slug.DAEMON_NOT_RUNNING,
            Severity.NOTE,
            "",
            "srcroutd is not running and not enabled",
            "what is said here of NICs is what it would find; nobody keeps rules and routes",
            "see what it would do, then have it done:\n"
            "$ srcroutctl plan\n$ systemctl enable --now srcroutd",
        )
    stands = f"{ours} of its rules stand" if ours else "none of its rules stand"
    return Finding(
        Slug.DAEMON_NOT_RUNNING,
        Severity.RISK,
        "",
        f"srcroutd is not running; {stands}",
        "what somebody deletes, or what a link flap drops, is put back by nobody",
        "start it; the journal says why it ended:\n"
        "$ systemctl start srcroutd\n$ journalctl -u srcroutd",
    )


def _next_start(ailments: Ailments) -> Iterator[Finding]:
    if ailments.configuration:
        yield Finding(
            Slug.CONFIGURATION,
            Severity.RISK,
            "",
            f"srcroutd runs, and its configuration cannot be used: {ailments.configuration}",
            "it goes on with what it read before; after a restart or reboot it does not start",
            "correct what it says, then have it read\n$ srcroutd --check\n"
            "$ systemctl reload srcroutd",
        )
    for entry, forced in ailments.cut_off:
        yield Finding(
            Slug.ACCESS_CUTS_OFF,
            Severity.RISK,
            "",
            entry,
            "the entry says force = true, so it is in force all the same"
            if forced
            else "what is in force stays; a reload is refused, and a boot leaves the entry out",
            "have the entry ask for less, or let an entry before it route this\n$ srcroutd --check",
        )
    if ailments.state:
        yield Finding(
            Slug.STATE_DIRECTORY,
            Severity.RISK,
            "",
            f"{ailments.state} lies on a file system that is mounted read-only",
            "numbers and facts are not remembered: after a reboot a NIC may have another table, "
            "and routing waits for the metadata",
            "mount it writable, or give srcroutd another place (--state-dir)",
        )


def _due(view: View) -> str:
    count = len(view.operations)
    return f"{count} operation{'' if count == 1 else 's'} due"


def _facts(view: View) -> Iterator[Finding]:
    if view.facts.trouble:
        remembered = view.facts.read_at_s is None
        yield Finding(
            Slug.METADATA_TROUBLE,
            Severity.PROBLEM if remembered else Severity.RISK,
            "",
            f"the metadata cannot be read: {view.facts.trouble}",
            "routing goes on with what was known before; new NICs and addresses wait",
            "is the metadata service reachable, does a firewall or a proxy stand in the way?\n"
            "$ journalctl -u srcroutd",
        )
    for conflict in view.conflicts:
        yield Finding(
            Slug.CONFLICT,
            Severity.RISK,
            "",
            conflict,
            "that is left alone and other numbers are used, as long as there are any",
            "give srcroutd bands that nobody uses (priorities and tables in srcroutd.toml)",
        )
