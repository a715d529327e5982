"""What people's recipes leave in the kernel, and what only resembles it: why a rule or a table of
a stranger is none of them.

A recipe leaves ``from ADDRESS lookup TABLE``, typed or made by NetworkManager, and in the table
default routes through an ENI's own gateway and routes to the ENI's own subnet. Every function gives
the reason why something is not of that kind. Promise: what is not known is not of that kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from srcroutd.core.adoption_sight import DEFAULT_TABLE, LOCAL_TABLE, Found, named
from srcroutd.core.inventory import Addressing
from srcroutd.core.net import (
    MAIN_TABLE,
    Action,
    Family,
    Network,
    Route,
    RouteType,
    Rule,
    network_of,
    table_name,
)
from srcroutd.core.numbering import Domain
from srcroutd.core.view import NicView

NEVER = frozenset({0, DEFAULT_TABLE, MAIN_TABLE, LOCAL_TABLE})
"""Tables that everybody uses."""
BY_HAND = frozenset({0, 3, 4, 16})
"""Protocols (RTPROT_*, rtnetlink.h) of what people, boot scripts, NetworkManager and DHCP clients
make: unspec, boot, static, dhcp.
"""
TERWAY_TABLES = 1000
"""terway's table of an ENI is this plus the ifindex of its NIC."""
_PROTOCOLS = {2: "kernel", 9: "ra", 11: "zebra", 12: "bird", 18: "keepalived", 42: "babel"}
_PROTOCOLS |= {66: "gated or Google's agent", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip"}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A program that makes source rules of its own, by its priorities and its tables."""

    name: str
    priorities: range
    tables: range = range(0)
    first: str = ""
    """What to do before anything of it is taken over."""


_CNI = "it belongs to the pods of this node; leave it"
NEIGHBOURS = (
    Neighbour("terway", range(512, 513), first=_CNI),
    Neighbour("terway", range(2048, 2049), first=_CNI),
    # At 100, where cilium has ``from all lookup local`` only, a recipe has its rules; those that
    # are added without a priority come just before.
    Neighbour("cilium", range(9, 51), range(2004, 2006), first=_CNI),
    Neighbour("cilium", range(101, 113), range(2004, 2006), first=_CNI),
    Neighbour("VPC-CNI", range(512, 1537), first=_CNI),
    Neighbour("mwan3", range(1537, 3061), first="disable mwan3 first"),
    Neighbour(
        "tailscale",
        range(5210, 5271),
        range(52, 53),
        first="leave it to tailscaled",
    ),
    Neighbour(
        "ec2-net-utils",
        range(10000, 18000),
        range(10000, 18000),
        first="remove the package amazon-ec2-net-utils first",
    ),
    Neighbour(
        "nm-cloud-setup",
        range(30200, 30500),
        range(30200, 30500),
        first="systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service first",
    ),
    Neighbour(
        "cloud-netconfig",
        range(30000, 31000),
        range(30000, 31000),
        first="systemctl disable --now cloud-netconfig.timer cloud-netconfig.service first",
    ),
)
"""Sources: the programs themselves. The first that fits is named."""


def source_of_a_recipe(rule: Rule, domain: Domain) -> Network | str:
    """The address, as a host prefix, that a recipe made this rule for; a sentence if none did."""
    if rule.mark or rule.mask:
        return (
            "it goes by a mark that iptables or nft sets: that also finds the way back for "
            "containers behind DNAT, which rules by source address do not replace"
        )
    if neighbour := next(filter(lambda one: _belongs(rule, one), NEIGHBOURS), None):
        return f"{neighbour.name} uses these numbers: {neighbour.first}"
    if rule.protocol not in BY_HAND:
        return f"a program made it (protocol {protocol_name(rule.protocol)})"
    if rule.action is not Action.LOOKUP or rule.goto or rule.suppress_prefixlength >= 0:
        return "it does more than look up a table"
    if rule.invert or rule.dst or rule.iif or rule.oif or rule.asks_more or rule.beyond:
        return "it asks for more than a source address"
    if rule.table in NEVER:
        return f"it looks up {table_name(rule.table)}, which everybody uses"
    if rule.table in domain.tables:
        return "it looks up a table of ours"
    if not rule.priority:
        return "no rule can be deleted by priority 0 without the risk to hit another one"
    if rule.src is None or rule.src.prefixlen != rule.src.max_prefixlen:
        return "it covers a whole prefix; srcroutd keeps rules for single addresses"
    return rule.src


def _belongs(rule: Rule, neighbour: Neighbour) -> bool:
    return rule.priority in neighbour.priorities or rule.table in neighbour.tables


def not_a_recipes_table(
    rule: Rule, routes: Iterable[Found[Route]], nic: NicView, nics: Mapping[int, NicView]
) -> str:
    """Why the table that a rule looks up for an address of ``nic`` holds more than a recipe puts
    in; empty if it does not. ``nics`` go by ifindex.
    """
    for found in routes:
        if why := not_a_recipes_route(rule.family, found.thing, nics):
            route = found.thing and named(found.thing, nics)
            return f"{route or 'a route of unknown kind'}: {why}"
    return _terways(rule.table, nic)


def _terways(table: int, nic: NicView) -> str:
    if table != TERWAY_TABLES + nic.link.index:
        return ""
    return f"terway gives {nic.link.name} this table, {TERWAY_TABLES} plus its ifindex"


def not_a_recipes_route(family: Family, route: Route | None, nics: Mapping[int, NicView]) -> str:
    """Why a route is not what a recipe leaves: a default by an ENI's gateway, or an ENI's
    subnet.
    """
    if route is None or route.beyond or route.paths:
        return "it has more than a recipe gives it"
    if route.protocol not in BY_HAND:
        return f"a program made it (protocol {protocol_name(route.protocol)})"
    if route.type is not RouteType.UNICAST:
        return "a recipe has no such route"
    nic = nics.get(route.oif)
    known = nic.eni.addressing(family) if nic and nic.eni else None
    if nic is None or known is None:
        return "it does not lead out of an ENI of this host"
    if why := _terways(route.table, nic):
        return why
    if route.dst.prefixlen == 0:
        right = known.gateway is not None and route.gateway == known.gateway
        return "" if right else f"the gateway of {nic.link.name} is {known.gateway or 'unknown'}"
    if route.gateway is None and route.dst in _connected(nic, known):
        return ""
    return "srcroutd would not lead it the same way"


def _connected(nic: NicView, known: Addressing) -> set[Network]:
    """What may stand as directly reachable: the subnet as the cloud or the NIC knows it, the
    gateway.
    """
    found: set[Network] = {address.interface.network for address in nic.addresses}
    if known.subnet:
        found.add(known.subnet)
    if known.gateway:
        found.add(network_of(known.gateway))
    return found


def protocol_name(protocol: int) -> str:
    """The word for a protocol, or its number."""
    return _PROTOCOLS.get(protocol, str(protocol))
