"""rp_filter on the NICs that srcroutd keeps: where it drops what comes in.

Our rules by source are part of the check, so strict mode alone does no harm; it does once they are
missing, or where the destination is rewritten before the check.
"""

from collections.abc import Iterator

from srcroutd.core.lookup_check import Mode, check_source
from srcroutd.core.lookup_values import Packet, Rpdb
from srcroutd.core.net import IP, Family, Route, Rule
from srcroutd.core.view import NicView
from srcroutd.doctor.checks.dnat import bites
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import FAR, Scene, sources


def reverse_path(scene: Scene) -> Iterator[Finding]:
    """One finding a NIC at most."""
    rpdb = scene.rpdbs.get(Family.V4)
    if rpdb is None:
        return
    rewritten = bites(scene)
    for nic in scene.kept:
        ips = [ip for ip in sources(nic) if Family.of(ip) is Family.V4]
        if not ips or not nic.link.up:
            continue
        name = nic.link.name
        dropped = [(ip, why) for ip in ips if (why := _dropped(rpdb, nic, ip))]
        conf = rpdb.sysctls.in_force(name)
        marks = nic.mode == "connmark" or nic.link.index in _rewriting(scene)
        if dropped:
            yield _drops(name, dropped)
        elif conf.rp_filter == Mode.STRICT and marks and not conf.src_valid_mark:
            yield _disbelieved(name, nic.mode)
        elif conf.rp_filter == Mode.STRICT and nic.mode == "source" and rewritten:
            yield _strict(name, rewritten)


def _dropped(rpdb: Rpdb, nic: NicView, ip: IP) -> str:
    """Why a packet from far away to this address is dropped; empty if it is not."""
    check = check_source(rpdb, Packet(ip, FAR[Family.V4], iif=nic.link.name), 0)
    return check.why if check.passes is False and check.mode is not Mode.OFF else ""


def _drops(name: str, dropped: list[tuple[IP, str]]) -> Finding:
    (ip, why), more = dropped[0], len(dropped) - 1
    also = f" and {more} more" if more else ""
    return Finding(
        Slug.RP_FILTER_DROPS,
        Severity.PROBLEM,
        name,
        f"the kernel drops what comes in by {name} for {ip}{also}: {why}",
        "rp_filter believes a packet only if its answer would leave by the NIC it came in by; "
        "whoever connects gets no answer, and nothing is logged",
        "put our rules in place, then the answer leaves there; or loosen the filter\n"
        "$ srcroutctl plan\n$ sysctl -w "
        f"net.ipv4.conf.{name}.rp_filter=2",
    )


def _rewriting(scene: Scene) -> set[int]:
    """The NICs by which connections leave whose source nftables rewrites, as ifindexes."""
    if scene.view is None:
        return set()
    view, rewritten = scene.view, scene.view.domain.rewritten
    rules = [want.thing for want in view.policies.rules]
    tables = {one.table for one in rules if isinstance(one, Rule) and one.priority in rewritten}
    routes = [want.thing for want in view.policies.routes]
    return {one.oif for one in routes if isinstance(one, Route) and one.table in tables and one.oif}


def _disbelieved(name: str, mode: str) -> Finding:
    dropped = f"in mode connmark, what comes in by {name} for a container"
    if mode != "connmark":
        dropped = f"what comes back by {name} for an [[egress]] entry with snat"
    return Finding(
        Slug.RP_FILTER_STRICT,
        Severity.RISK,
        name,
        f"rp_filter is strict (1) on {name}, and src_valid_mark is off",
        f"{dropped} is dropped: only its mark says that the answer leaves there, and the filter "
        "does not look at marks",
        f'say sysctls = "auto" in the [[nic]] entry of {name}, or set it and write the same to '
        f"/etc/sysctl.d\n$ sysctl -w net.ipv4.conf.{name}.src_valid_mark=1",
    )


def _strict(name: str, rewritten: list[str]) -> Finding:
    return Finding(
        Slug.RP_FILTER_STRICT,
        Severity.RISK,
        name,
        f"rp_filter is strict (1) on {name}, and the firewall rewrites destinations "
        f"({rewritten[0]})",
        "rp_filter looks at the rewritten packet: one that came in for an address of "
        f"{name} and goes to a container is dropped, for its answer would leave by another NIC",
        "loosen the filter, and write the same to /etc/sysctl.d\n"
        f"$ sysctl -w net.ipv4.conf.{name}.rp_filter=2",
    )
