"""Rules that ask for more than addresses, for each tool that can say them."""

from dataclasses import replace
from ipaddress import ip_network

from srcroutd.core.desired import NicDesired, Want
from srcroutd.core.net import Action, Family, Rule
from srcroutd.core.operation import Operation, Phase
from srcroutd.core.view import View
from tests.export.scene import FAR, nics, scene
from tests.pure.views import view

_ONE = Rule(Family.V4, 18018, src=ip_network("203.0.113.0/24"), table=18001, protocol=83)
ASKING = (
    replace(_ONE, ip_proto=6, dport=(443, 443)),
    replace(_ONE, ip_proto=17, sport=(1024, 2048), dport=(53, 54), mark=0x10, mask=0xFF),
    replace(_ONE, uids=(0, 99), tos=0x1C, dst=ip_network(FAR), iif="eth1"),
    replace(_ONE, ip_proto=132, invert=True, oif="eth1", suppress_prefixlength=0),
    replace(_ONE, action=Action.PROHIBIT, table=0, priority=18017, uids=(33, 33), dport=(25, 25)),
    Rule(Family.V6, 18017, table=18001, ip_proto=58, tos=0xB8, protocol=83),
)


def asking(*rules: Rule) -> View:
    """A NIC that wants these rules (those above for none) and nothing else."""
    kept = scene(nics()[0]).nics[1]
    wants = tuple(Want(rule, "a test") for rule in rules or ASKING)
    return view(replace(kept, desired=NicDesired(rules=wants)))


def additions() -> tuple[Operation, ...]:
    """The same by the daemon."""
    return tuple(Operation(Phase.ADD_RULES, "add", rule, rule, 1, "a test") for rule in ASKING)
