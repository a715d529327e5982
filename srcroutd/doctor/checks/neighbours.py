"""Container networks and tunnels, known by their rules and links: a note on what they mean.

Each is recognised by more than one trait, so that no stranger's rule is taken for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from srcroutd.core.net import MAIN_TABLE, Action, Link, Rule
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene

PODS = (
    "addresses of secondary ENIs that it hands to pods are not on the NIC: srcroutd leaves those "
    "to it, and its rules come before ours"
)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One program, how it is recognised, and what it means for us."""

    name: str
    seen: Callable[[Scene], bool]
    why: str
    next: str = "nothing"
    marks: bool = False
    """Whether it keeps bits in packet marks."""


def neighbours(scene: Scene) -> Iterator[Finding]:
    """A note for each that is here."""
    for one in NEIGHBOURS:
        if one.seen(scene):
            yield Finding(
                Slug.NEIGHBOUR, Severity.NOTE, "", f"{one.name} is here", one.why, one.next
            )


def mark_users(scene: Scene) -> list[str]:
    """The neighbours here that keep bits in packet marks."""
    return [one.name for one in NEIGHBOURS if one.marks and one.seen(scene)]


def _links(scene: Scene) -> list[Link]:
    return [link for rpdb in list(scene.rpdbs.values())[:1] for link in rpdb.links.values()]


def _link(scene: Scene, name: str, kind: str = "") -> bool:
    return any(link.name == name and kind in {"", link.kind} for link in _links(scene))


def _rule(scene: Scene, wanted: Callable[[Rule], bool]) -> bool:
    return any(wanted(rule) for rule in scene.foreign())


def _terway(scene: Scene) -> bool:
    indexes = {link.index for link in _links(scene)}
    return _rule(
        scene,
        lambda rule: (
            rule.priority in {512, 2048}
            and (bool(rule.src or rule.dst))
            and (
                rule.table - 1000 in indexes or (rule.priority == 512 and rule.table == MAIN_TABLE)
            )
            and any(link.name.startswith("cali") for link in _links(scene))
        ),
    )


def _vpc_cni(scene: Scene) -> bool:
    return _rule(
        scene,
        lambda rule: (
            rule.priority == 1024 and (rule.mark, rule.mask, rule.table) == (0x80, 0x80, MAIN_TABLE)
        ),
    )


def _cilium(scene: Scene) -> bool:
    return _link(scene, "cilium_host") or _rule(
        scene,
        lambda rule: (
            9 <= rule.priority <= 112 and rule.mask == 0xF00 and rule.table in {2004, 2005}
        ),
    )


def _tailscale(scene: Scene) -> bool:
    return _link(scene, "tailscale0") or _rule(
        scene, lambda rule: rule.table == 52 and 5210 <= rule.priority <= 5270
    )


def _wg_quick(scene: Scene) -> bool:
    return _rule(
        scene,
        lambda rule: (
            rule.invert
            and rule.action is Action.LOOKUP
            and rule.mark == rule.table
            and rule.mark > 0
        ),
    )


def _mwan3(scene: Scene) -> bool:
    return _rule(
        scene, lambda rule: 2001 <= rule.priority <= 2060 and rule.mask in {0x3F00, 0xFF00}
    )


def _calico(scene: Scene) -> bool:
    pods = any(link.name.startswith("cali") for link in _links(scene))
    by_ipip = any(link.name == "tunl0" and link.up for link in _links(scene)) and pods
    return by_ipip or _link(scene, "vxlan.calico") or _link(scene, "wireguard.cali")


def _flannel(scene: Scene) -> bool:
    return _link(scene, "flannel.1") or _link(scene, "flannel-wg")


def _docker(scene: Scene) -> bool:
    return _link(scene, "docker0", "bridge")


ROUTES_IN_MAIN = (
    "its routes to pods are in main: our second tier of rules finds them, so pods and managed "
    "addresses reach each other; node ports that are asked for at a secondary NIC are another "
    "matter (dnat-replies)"
)
NEIGHBOURS = (
    Neighbour("terway (container network of Alibaba Cloud)", _terway, PODS),
    Neighbour("the Amazon VPC CNI", _vpc_cni, PODS, marks=True),
    Neighbour(
        "cilium",
        _cilium,
        "its rules by mark come before ours and catch what goes to its proxy; srcroutd sets no "
        "marks in mode source",
        marks=True,
    ),
    Neighbour(
        "tailscale",
        _tailscale,
        "its rules (5210-5270, table 52) come before ours: what goes to the tailnet, or to an "
        "exit node, leaves by the tunnel whatever its source; it keeps its marks in the bits "
        "0xff0000, which srcroutd has reserved too and does not use in mode source",
        "nothing, unless an exit node or accepted routes take traffic of a managed address: "
        "srcroutctl verify",
        marks=True,
    ),
    Neighbour(
        "wg-quick with all traffic in the tunnel",
        _wg_quick,
        "it sends everything without its mark into the tunnel. Its rules were added without a "
        "priority: brought up after srcroutd they come before ours, else after them",
        "srcroutctl verify; to keep managed addresses out of the tunnel, bring the tunnel up "
        "first or use Table = off with rules of your own",
        marks=True,
    ),
    Neighbour(
        "mwan3",
        _mwan3,
        "its rules (1001-3060) come before ours and choose a NIC by mark",
        "take the NICs that srcroutd keeps out of mwan3",
        marks=True,
    ),
    Neighbour("calico", _calico, ROUTES_IN_MAIN, marks=True),
    Neighbour("flannel", _flannel, ROUTES_IN_MAIN),
    Neighbour(
        "docker",
        _docker,
        "containers reach a managed address, and are reached from it, by our second tier of rules; "
        "a published port that is asked for at a secondary NIC is another matter (dnat-replies)",
    ),
)
