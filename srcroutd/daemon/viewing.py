"""The reconciler's state as one ``View``: what readers, the socket and the metrics see.

A view is made when somebody asks; its parts are values that the rounds made anyway, so asking costs
little and never reaches into a round under way.
"""

import time
from collections import defaultdict

from srcroutd.core.join import Joined, NicState
from srcroutd.core.net import Address
from srcroutd.core.numbering import is_foreign
from srcroutd.core.view import Facts, NicView, View
from srcroutd.daemon.eyes import Picture
from srcroutd.daemon.knowledge import Knowledge
from srcroutd.daemon.outcome import Outcome
from srcroutd.daemon.outlook import Outlook


class Viewer:
    """Makes views, and remembers since when each NIC is in its state."""

    def __init__(self, knowledge: Knowledge, outlook: Outlook) -> None:
        self._knowledge = knowledge
        self._outlook = outlook
        self._since: dict[str, tuple[object, float]] = {}

    def note(self, joined: Joined) -> None:
        """Take in how the NICs stand after a round."""
        now = time.time()
        before = self._since
        self._since = {
            nic.link.mac: before[nic.link.mac]
            if nic.link.mac in before and before[nic.link.mac][0] == nic.state
            else (nic.state, now)
            for nic in joined.states
        }

    def view(self, outcome: Outcome, picture: Picture, provider: str, *, by_daemon: bool) -> View:
        """The view of now; ``picture`` is the kernel as last seen."""
        knowledge = self._knowledge
        unknown = knowledge.last_unknown
        return View(
            taken_at_s=time.time(),
            by_daemon=by_daemon,
            domain=knowledge.domain,
            facts=Facts(provider, knowledge.read_at_s, unknown.reason if unknown else ""),
            generation=outcome.generation,
            changed_at_s=outcome.changed_at_s,
            in_sync=outcome.in_sync,
            why=outcome.why,
            standing_by=outcome.standing_by,
            nics=self._nics(outcome.joined, picture),
            policies=self._outlook.policies,
            operations=outcome.pending,
            foreign_rules=self._foreign_rules(picture),
            conflicts=outcome.conflicts,
        )

    def _nics(self, joined: Joined, picture: Picture) -> tuple[NicView, ...]:
        addresses: dict[int, list[Address]] = defaultdict(list)
        for address in picture.addresses:
            addresses[address.index].append(address)
        return tuple(self._nic(nic, tuple(addresses[nic.link.index])) for nic in joined.states)

    def _nic(self, nic: NicState, addresses: tuple[Address, ...]) -> NicView:
        knowledge = self._knowledge
        since = self._since.get(nic.link.mac)
        return NicView(
            link=nic.link,
            state=nic.state,
            why=nic.why,
            primary=nic.primary,
            eni=knowledge.inventory.enis.get(nic.link.mac),
            addresses=addresses,
            seat=nic.seat,
            table=knowledge.domain.table(nic.seat) if nic.seat else 0,
            priority=knowledge.domain.priority(nic.seat) if nic.seat else 0,
            desired=self._outlook.of_seat(nic.seat),
            mode=self._outlook.mode_of_seat(nic.seat),
            since_s=since[1] if since else None,
        )

    def _foreign_rules(self, picture: Picture) -> int:
        """How many rules are strangers'; what we want ourselves need not be decoded to know."""
        ours, domains = self._outlook.desired.rules, self._knowledge.domains
        unsure = (picture.rules[key] for key in picture.rules if key not in ours)
        return sum(is_foreign(rule, domains) for rule in unsure)
