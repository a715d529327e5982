"""Rules in the kernel that people made by hand for an address of ours: from ADDRESS lookup T."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from srcroutd.core.net import Action, Rule
from srcroutd.core.view import NicView
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, sources

_OWN_TABLES = range(253, 256)


def recipe_rules(scene: Scene) -> Iterator[Finding]:
    """One finding a NIC."""
    owners = {ip: nic for nic in scene.kept for ip in sources(nic)}
    found: dict[int, list[Rule]] = defaultdict(list)
    for rule in scene.foreign():
        if is_recipe(rule) and rule.src and rule.src.network_address in owners:
            found[owners[rule.src.network_address].link.index].append(rule)
    for nic in scene.kept:
        if rules := found.get(nic.link.index):
            yield _finding(scene, nic, rules)


def is_recipe(rule: Rule) -> bool:
    """Whether a rule selects by one source address only and looks up a table of its own."""
    plain = Rule(rule.family, rule.priority, table=rule.table, src=rule.src)
    return (
        rule.src is not None
        and rule.src.prefixlen == rule.src.max_prefixlen
        and rule.action is Action.LOOKUP
        and rule.table not in _OWN_TABLES
        and replace(rule, protocol=0) == plain
    )


def _finding(scene: Scene, nic: NicView, rules: list[Rule]) -> Finding:
    first = rules[0]
    before = first.priority < nic.priority
    running = scene.view is not None and scene.view.by_daemon
    more = f", and {len(rules) - 1} more" if len(rules) > 1 else ""
    if not running:
        why = "it does by hand, in part, what srcroutd would do"
    elif before:
        why = (
            "it comes before ours and decides instead: what srcroutd knows of gateways, containers "
            "and failures does not count for this address"
        )
    else:
        why = "it comes after ours and never decides"
    return Finding(
        Slug.RULE_OF_RECIPE,
        Severity.RISK if before and running else Severity.NOTE,
        nic.link.name,
        f"somebody made a rule for an address of {nic.link.name}: {first}{more}",
        why,
        "see what would replace it, then have it taken over:\n"
        "$ srcroutctl adopt --dry-run\n$ srcroutctl adopt",
    )
