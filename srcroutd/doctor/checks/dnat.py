"""Published ports: the destination is rewritten, so the answer bears a container's address while it
is routed, and no rule by source finds the NIC that the question came in by.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from srcroutd.core.net import IP
from srcroutd.core.view import NicView
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Rewrite, Scene, sources


def dnat(scene: Scene) -> Iterator[Finding]:
    """One finding for all such rules."""
    found = bites(scene)
    if not found:
        return
    names = [nic.link.name for nic in by_source(scene)]
    nics = " and ".join(names)
    entry = f'[[nic]] name = "{names[0]}" mode = "connmark"'
    rewrite = "1 rule of the firewall rewrites"
    if len(found) > 1:
        rewrite = f"{len(found)} rules of the firewall rewrite"
    yield Finding(
        Slug.DNAT_REPLIES,
        Severity.RISK,
        "",
        f"{rewrite} the destination of what comes in ({found[0]})",
        f"asked for at an address of {nics}, the answer bears the container's address while it is "
        "routed and leaves by the primary NIC, where the cloud drops it; rules by source (mode "
        "source) cannot help, only connection marks can",
        f"let srcroutd mark what comes in: {entry} in srcroutd.toml, "
        "then\n$ systemctl reload srcroutd",
    )


def by_source(scene: Scene) -> tuple[NicView, ...]:
    """The NICs that are routed by source alone: those that mark connections have their answers."""
    return tuple(nic for nic in scene.kept if nic.mode == "source")


def bites(scene: Scene) -> list[str]:
    """Where destinations are rewritten of what may come in by a NIC that we keep.

    Empty where the firewall restores connection marks and a rule routes by mark: then somebody has
    seen to it.
    """
    if scene.firewall.restores_marks and any(rule.mark for rule in scene.foreign()):
        return []
    nics = {nic.link.name for nic in by_source(scene)}
    ours = {ip for nic in by_source(scene) for ip in sources(nic)}
    return [one.where for one in scene.firewall.rewrites if _may_catch(one, nics, ours)]


def _may_catch(rewrite: Rewrite, nics: set[str], ours: set[IP]) -> bool:
    if not nics or (rewrite.iif and not rewrite.iif & nics):
        return False
    return not rewrite.dst or any(_covers(text, ip) for text in rewrite.dst for ip in ours)


def _covers(text: str, ip: IP) -> bool:
    try:
        return ip in ip_network(text, strict=False) or ip == ip_address(text)
    except ValueError:
        return False
