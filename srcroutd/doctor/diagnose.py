"""A scene to all findings, sorted: problems first, the same scene in the same words."""

from srcroutd.doctor.checks.registry import CHECKS
from srcroutd.doctor.finding import Finding
from srcroutd.doctor.scene import Scene


def diagnose(scene: Scene) -> tuple[Finding, ...]:
    """Every finding of every check, each once."""
    found = {finding for check in CHECKS for finding in check(scene)}
    return tuple(sorted(found, key=lambda finding: finding.order))
