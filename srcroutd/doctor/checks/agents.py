"""Other agents that make rules and routes for secondary NICs: two at one job undo each other."""

from collections.abc import Iterator
from dataclasses import dataclass

from srcroutd.core.net import Rule
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, sources


@dataclass(frozen=True, slots=True)
class Agent:
    """How one is recognised (``priorities`` are those of its rules) and what switches it off."""

    name: str
    units: tuple[str, ...]
    process: str
    priorities: range
    off: str
    file: str = ""


AGENTS = (
    Agent(
        "nm-cloud-setup",
        ("nm-cloud-setup.timer", "nm-cloud-setup.service"),
        "nm-cloud-setup",
        range(30200, 30500),
        "$ systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service",
    ),
    Agent(
        "amazon-ec2-net-utils",
        ("ec2net-scan.service", "ec2-net-utils.service"),
        "",
        range(10000, 11000),
        "remove the package amazon-ec2-net-utils",
        "/usr/lib/udev/rules.d/99-vpc-policy-routes.rules",
    ),
    Agent(
        "cloud-netconfig",
        ("cloud-netconfig.timer", "cloud-netconfig.service"),
        "",
        range(30000, 30200),
        "$ systemctl disable --now cloud-netconfig.timer cloud-netconfig.service",
    ),
)


def agents(scene: Scene) -> Iterator[Finding]:
    """One finding for each agent that is at work, or whose rules for our addresses are left."""
    ours = {ip for nic in scene.kept for ip in sources(nic)}
    for agent in AGENTS:
        left = [
            rule
            for rule in scene.foreign()
            if rule.priority in agent.priorities
            and rule.src
            and rule.src.prefixlen == rule.src.max_prefixlen
            and rule.src.network_address in ours
        ]
        works = any(scene.is_up(unit, agent.process) for unit in agent.units)
        if works or agent.file in scene.files:
            yield _at_work(agent, left)
        elif left:
            yield _left_over(agent, left)


def _at_work(agent: Agent, left: list[Rule]) -> Finding:
    rules = f"; {len(left)} of its rules are for addresses of ours" if left else ""
    return Finding(
        Slug.RIVAL_AGENT,
        Severity.RISK,
        "",
        f"{agent.name} is switched on{rules}",
        "it makes rules, routes and addresses for the same NICs from the same metadata, and takes "
        "them away when it cannot read it; with two at one job nobody knows which one decides",
        agent.off,
    )


def _left_over(agent: Agent, left: list[Rule]) -> Finding:
    return Finding(
        Slug.RIVAL_AGENT,
        Severity.NOTE,
        "",
        f"{len(left)} rules for addresses of ours have priorities of {agent.name}, "
        f"the first: {left[0]}",
        "they look like left behind by it, for it is not switched on; they are gone after a reboot",
        "$ srcroutctl adopt --dry-run",
    )
