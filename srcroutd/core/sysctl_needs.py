"""Which sysctls the mode of a NIC needs, and what it would need that is not for us to change.

Promise: what is wanted is wanted on one managed NIC. ``all`` would change every NIC of the host,
and a NIC that is left alone stays alone: where only they could have the effect there is advice.

Mode ``source`` needs nothing of rp_filter: the way back from one of our addresses is looked up by
the same rules. Mode ``connmark`` does where it is strict: a packet is judged by the destination
that it was rewritten to, and only its mark leads back, which rp_filter looks at with
src_valid_mark. The NIC that the packet came in by is asked for it, so the bridge of the containers
needs nothing: the way back to a container is in main. rp_filter itself stays as it is: a 2 on the
NIC would outweigh a 1 on ``all`` and believe every source; with the mark it stays strict.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from srcroutd.core.net import Address, Family, Link
from srcroutd.core.sysctls import ALL, Knob, Sysctl, Values, in_force, serves, typed

Mode = Literal["source", "connmark"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What there is to know of one managed NIC before its sysctls can be chosen.

    ``beside`` are the host's other NICs in its subnets; ``borrowed`` the addresses that it answers
    for by ARP though they are neither on it nor on those (a service address on lo).
    ``secondaries``: it has several IPv4 addresses in one subnet; ``static6``: it has a global IPv6
    address that nobody gives back once it is gone.
    """

    nic: str
    mode: Mode
    beside: tuple[str, ...] = ()
    borrowed: tuple[str, ...] = ()
    secondaries: bool = False
    static6: bool = False


