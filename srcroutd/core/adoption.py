"""From what the kernel holds to what srcroutd can take over of it: rules and routes that people
made by a recipe, each with what replaces it, and the reason for everything that is left.

Promise: whatever there is, only rules ``from ADDRESS lookup TABLE`` for addresses that ours route
are taken, and only routes of such a table that no other rule looks up. What cannot be told for
certain is left: one wrong deletion locks somebody out.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from srcroutd.core.adoption_effect import heir, main_lures
from srcroutd.core.adoption_recipe import not_a_recipes_table, source_of_a_recipe
from srcroutd.core.adoption_sight import Sighting, named
from srcroutd.core.net import IP, MAIN_TABLE, Action, Family, Network, Route, RouteType, Rule
from srcroutd.core.numbering import KERNEL
from srcroutd.core.operation import Operation, Phase
from srcroutd.core.view import NicView, View

_MADE = frozenset((Phase.PUT_ROUTES, Phase.ADD_RULES))
"""What must stand before anything is taken over."""


@dataclass(frozen=True, slots=True)
class TakenRule:
    """A rule to delete: about the address ``ip``, and replaced by ``tiers`` on ``nic``."""

    body: bytes
    rule: Rule
    nic: NicView
    ip: IP
    tiers: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class TakenRoute:
    """A route to delete once no rule looks up its table; ``instead`` is ours, None if main has
    it.
    """

    body: bytes
    route: Route
    instead: Route | None


@dataclass(frozen=True, slots=True)
class Left:
    """Something of a stranger that has to do with our addresses and stays, and why."""

    thing: str
    why: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """What taking over comes to. ``first`` has to stand before; then ``rules``, then ``routes``,
    each in the order of deletion. ``others`` counts the strangers' rules that are none of our
    business.
    """

    first: tuple[Operation, ...] = ()
    rules: tuple[TakenRule, ...] = ()
    routes: tuple[TakenRoute, ...] = ()
    left: tuple[Left, ...] = ()
    others: int = 0

    def __bool__(self) -> bool:
        return bool(self.rules)


def adoption(view: View, sighting: Sighting, only: Collection[str] = ()) -> Adoption:
    """What can be taken over now; ``only`` are names of NICs, none for all."""
    judge = _Judge(view, sighting, only)
    taken: dict[int, TakenRule] = {}
    left: list[Left] = []
    others = 0
    # From the back: whether one can go depends on what would decide after it.
    for at, found in reversed([*enumerate(sighting.rules)]):
        rule = found.thing
        if rule is None or rule.protocol in {KERNEL, view.domain.protocol}:
            continue
        if not judge.concerns(rule):
            others += 1
            continue
        match judge.verdict(at, found.body, rule, taken):
            case TakenRule() as one:
                taken[at] = one
            case why:
                left.append(Left(f"{ip_words(rule)} rule {rule}", why))
    rules = tuple(taken.values())
    routes, kept = _routes(sighting, taken, judge.nics)
    seats = {one.nic.seat for one in rules}
    return Adoption(
        tuple(op for op in view.operations if op.seat in seats and op.phase in _MADE),
        rules,
        routes,
        (*reversed(left), *kept, *_second_defaults(sighting, judge.nics)),
        others,
    )


def tiers_of(nic: NicView) -> dict[Network, tuple[Rule, ...]]:
    """Our rules for each source of a NIC, in their order."""
    found: dict[Network, tuple[Rule, ...]] = {}
    for want in nic.desired.rules:
        rule = want.thing
        if isinstance(rule, Rule) and rule.src and not rule.invert:
            found[rule.src] = (*found.get(rule.src, ()), rule)
    return found


class _Judge:
    """Decides about one rule after another."""

    def __init__(self, view: View, sighting: Sighting, only: Collection[str]) -> None:
        self._view = view
        self._sighting = sighting
        self._only = only
        self.nics: dict[int, NicView] = {nic.link.index: nic for nic in view.nics}
        self._tiers = {
            src: (nic, tiers)
            for nic in view.nics
            if nic.kept
            for src, tiers in tiers_of(nic).items()
        }
        self._addresses = [address.ip for nic in view.nics for address in nic.addresses]
        self._standing = {found.thing for found in sighting.rules}
        self._ours = {want.thing for nic in view.nics for want in nic.desired.rules}

    def concerns(self, rule: Rule) -> bool:
        """Whether a stranger's rule has to do with addresses of our NICs."""
        if rule.src:
            return any(ip.version == rule.src.version and ip in rule.src for ip in self._addresses)
        if not rule.mark or rule.action is not Action.LOOKUP or rule.table == MAIN_TABLE:
            return False
        routes = self._sighting.routes(rule.family, rule.table)
        return any(found.thing and found.thing.oif in self.nics for found in routes)

    def verdict(
        self, at: int, body: bytes, rule: Rule, taken: Mapping[int, TakenRule]
    ) -> TakenRule | str:
        """The rule at this place with what replaces it, or why it is left."""
        src = source_of_a_recipe(rule, self._view.domain)
        if isinstance(src, str):
            return src
        if src not in self._tiers:
            return self._not_ours(src.network_address)
        nic, tiers = self._tiers[src]
        one = TakenRule(body, rule, nic, src.network_address, tiers)
        routes = self._sighting.routes(rule.family, rule.table)
        return (
            self._unready(one)
            or not_a_recipes_table(rule, routes, nic, self.nics)
            or self._ambiguous(at, rule)
            or self._next_in_line(at, one, taken)
            or one
        )

    def _not_ours(self, ip: IP) -> str:
        for nic in self._view.nics:
            if any(address.ip == ip for address in nic.addresses):
                if not nic.kept:
                    return f"{nic.link.name} is {nic.state}: {nic.why}; what it needs stays yours"
                return f"srcroutd keeps no rules for it on {nic.link.name}"
        return "it is no address of a NIC that srcroutd keeps"

    def _unready(self, one: TakenRule) -> str:
        """Why ours cannot replace it now."""
        view, nic, tiers, name = self._view, one.nic, one.tiers, one.nic.link.name
        if self._only and name not in self._only:
            return f"{name} was not asked for"
        if view.by_daemon and (view.standing_by or not view.in_sync or view.drift()[nic.seat]):
            return f"srcroutd is not in sync ({view.why or 'changes are held back'})"
        if len(tiers) < 3 or tiers[-1].table != nic.table or tiers[-1].suppress_prefixlength >= 0:
            return f"ours for this address on {name} are not complete"
        defaults = (want.thing for want in nic.desired.routes if isinstance(want.thing, Route))
        if not any(
            route.family is one.rule.family and not route.dst.prefixlen and route.gateway
            for route in defaults
        ):
            return f"{name} has no gateway of ours now (is it up?)"
        return ""

    def _ambiguous(self, at: int, rule: Rule) -> str:
        """Why deleting it could hit another: the kernel deletes the first rule that has all that
        is asked for, perhaps with more.
        """
        for place, found in enumerate(self._sighting.rules):
            other = found.thing
            if other is None or place == at:
                continue
            if other.action is Action.GOTO and other.goto == rule.priority:
                return f"another one jumps to it: {other}"
            if (
                other != rule
                and (other.family, other.priority) == (rule.family, rule.priority)
                and (other.protocol, other.table, other.src)
                == (rule.protocol, rule.table, rule.src)
            ):
                return f"the kernel could take another one for it: {other}"
        return ""

    def _next_in_line(self, at: int, one: TakenRule, taken: Mapping[int, TakenRule]) -> str:
        """What would lead the address's packets elsewhere once the rule is gone."""
        rule, tiers = one.rule, one.tiers
        if self._standing.issuperset(tiers) and rule.priority > tiers[-1].priority:
            return ""  # ours come first as it is: it has no effect
        between = (
            found.thing
            for place, found in enumerate(self._sighting.rules)
            if place > at
            and place not in taken
            and found.thing
            and found.thing.family is rule.family
            and found.thing.priority <= tiers[-1].priority
            and found.thing not in self._ours
        )
        if next_one := heir(one.ip, between, self._sighting.routes):
            return f"once it is gone, rule {next_one} would decide and not ours"
        main = self._sighting.routes(rule.family, MAIN_TABLE)
        if lure := main_lures(one.nic, rule.family, main, self.nics):
            route = named(lure, self.nics)
            return (
                f"main has {route}: with ours, packets of this address to {route.dst} go there; "
                "if you want that, delete it by hand"
            )
        return ""


