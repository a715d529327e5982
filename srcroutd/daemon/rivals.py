"""Who else on this host is known to remove rules and routes: names for a warning."""

from pathlib import Path

_KNOWN = {
    "/run/systemd/netif/state": (
        "systemd-networkd runs here and deletes foreign rules and routes unless networkd.conf says "
        "ManageForeignRoutingPolicyRules=no and ManageForeignRoutes=no"
    ),
    "/run/NetworkManager/devices": (
        "NetworkManager runs here and drops a device's addresses and routes when its connection "
        "goes down"
    ),
}


def likely_rival() -> str:
    """A sentence on who is likely to be at it, from what runs on this host."""
    for path, sentence in _KNOWN.items():
        if Path(path).exists():
            return f"Likely: {sentence}."
    return "Look for a script, timer or agent that manages ip rule or ip route on this host."
