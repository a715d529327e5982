"""The default route of a secondary NIC in main: the one of its own table again, behind everybody
else's.

Promises: only where nobody else has a default by that NIC; never before or beside another default
of main, so that it cannot take the host's traffic over; with ``auto``, each NIC has the number of
its table for a metric, which is its own and stays. Other defaults may go: then ours is the one that
is left, which is what it was asked for.
"""

from collections.abc import Iterator
from dataclasses import replace

from srcroutd.core.desired import Nic, NicDesired, Want
from srcroutd.core.main_table import MainDefault
from srcroutd.core.net import MAIN_TABLE, Family, Route, RouteType
from srcroutd.core.numbering import LAST_METRIC

DEFAULT_METRIC_V6 = 1024
"""What metric 0 means in IPv6; a ``Route`` says 0 for it."""


def with_main_default(nic: Nic, wanted: NicDesired) -> NicDesired:
    """What the NIC should have, with its default in main where it may have one."""
    if not nic.settings.main_default_metric:
        return wanted
    routes: list[Want] = []
    notes: list[str] = []
    for own in _defaults(nic, wanted):
        metric = main_metric(nic, own.family)
        if isinstance(metric, str):
            notes.append(
                f"no IP{own.family.name.lower()} default of {nic.link.name} in main: {metric}"
            )
            continue
        kept = 0 if own.family is Family.V6 and metric == DEFAULT_METRIC_V6 else metric
        because = f"default of {nic.eni.id} in main, behind all others (main_default_metric)"
        routes.append(Want(replace(own, table=MAIN_TABLE, metric=kept), because))
    return replace(
        wanted, routes=(*wanted.routes, *routes), notes=(*wanted.notes, *dict.fromkeys(notes))
    )


def main_metric(nic: Nic, family: Family) -> int | str:
    """The metric of the NIC's default in main, or why there is none."""
    asked, main = nic.settings.main_default_metric, nic.main
    if not asked:
        return "it is no longer asked for"
    if main.no_default:
        return main.no_default
    others = [one for one in main.defaults if one.route.family is family]
    if there := next((one for one in others if nic.link.index in one.oifs), None):
        return f"it has one already, {there}"
    if asked == "auto":
        return _behind(nic, others)
    best = min(others, key=lambda one: one.metric, default=None)
    if best and asked <= best.metric:
        return (
            f"metric {asked} would win over {best}, or stand beside it; choose main_default_metric "
            f"above {best.metric}"
        )
    if same := next((one for one in others if one.metric == asked), None):
        return f"metric {asked} belongs to {same}; choose another main_default_metric"
    return asked


def _behind(nic: Nic, others: list[MainDefault]) -> int | str:
    """The first of the NIC's own metrics that is behind all others."""
    last = max((one.metric for one in others), default=0)
    own = (nic.table, LAST_METRIC + nic.seat)
    words = next((str(one) for one in others if one.metric == last), "")
    return next((metric for metric in own if metric > last), f"there is no room behind {words}")


def _defaults(nic: Nic, wanted: NicDesired) -> Iterator[Route]:
    """The best default by the NIC's gateway in its own table, in each family that has one."""
    for family in Family:
        found = [
            want.thing
            for want in wanted.routes
            if isinstance(want.thing, Route)
            and want.thing.family is family
            and want.thing.table == nic.table
            and want.thing.type is RouteType.UNICAST
            and want.thing.dst.prefixlen == 0
            and want.thing.gateway
            and want.thing.oif == nic.link.index
        ]
        if found:
            yield min(found, key=lambda route: route.identity[3])