def _routes(
    sighting: Sighting, taken: Mapping[int, TakenRule], nics: Mapping[int, NicView]
) -> tuple[tuple[TakenRoute, ...], list[Left]]:
    """The routes of tables that no rule looks up any more, and the tables that must stay."""
    routes: list[TakenRoute] = []
    left: list[Left] = []
    for family, table in sorted({(one.rule.family, one.rule.table) for one in taken.values()}):
        found = sighting.routes(family, table)
        if found and (why := _still_needed(sighting, taken, family, table)):
            six = " -6" if family is Family.V6 else ""
            left.append(Left(f"ip{six} route show table {table}", why))
            continue
        # What needs a gateway goes first, as in every plan.
        for one in sorted(found, key=lambda one: one.thing is None or not one.thing.gateway):
            if one.thing:
                route = named(one.thing, nics)
                routes.append(TakenRoute(one.body, route, _instead(route, nics)))
    return tuple(routes), left


def _still_needed(
    sighting: Sighting, taken: Mapping[int, TakenRule], family: Family, table: int
) -> str:
    for at, found in enumerate(sighting.rules):
        rule = found.thing
        if at not in taken and rule and (rule.family, rule.table) == (family, table):
            return f"rule {rule} still looks it up"
    return "this host has a VRF, whose table needs no rule" if sighting.vrf else ""


def _instead(route: Route, nics: Mapping[int, NicView]) -> Route | None:
    """Ours that leads to the same destination, if there is one."""
    nic = nics.get(route.oif)
    for want in nic.desired.routes if nic else ():
        ours = want.thing
        if (
            isinstance(ours, Route)
            and (ours.family, ours.dst) == (route.family, route.dst)
            and ours.type is RouteType.UNICAST
        ):
            return ours
    return None


def _second_defaults(sighting: Sighting, nics: Mapping[int, NicView]) -> Iterator[Left]:
    """Defaults in main by NICs that we keep: main is not ours, and they do no harm."""
    for family in Family:
        for found in sighting.routes(family, MAIN_TABLE):
            route = found.thing
            if route is None or route.dst.prefixlen or route.oif not in nics:
                continue
            nic = nics[route.oif]
            if nic.kept and not nic.primary:
                yield Left(
                    f"{ip_words(route)} route {replace(route, dev=nic.link.name)}",
                    "main is not ours; it serves sockets without an address of their own when no "
                    "better default is there, and needs nothing done",
                )


def ip_words(thing: Rule | Route) -> str:
    """``ip``, with -6 where it is about IPv6."""
    return "ip -6" if thing.family is Family.V6 else "ip"