@dataclass(frozen=True, slots=True)
class SysctlWant:
    """One value that a NIC should have. ``because`` is a clause for people, no full stop."""

    sysctl: Sysctl
    value: int
    because: str

    def __str__(self) -> str:
        return typed(self.sysctl, self.value)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is needed and not done: ``why`` is a clause for people, ``commands`` are what an
    administrator could type.
    """

    nic: str
    why: str
    commands: tuple[str, ...] = ()


def needs_of(
    link: Link,
    mode: Mode,
    host: tuple[Mapping[int, Link], Collection[Address]],
    *,
    static6: bool = False,
) -> Needs:
    """The needs of one NIC, from the links (by ifindex) and the addresses of the whole host."""
    links, addresses = host
    v4 = [one for one in addresses if Family.of(one.ip) is Family.V4]
    own = [one for one in v4 if one.index == link.index]
    subnets = [net for one in own if (net := _subnet(one)) is not None]
    others = [one for one in v4 if one.index != link.index and one.index in links]
    beside = {
        one.index
        for one in others
        if not links[one.index].loopback and _overlaps(_subnet(one), subnets)
    }
    borrowed = {
        one.ip
        for one in others
        if one.index not in beside and any(one.ip in subnet for subnet in subnets)
    }
    return Needs(
        link.name,
        mode,
        tuple(sorted(links[index].name for index in beside)),
        tuple(str(ip) for ip in sorted(borrowed, key=int)),
        secondaries=any(one.secondary for one in own),
        static6=static6,
    )


def needed(needs: Needs, values: Values) -> tuple[SysctlWant, ...]:
    """What the NIC's own sysctls should be, whether they are so already or not.

    Nothing where the values in force were not read, and nothing that ``all`` outweighs.
    """
    return tuple(
        want for want in _mode_needs(needs, values) if _serves_with(want.sysctl, want.value, values)
    )


def is_met(want: SysctlWant, values: Values) -> bool:
    """Whether what is in force serves, whoever set it."""
    own = values.get(want.sysctl)
    return own is not None and _serves_with(want.sysctl, own, values)


def advice(managed: Iterable[Needs], values: Values) -> tuple[Advice, ...]:
    """What the managed NICs need and only an administrator should do, sorted by NIC."""
    every = sorted(managed, key=lambda needs: needs.nic)
    found = [*_flux(every, values)]
    for needs in every:
        found += _outweighed(needs, values)
        if needs.beside and needs.borrowed:
            found.append(_borrows(needs))
    return tuple(sorted(found, key=lambda one: (one.nic, one.why)))


def _mode_needs(needs: Needs, values: Values) -> Iterable[SysctlWant]:
    nic = needs.nic
    others = " and ".join(needs.beside)
    if needs.mode == "connmark" and _in_force(Sysctl(Knob.RP_FILTER, nic), values) == 1:
        why = "rp_filter is strict, and only the mark says that the way back leaves by this NIC"
        yield SysctlWant(Sysctl(Knob.SRC_VALID_MARK, nic), 1, why)
    if needs.beside:
        if not needs.borrowed:
            why = f"shares a subnet with {others}: it answers for its own addresses only"
            yield SysctlWant(Sysctl(Knob.ARP_IGNORE, nic), 1, why)
        why = f"shares a subnet with {others}: it asks in its own name only"
        yield SysctlWant(Sysctl(Knob.ARP_ANNOUNCE, nic), 2, why)
    if needs.secondaries:
        why = "several addresses in one subnet: without it the first one takes the others along"
        yield SysctlWant(Sysctl(Knob.PROMOTE_SECONDARIES, nic), 1, why)
    if needs.static6:
        why = "IPv6 addresses that nobody gives back after the link was down"
        yield SysctlWant(Sysctl(Knob.KEEP_ADDR_ON_DOWN, nic), 1, why)


def _flux(managed: list[Needs], values: Values) -> Iterable[Advice]:
    """NICs that are left alone, and answer for the addresses of those that are not."""
    names = {needs.nic for needs in managed}
    shared: dict[str, list[str]] = {}
    for needs in managed:
        for other in needs.beside:
            if other not in names:
                shared.setdefault(other, []).append(needs.nic)
    for other, nics in shared.items():
        effect = _in_force(Sysctl(Knob.ARP_IGNORE, other), values)
        if effect is not None and not serves(Knob.ARP_IGNORE, effect):
            ours = " and ".join(nics)
            yield Advice(
                other,
                f"shares a subnet with {ours} and answers ARP for addresses that are not its own; "
                "it is left alone, so it is not changed: manage it, or set it by hand",
                (
                    typed(Sysctl(Knob.ARP_IGNORE, other), 1),
                    typed(Sysctl(Knob.ARP_ANNOUNCE, other), 2),
                ),
            )


def _outweighed(needs: Needs, values: Values) -> Iterable[Advice]:
    for want in _mode_needs(needs, values):
        every = Sysctl(want.sysctl.knob, ALL)
        if _in_force(want.sysctl, values) is None or _serves_with(want.sysctl, want.value, values):
            continue
        yield Advice(
            needs.nic,
            f"needs {want.sysctl}={want.value}, which has no effect while {every} is "
            f"{values[every]}; all is for every NIC of the host, so it is not changed here",
            (typed(every, 0),),
        )


def _borrows(needs: Needs) -> Advice:
    borrowed = " and ".join(needs.borrowed)
    return Advice(
        needs.nic,
        f"shares a subnet with {' and '.join(needs.beside)} and may answer for their addresses; "
        f"silencing it would silence {borrowed} as well, which it answers for and which is on none "
        "of them",
        (typed(Sysctl(Knob.ARP_IGNORE, needs.nic), 1),),
    )


def _subnet(address: Address) -> IPv4Network | None:
    """The subnet that an IPv4 address stands in; None for a host prefix, which is none."""
    network = address.interface.network
    return network if isinstance(network, IPv4Network) and network.prefixlen < 32 else None


def _overlaps(subnet: IPv4Network | None, subnets: Iterable[IPv4Network]) -> bool:
    return subnet is not None and any(subnet.overlaps(one) for one in subnets)


def _serves_with(sysctl: Sysctl, own: int, values: Values) -> bool:
    """Whether the value in force would serve if the NIC's own were ``own``."""
    every = values.get(Sysctl(sysctl.knob, ALL))
    if every is None or sysctl not in values:
        return False
    return serves(sysctl.knob, in_force(sysctl.knob, own, every))


def _in_force(sysctl: Sysctl, values: Values) -> int | None:
    own, every = values.get(sysctl), values.get(Sysctl(sysctl.knob, ALL))
    return None if own is None or every is None else in_force(sysctl.knob, own, every)
