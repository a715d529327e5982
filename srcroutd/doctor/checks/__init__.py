"""The checks: one small file a topic, and this literal list of them.

Each is a pure function of the scene. It finds nothing where it could not look, and nothing that it
is not sure of: a false alarm costs more than silence.
"""

from collections.abc import Callable, Iterator

from srcroutd.doctor.checks.daemon import daemon
from srcroutd.doctor.checks.networkd import networkd
from srcroutd.doctor.finding import Finding
from srcroutd.doctor.scene import Scene

CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    daemon,
    networkd,
)
