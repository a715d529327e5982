"""NICs that are down, and which of them the default route of ``main`` leads out of."""

from collections.abc import Iterator

from srcroutd.core.join import State
from srcroutd.core.net import MAIN_TABLE, Family, Route, RouteType
from srcroutd.core.view import NicView
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, global_addresses

LONG_S = 120.0
"""Metadata is late by up to half a minute after an attach."""


def down(scene: Scene) -> Iterator[Finding]:
    """A kept NIC that is down or has no carrier."""
    for nic in scene.kept:
        name = nic.link.name
        if not nic.link.up:
            yield Finding(
                Slug.NIC_DOWN,
                Severity.PROBLEM,
                name,
                f"{name} is down",
                "nothing comes in or goes out by it; its IPv4 routes went with the link",
                f"bring it up, also at boot\n$ ip link set {name} up",
            )
        elif not nic.link.carrier:
            yield Finding(
                Slug.NIC_DOWN,
                Severity.PROBLEM,
                name,
                f"{name} is up and has no carrier",
                "nothing comes in or goes out by it",
                "look at the ENI in the cloud's console: is it attached? detach and attach it",
            )


def not_routed(scene: Scene) -> Iterator[Finding]:
    """A NIC that is refused numbers, or has waited longer than an attach takes."""
    for nic in scene.nics:
        if nic.state is State.REFUSED:
            severity, following = Severity.PROBLEM, "widen priorities and tables in srcroutd.toml"
        elif nic.state is State.WAITING and _waited_s(scene, nic) > LONG_S:
            told = nic.eni is not None or not nic.why.startswith("not in metadata")
            severity = Severity.RISK if told else Severity.NOTE
            following = (
                f"compare the ENI in the cloud's console; if {nic.link.name} is no ENI, nothing"
            )
        else:
            continue
        yield Finding(
            Slug.NIC_NOT_ROUTED,
            severity,
            nic.link.name,
            f"{nic.link.name} gets no rules: {nic.why}",
            "what comes in by it is answered by the primary NIC",
            following,
        )


def _waited_s(scene: Scene, nic: NicView) -> float:
    """How long it has been in its state, 0 where nobody watched."""
    if scene.view is None or nic.since_s is None:
        return 0
    return scene.view.taken_at_s - nic.since_s


def defaults(scene: Scene) -> Iterator[Finding]:
    """Whether the host's own connections leave by the primary NIC."""
    primary = next((nic for nic in scene.nics if nic.primary), None)
    if primary is None:
        return
    for family, rpdb in sorted(scene.rpdbs.items()):
        found = [
            route
            for route in rpdb.tables.get(MAIN_TABLE, ())
            if not route.dst.prefixlen and route.type is RouteType.UNICAST
        ]
        first = min(found, key=lambda route: route.metric, default=None)
        if first is None and family is Family.V4:
            yield from _none(primary)
        elif first and not first.beyond and not first.paths and first.oif != primary.link.index:
            yield from _secondary(scene, primary, first, found)


def _none(primary: NicView) -> Iterator[Finding]:
    half = primary.eni.v4 if primary.eni else None
    if half is None or half.gateway is None or not global_addresses(primary, Family.V4):
        return
    name = primary.link.name
    yield Finding(
        Slug.NO_DEFAULT_ROUTE,
        Severity.PROBLEM,
        name,
        "main has no IPv4 default route",
        "connections that this host opens itself reach only its own subnets; source routing "
        "answers what comes in, and no more",
        f"have {name} configured by DHCP again; until then\n"
        f"$ ip route add default via {half.gateway} dev {name}",
    )


def _secondary(
    scene: Scene, primary: NicView, first: Route, found: list[Route]
) -> Iterator[Finding]:
    """Nothing where the NIC is none of the cloud's: a VPN may well hold the default route."""
    nic = next((one for one in scene.kept if one.link.index == first.oif), None)
    if nic is None:
        return
    family = f"IPv{4 if first.family is Family.V4 else 6}"
    rival = next((route for route in found if route.oif == primary.link.index), None)
    if rival and first.family is Family.V6 and rival.metric == first.metric:
        return  # Routers of equal metric share the traffic: neither is the first.
    than = f", before {rival.metric} of {primary.link.name}" if rival else ""
    yield Finding(
        Slug.SECONDARY_DEFAULT,
        Severity.RISK,
        nic.link.name,
        f"the first {family} default route of main leaves by {nic.link.name} "
        f"(metric {first.metric}{than})",
        "connections that this host opens itself leave by a secondary NIC, and so do the primary "
        "NIC's answers unless srcroutd keeps that NIC, too; the cloud drops those",
        f"give the default route of {nic.link.name} a larger metric where it is configured (or "
        "none: kept by srcroutd it needs none)",
    )
