"""A scene to all findings, sorted: problems first, the same scene in the same words."""

from dataclasses import replace

from srcroutd.core.entry import one_line
from srcroutd.doctor.checks.registry import CHECKS
from srcroutd.doctor.finding import Finding
from srcroutd.doctor.scene import Scene


def diagnose(scene: Scene) -> tuple[Finding, ...]:
    """Every finding of every check, each once."""
    found = {_printable(finding) for check in CHECKS for finding in check(scene)}
    return tuple(sorted(found, key=lambda finding: finding.order))


def _printable(finding: Finding) -> Finding:
    """The same without what a terminal would obey: any user may choose a process's name."""
    return replace(
        finding,
        what=one_line(finding.what),
        why=one_line(finding.why),
        next="\n".join(map(one_line, finding.next.splitlines())),
    )
