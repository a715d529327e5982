"""Routing by packet mark, as people set it up by hand: whole marks, labels, src_valid_mark."""

import re
from collections.abc import Iterator

from srcroutd.core.adoption_hints import table_names
from srcroutd.core.net import Action, RouteType, Rule
from srcroutd.core.view import NicView
from srcroutd.doctor.checks.leftovers import LABELS, plain
from srcroutd.doctor.checks.neighbours import mark_users
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene

_WHOLE = 0xFFFFFFFF
_SETTING = re.compile(
    r"^\s*-?\s*net[./]ipv4[./]conf[./](?P<nic>[^\s=]+)[./]src_valid_mark\s*=\s*1\s*$", re.MULTILINE
)


def whole_marks(scene: Scene) -> Iterator[Finding]:
    """Rules that compare all 32 bits of the mark and lead out of a NIC that we keep."""
    users = mark_users(scene)
    for rule in scene.foreign():
        nic = _leads_to(scene, rule)
        if nic is None or rule.mask != _WHOLE or rule.invert:
            continue
        also = f" ({' and '.join(users)} here)" if users else ""
        yield Finding(
            Slug.MARK_WITHOUT_MASK,
            Severity.RISK if users else Severity.NOTE,
            nic.link.name,
            f"a rule compares the whole packet mark: {rule}",
            f"the mark is shared by everybody on the host{also}: as soon as somebody sets one more "
            "bit the rule does not match, and whoever sets the whole mark wipes the others' bits",
            "use some bits only: ip rule add fwmark VALUE/MASK, MARK --set-xmark VALUE/MASK; or "
            "drop it where no port is published to containers, for srcroutd routes "
            f"{nic.link.name} by its addresses",
        )


def labels(scene: Scene) -> Iterator[Finding]:
    """Labels of tables that were made for a NIC which srcroutd keeps now."""
    files = ((path, text) for path, text in sorted(scene.files.items()) if path.startswith(LABELS))
    asked = {rule.table for rule in scene.rules()}
    for path, text in files:
        for name, table in sorted(table_names((plain(text),)).items()):
            nic = next((one for one in scene.kept if _names(name, one.link.name)), None)
            if nic and table not in asked and table not in scene.domain.tables:
                yield Finding(
                    Slug.TABLE_LABEL,
                    Severity.NOTE,
                    nic.link.name,
                    f"{path} calls table {table} {name}, and no rule asks that table",
                    "it looks like left from routing that was set up by hand; it does no harm",
                    "remove the line if nothing else uses the table\n"
                    f"$ ip route show table {table}",
                )


def valid_marks(scene: Scene) -> Iterator[Finding]:
    """src_valid_mark=1 in a file, with no rule by mark that would need it."""
    if not scene.rpdbs or any(rule.mark for rule in scene.rules()):
        return
    for path, text in sorted(scene.files.items()):
        if "sysctl" not in path:
            continue
        for found in _SETTING.finditer(text):
            line = text.count("\n", 0, found.start("nic")) + 1
            nic = found["nic"]
            yield Finding(
                Slug.SRC_VALID_MARK,
                Severity.NOTE,
                "" if nic in {"all", "default"} else nic,
                f"{path}:{line}: {found[0].strip()}",
                "only rules by packet mark need it, and there are none now; with it, strict "
                "rp_filter looks at marks",
                "remove the line if no VPN needs it, then\n$ sysctl -w "
                f"net.ipv4.conf.{nic}.src_valid_mark=0",
            )


def _leads_to(scene: Scene, rule: Rule) -> NicView | None:
    """The kept NIC by which the default route of a mark rule's table leaves."""
    rpdb = scene.rpdbs.get(rule.family)
    if rpdb is None or rule.action is not Action.LOOKUP or not rule.mark:
        return None
    for route in rpdb.tables.get(rule.table, ()):
        if not route.dst.prefixlen and route.type is RouteType.UNICAST:
            return next((nic for nic in scene.kept if nic.link.index == route.oif), None)
    return None


def _names(label: str, nic: str) -> bool:
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(nic)}(?![0-9])", label))
