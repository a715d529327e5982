"""All checks, as a literal list.

Each is a pure function of the scene. It finds nothing where it could not look, and nothing that it
is not sure of: a false alarm costs more than silence.
"""

from collections.abc import Callable, Iterator

from srcroutd.doctor.checks.addresses import (
    ipv6_disabled,
    keep6,
    not_listed,
    not_on_nic,
    promote,
    twice,
    without_address,
)
from srcroutd.doctor.checks.agents import agents
from srcroutd.doctor.checks.arp import arp
from srcroutd.doctor.checks.daemon import daemon
from srcroutd.doctor.checks.dnat import dnat
from srcroutd.doctor.checks.leftovers import leftovers
from srcroutd.doctor.checks.marks import labels, valid_marks, whole_marks
from srcroutd.doctor.checks.neighbours import neighbours
from srcroutd.doctor.checks.networkd import networkd
from srcroutd.doctor.checks.networkmanager import networkmanager
from srcroutd.doctor.checks.nics import defaults, down, not_routed
from srcroutd.doctor.checks.recipe_rules import recipe_rules
from srcroutd.doctor.checks.reverse_path import reverse_path
from srcroutd.doctor.checks.strangers import protocol_elsewhere, stranger_decides, stranger_in_band
from srcroutd.doctor.checks.udp import udp
from srcroutd.doctor.finding import Finding
from srcroutd.doctor.scene import Scene

CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    daemon,
    networkd,
    networkmanager,
    agents,
    leftovers,
    recipe_rules,
    whole_marks,
    labels,
    valid_marks,
    stranger_decides,
    stranger_in_band,
    protocol_elsewhere,
    neighbours,
    reverse_path,
    arp,
    promote,
    keep6,
    ipv6_disabled,
    down,
    not_routed,
    without_address,
    not_on_nic,
    not_listed,
    twice,
    defaults,
    udp,
    dnat,
)
