"""Strangers' rules that decide for our addresses, or that use our numbers.

Whether a rule decides is found out by walking the RPDB as the kernel does; where the walk gives up,
nothing is said.
"""

from collections import defaultdict
from collections.abc import Iterator

from srcroutd.core.adoption_hints import table_names
from srcroutd.core.lookup import walk
from srcroutd.core.lookup_values import Leaves, Packet, Refused
from srcroutd.core.net import IP, Family, Route, Rule
from srcroutd.core.numbering import PRIORITIES_A_SEAT, is_foreign
from srcroutd.doctor.checks.leftovers import plain
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import FAR, Scene, sources

PROTOCOLS = "/etc/iproute2/rt_protos"
_FOR_PEOPLE = frozenset({7, 8})
"""Of a NIC's ten priorities the two that srcroutd never uses."""


def stranger_decides(scene: Scene) -> Iterator[Finding]:
    """A rule before ours that leads packets of our addresses elsewhere, or nowhere."""
    caught: dict[tuple[str, int, Rule, str], list[IP]] = defaultdict(list)
    for nic in scene.kept:
        for ip in sources(nic):
            rpdb = scene.rpdbs.get(Family.of(ip))
            end = walk(rpdb, Packet(FAR[Family.of(ip)], ip)).end if rpdb else None
            match end:
                case Leaves(rule=Rule() as rule, oif=oif) if rpdb and oif != nic.link.index:
                    where = f"leave by {rpdb.name(oif)}"
                case Refused(rule=Rule() as rule, why=why):
                    where = f"do not leave at all ({why})"
                case _:
                    continue
            if is_foreign(rule, (scene.domain,)) and rule.priority < nic.priority:
                caught[nic.link.name, nic.priority, rule, where].append(ip)
    for (name, ours, rule, where), ips in caught.items():
        more = f" and {len(ips) - 1} more" if len(ips) > 1 else ""
        yield Finding(
            Slug.STRANGER_DECIDES,
            Severity.PROBLEM,
            name,
            f"packets of {ips[0]}{more} {where}, because of a stranger's rule: {rule}",
            f"it comes before our rules (from {ours} on), so {name} answers by the wrong NIC or "
            "not at all; a rule added without a priority lands before all others",
            f"have whoever makes it use a priority after {scene.domain.priorities.stop - 1}\n"
            f"$ srcroutctl explain {FAR[Family.of(ips[0])]} --from {ips[0]}",
        )


def stranger_in_band(scene: Scene) -> Iterator[Finding]:
    """Rules and routes of strangers among our numbers; those that took a NIC's are conflicts."""
    if scene.view is None or scene.view.conflicts:
        return  # Without a view it is not known which numbers are ours.
    band, tables = scene.domain.priorities, scene.domain.tables
    for rule in scene.foreign():
        place = rule.priority - band.start
        if rule.priority in band and place % PRIORITIES_A_SEAT not in _FOR_PEOPLE:
            before_all = place < PRIORITIES_A_SEAT
            yield Finding(
                Slug.STRANGER_IN_BAND,
                Severity.NOTE if before_all else Severity.RISK,
                "",
                f"a stranger's rule lies among our priorities: {rule}",
                "a rule added without a priority lands just before the lowest one, which is ours"
                if before_all
                else "a NIC that is to have these priorities must take others, and more of them "
                "may leave none",
                f"have whoever makes it use a priority outside {band.start}-{band.stop - 1}, or "
                "give srcroutd another band (priorities in srcroutd.toml)",
            )
    for _, rpdb in sorted(scene.rpdbs.items()):
        for table, routes in sorted(rpdb.tables.items()):
            for route in routes:
                if table in tables and route.protocol != scene.domain.protocol:
                    yield Finding(
                        Slug.STRANGER_IN_BAND,
                        Severity.RISK,
                        "",
                        f"a stranger's route lies in one of our tables: {route}",
                        "a NIC that is to have this table must take another one; in the table of a "
                        "NIC it decides beside our routes",
                        f"have whoever makes it use a table outside {tables.start}-"
                        f"{tables.stop - 1}, or give srcroutd another band (tables in "
                        "srcroutd.toml)",
                    )


def protocol_elsewhere(scene: Scene) -> Iterator[Finding]:
    """Rules and routes with our protocol number outside our bands, and another name for it."""
    if scene.view is None:
        return
    number, domain = scene.domain.protocol, scene.domain
    found: list[Rule | Route] = [
        rule for rule in scene.rules() if rule.protocol == number and not domain.owns_rule(rule)
    ]
    found += (
        route
        for _, rpdb in sorted(scene.rpdbs.items())
        for _, routes in sorted(rpdb.tables.items())
        for route in routes
        if route.protocol == number and not domain.owns_route(route)
    )
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield Finding(
            Slug.PROTOCOL_ELSEWHERE,
            Severity.RISK,
            "",
            f"protocol {number} is used outside our bands: {found[0]}{more}",
            "another program may take our rules for its own and delete them; srcroutd leaves these "
            "alone, for they are not in its bands",
            "find out who made them; if nobody did, delete them; else give srcroutd another number "
            "(protocol in srcroutd.toml)",
        )
    for path, text in sorted(scene.files.items()):
        if path.startswith(PROTOCOLS):
            for name, named in table_names((plain(text),)).items():
                if named == number and name != "srcroutd":
                    yield _named(path, number, name)


def _named(path: str, number: int, name: str) -> Finding:
    return Finding(
        Slug.PROTOCOL_ELSEWHERE,
        Severity.NOTE,
        "",
        f"{path} calls protocol {number} {name}",
        "ip shows our rules and routes under that name; if a program of that name runs here, it "
        "may take them for its own",
        "if it does, give srcroutd another number (protocol in srcroutd.toml)",
    )
