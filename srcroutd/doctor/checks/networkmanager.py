"""NetworkManager drops every route of a device that it deactivates, in every table."""

from collections.abc import Iterator

from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene

UNIT = "NetworkManager.service"
PROCESS = "NetworkManager"


def networkmanager(scene: Scene) -> Iterator[Finding]:
    """A note where it runs or will: srcroutd is made for this neighbour."""
    if not scene.is_up(UNIT, PROCESS):
        return
    state = "runs" if PROCESS in scene.running else "is enabled"
    yield Finding(
        Slug.NETWORKMANAGER,
        Severity.NOTE,
        "",
        f"NetworkManager {state}",
        "when it takes a connection down it removes the device's addresses and routes, those in "
        "our tables too; rules it leaves alone. srcroutd puts the routes back when the connection "
        "is up again",
        "nothing; prefer nmcli device reapply to nmcli connection up: it drops nothing",
    )
