"""Table main as values: how much of it concerns us, what was seen of it, and what one NIC is to
know of that.

Main is everybody's, and may hold a million routes: nobody looks at it unless a NIC is to have a
default route in it (``main_default``) or copies of its routes (``mirror``).
"""

from dataclasses import dataclass

from srcroutd.core.net import Family, Network, Route

MIRROR_LIMIT = 16384
"""More routes than this are not copied, not even in part: half a set of routes is a trap."""

Mirror = Network | int
"""Routes of main to copy: those that lie within a prefix, or those of a protocol."""

PROTOCOLS = {
    "redirect": 1,
    "kernel": 2,
    "boot": 3,
    "static": 4,
    "gated": 8,
    "ra": 9,
    "mrt": 10,
    "zebra": 11,
    "bird": 12,
    "dnrouted": 13,
    "xorp": 14,
    "ntk": 15,
    "dhcp": 16,
    "keepalived": 18,
    "babel": 42,
    "ovn": 84,
    "openr": 99,
    "bgp": 186,
    "isis": 187,
    "ospf": 188,
    "rip": 189,
    "eigrp": 192,
}
"""Who makes routes, by RTPROT_* (include/uapi/linux/rtnetlink.h), in the words of iproute2."""


@dataclass(frozen=True, slots=True)
class MainInterest:
    """What has to be looked at in main: its default routes, those within prefixes, those of
    protocols.
    """

    defaults: bool = False
    prefixes: tuple[Network, ...] = ()
    protocols: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self.defaults or bool(self.prefixes) or bool(self.protocols)

    def within(self, family: Family) -> tuple[Network, ...]:
        """The prefixes of one family."""
        return tuple(prefix for prefix in self.prefixes if Family.of(prefix) is family)


NO_INTEREST = MainInterest()


@dataclass(frozen=True, slots=True)
class MainDefault:
    """A default route of main, whoever made it; ``oifs`` are the NICs of all its nexthops."""

    route: Route
    oifs: frozenset[int]

    @property
    def metric(self) -> int:
        """The metric that the kernel compares."""
        return self.route.identity[3]

    def __str__(self) -> str:
        several = " by several NICs" if len(self.oifs) > 1 else ""
        unsaid = f" metric {self.metric}" if self.metric and not self.route.metric else ""
        return f"{self.route}{several}{unsaid}"


@dataclass(frozen=True, slots=True)
class MainRoutes:
    """What was seen of main: its default routes, and those that somebody may want copied.

    ``overfull`` are the families in which there were more than ``MIRROR_LIMIT`` of the latter.
    """

    defaults: tuple[MainDefault, ...] = ()
    routes: tuple[Route, ...] = ()
    overfull: frozenset[Family] = frozenset()


@dataclass(frozen=True, slots=True)
class MainPart:
    """What one NIC is to know of main: only what its settings ask about, so that equal parts mean
    that nothing changed for it.

    ``defaults`` are not ours. ``no_default`` says why it can have none whatever stands there;
    ``unsure`` that this is only because something is not known.
    """

    defaults: tuple[MainDefault, ...] = ()
    routes: tuple[Route, ...] = ()
    overfull: frozenset[Family] = frozenset()
    no_default: str = ""
    unsure: bool = False
