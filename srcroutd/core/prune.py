"""Why an object of ours may go: the reasons for which something undesired is deleted, and when it
stays.

Promise 2: not knowing never deletes. A seat whose NIC is in the kernel but whose facts are unknown
keeps all it has; a seat that nobody is known to hold is cleared only after the provider has told
the whole list.
"""

from collections.abc import Callable
from dataclasses import dataclass

from srcroutd.core.join import Joined, State
from srcroutd.core.main_default import main_metric
from srcroutd.core.net import MAIN_TABLE, Action, Route, Rule
from srcroutd.core.numbering import Domain, Seating

MOVED = "the configuration moved ours to other numbers"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the decision needs: the join, the seating, the MACs in the kernel, and how sure we are.

    ``confirmed`` is set once the provider has given its whole list in this run of the daemon.
    ``policies_wait``: a policy cannot be followed because a NIC or an address is not there.
    """

    domain: Domain
    joined: Joined
    seating: Seating
    present: frozenset[str]
    confirmed: bool
    policies_wait: bool = False


def reasons(now: Situation) -> Callable[[Domain, Rule | Route], str | None]:
    """From an undesired object of ours to the reason why it may go, or None: it stays."""
    derived = {nic.seat: nic for nic in now.joined.nics}
    states = {state.link.mac: state for state in now.joined.states}
    unsure = any(state.state is State.WAITING for state in now.joined.states)

    def why(domain: Domain, thing: Rule | Route) -> str | None:
        if isinstance(thing, Route) and thing.table == MAIN_TABLE:
            return _default_in_main(now, domain, thing)
        number = domain.seat_of(thing)
        if _of_a_policy(domain, thing):
            # What access control refuses is known without any facts.
            waits = unsure and now.policies_wait and not _controls_access(domain, thing)
            return None if waits else "no policy of the configuration needs it"
        if unsure and _leads_elsewhere(thing):
            return None
        if nic := derived.get(number):
            moved = domain != now.domain
            return MOVED if moved else _outdated(thing, nic.link.name, nic.eni.id)
        holder = now.seating.holder(number)
        if holder is None:
            known = now.confirmed and not unsure
            return f"left by an earlier run, no ENI has number {number}" if known else None
        if holder.mac not in now.present:
            return f"{holder.eni} is detached"
        state = states.get(holder.mac)
        if state and state.state is State.LEFT_ALONE:
            return f"{state.link.name} is left alone: {state.why}"
        if state and state.eni and state.eni != holder.eni and now.confirmed:
            return f"{state.link.name} is now {state.eni}"
        return None

    return why


def _of_a_policy(domain: Domain, thing: Rule | Route) -> bool:
    if isinstance(thing, Rule):
        return thing.priority in domain.policies or thing.priority in domain.rewritten
    return thing.table in domain.policy_tables


def _controls_access(domain: Domain, thing: Rule | Route) -> bool:
    """Whether it is a rule of access control that needs no facts: by a NIC's table it does."""
    if not isinstance(thing, Rule) or thing.priority not in domain.access:
        return False
    return thing.action is not Action.LOOKUP or thing.table == MAIN_TABLE


def _default_in_main(now: Situation, domain: Domain, route: Route) -> str | None:
    """Why a default of ours in main may go; it stays where its NIC never had a number of ours, for
    then it is a stranger's, whatever it bears.
    """
    macs = {seat.mac for seat in now.seating.seats}
    if not any(
        state.link.index == route.oif and state.link.mac in macs for state in now.joined.states
    ):
        return None
    for nic in now.joined.nics:
        if nic.link.index == route.oif and not nic.main.unsure:
            if domain != now.domain and now.domain.owns_route(route):
                return None  # said already, under the present numbers
            metric = main_metric(nic, route.family)
            return (
                metric if isinstance(metric, str) else _outdated(route, nic.link.name, nic.eni.id)
            )
    for state in now.joined.states:
        if state.link.index == route.oif and state.state is State.LEFT_ALONE:
            return f"{state.link.name} is left alone: {state.why}"
    return None


def _leads_elsewhere(thing: Rule | Route) -> bool:
    """Whether it is a route to another ENI's subnet, perhaps of one whose facts are not here."""
    return isinstance(thing, Route) and thing.gateway is not None and thing.dst.prefixlen > 0


def _outdated(thing: Rule | Route, nic: str, eni: str) -> str:
    if isinstance(thing, Rule) and thing.src and not thing.invert:
        return f"{_bare(thing.src)} is no longer on {nic}"
    if isinstance(thing, Rule) and thing.oif:
        renamed = f"the device of {eni} is called {nic} now"
        return renamed if thing.oif != nic else f"{nic} has no address of this family any more"
    return f"no longer what {eni} needs"


def _bare(prefix: object) -> str:
    return str(prefix).removesuffix("/32").removesuffix("/128")
