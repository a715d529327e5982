"""IPv4: whether a packet that comes in is believed, by rp_filter and by what is our own.

Written after fib_validate_source in net/ipv4/fib_frontend.c: the way back is looked up with source
and destination exchanged, and the ports, so rules that select by our own address take part; the
mark does only where src_valid_mark says so.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from srcroutd.core.lookup_fib4 import is_stock, look_up
from srcroutd.core.lookup_rules import LOOPBACK_INDEX, Flow, Verdict, asks_transport, flow_of
from srcroutd.core.lookup_source4 import bearers
from srcroutd.core.lookup_values import Packet, Rpdb, Step
from srcroutd.core.net import IP, Route, RouteType


class Mode(IntEnum):
    """rp_filter in force."""

    OFF = 0
    STRICT = 1
    LOOSE = 2


@dataclass(frozen=True, slots=True)
class Check:
    """``passes`` is None where it cannot be known; ``why`` is a clause; ``steps`` the way back."""

    passes: bool | None
    why: str
    mode: Mode
    steps: tuple[Step, ...] = ()


def check_source(rpdb: Rpdb, packet: Packet, oif: int) -> Check:
    """Check the source of a packet that came in by ``packet.iif`` and goes on by ``oif`` (0: it is
    for this host).
    """
    link, src = rpdb.link_named(packet.iif), packet.src
    conf = rpdb.sysctls.in_force(packet.iif)
    mode = Mode(min(conf.rp_filter, Mode.LOOSE))
    if link is None or src is None:
        return Check(None, "neither a NIC nor a source", mode)
    if packet.iif not in rpdb.sysctls.nics:
        return Check(None, f"the sysctls of {packet.iif} were not read", mode)
    if rpdb.covering is not None and not {src, packet.dst} <= rpdb.covering:
        return Check(None, f"the routes to {src} were not read", mode)
    quick = mode is Mode.OFF and not (link.index == oif and conf.send_redirects)
    if quick and conf.accept_local:
        return Check(passes=True, why="rp_filter is off", mode=mode)
    verdict = look_up(rpdb, _way_back(rpdb, packet, src, oif or LOOPBACK_INDEX))
    full = _full_check(rpdb, packet, verdict, mode)
    if quick and is_stock(rpdb) and full.passes is bool(bearers(rpdb, src)):
        why = f"whether the kernel looks more closely at {src}"
        return Check(None, why, mode, verdict.steps)
    return full


def _way_back(rpdb: Rpdb, packet: Packet, src: IP, iif: int) -> Flow:
    """What is looked up. The kernel looks into a packet for protocol and ports only if some rule
    that can be about a packet from elsewhere asks for them.
    """
    there = flow_of(packet)
    mark = packet.mark if rpdb.sysctls.in_force(packet.iif).src_valid_mark else 0
    back = replace(there, dst=src, src=packet.dst, iif=iif, mark=mark)
    if any(rule.iif != "lo" and asks_transport(rule) for rule in rpdb.rules):
        return replace(back, sport=there.dport, dport=there.sport)
    return replace(back, proto=0, sport=0, dport=0)


def _full_check(rpdb: Rpdb, packet: Packet, verdict: Verdict, mode: Mode) -> Check:
    """What the way back says of the source."""
    steps, src, nic = verdict.steps, packet.src, packet.iif
    link, conf = rpdb.link_named(nic), rpdb.sysctls.in_force(nic)
    index = link.index if link else 0

    def answer(*, passes: bool | None, why: str) -> Check:
        return Check(passes, why, mode, steps)

    route = verdict.route
    if verdict.doubt:
        return answer(passes=None, why=verdict.doubt)
    if verdict.refusal or route is None:
        if mode is Mode.OFF:
            return answer(passes=True, why="rp_filter is off")
        return answer(passes=False, why=f"rp_filter: there is no way back to {src}")
    if route.type is not RouteType.UNICAST and not (
        route.type is RouteType.LOCAL and conf.accept_local
    ):
        return answer(passes=False, why=f"{src} is no other host's address")
    if any(way.oif == index for way in route.ways):
        return answer(passes=True, why=f"the way back to {src} leaves by {nic}")
    elsewhere = f"the way back to {src} leaves by {_names(rpdb, route)}, not {nic}"
    if mode is Mode.OFF:
        return answer(passes=True, why=f"rp_filter is off ({elsewhere})")
    if not any(own.address.index == index for own in rpdb.owns):
        return answer(passes=False, why=f"rp_filter: {nic} has no address, and {elsewhere}")
    if mode is Mode.STRICT:
        return answer(passes=False, why=f"rp_filter is strict: {elsewhere}")
    return answer(passes=True, why=f"rp_filter is loose: {elsewhere}")


def _names(rpdb: Rpdb, route: Route) -> str:
    """The NICs of its ways."""
    return " or ".join(sorted({rpdb.name(way.oif) for way in route.ways})) or rpdb.name(route.oif)
