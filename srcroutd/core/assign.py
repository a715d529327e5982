"""From the ENIs' addresses and what stands on the NICs to what is put there and what is taken away.

Promises: only an address that we put there, unchanged, is ever taken away; nothing is put where
somebody else has the address already, or where another cares for it. A link that was set up is
never set down again.

Ours is a host prefix on a NIC that could be an ENI, without an end, that bears our protocol number.
A kernel that tells no such numbers (before 5.18) leaves it to ``Memory.put``, which is saved before
an address is put.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from srcroutd.core.assign_values import (
    DOUBT_S,
    AssignPlan,
    Clock,
    Leave,
    Memory,
    Placed,
    Sight,
    Wishes,
)
from srcroutd.core.assigned import Assigned, PutAddress, RaiseLink, TakeAddress, host_interface
from srcroutd.core.desired import Nic
from srcroutd.core.join import could_be_eni
from srcroutd.core.net import IP, Address, Family, Link, Scope
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind


def needed(wishes: Wishes, sight: Sight, memory: Memory) -> bool:
    """Whether there is anything to plan; most hosts leave addresses alone."""
    return bool(
        memory.put
        or any(nic.settings.addresses == "assign" for nic in wishes.nics)
        or any(address.protocol in wishes.protocols for address in sight.addresses)
    )


def plan_addresses(wishes: Wishes, sight: Sight, memory: Memory, clock: Clock) -> AssignPlan:
    """What to do now. Cleanup: no NICs, and a ``may_go`` that always has a reason."""
    links = {link.index: link for link in sight.links if could_be_eni(link)}
    ours = dict(sorted(_ours(links, wishes, sight, memory), key=lambda item: _order(item[0])))
    operations: list[Operation] = []
    notes: dict[int, list[str]] = {}
    for nic in sorted(wishes.nics, key=lambda nic: nic.link.index):
        if nic.settings.addresses == "assign":
            operations += _raise(nic, sight, memory)
            operations += _missing(nic, wishes, sight, notes.setdefault(nic.link.index, []))
    doubts: dict[Placed, float] = {}
    for place, address in ours.items():
        link, said = links[place.ifindex], notes.setdefault(place.ifindex, [])
        leave = _twin(place, sight, link) or wishes.may_go(link, address.ip)
        if leave and leave.doubtful:
            doubts[place] = memory.doubts.get(place, clock.now_s)
            if not _told_again(doubts[place], clock):
                said.append(f"{address.ip} stays until metadata says again: {leave.because}")
                leave = None
        if leave:
            operations.append(_take(place, link, wishes, leave.because))
            continue
        if address.protocol != wishes.protocols[0] and sight.tells_protocols:
            operations.append(_marked_anew(place, link, wishes))
        if address.duplicate:
            said.append(_duplicate(address))
    return AssignPlan(
        tuple(sorted(operations, key=lambda operation: operation.phase)),
        _remembered(operations, ours, links, memory, doubts),
        {index: tuple(said) for index, said in sorted(notes.items()) if said},
        _let_go(ours, sight, memory),
        tuple(place for place, address in ours.items() if address.duplicate),
    )


def candidates(wishes: Wishes, sight: Sight) -> tuple[IP, ...]:
    """The addresses that would be put now, as far as ``sight`` tells."""
    nics = [nic for nic in wishes.nics if nic.settings.addresses == "assign"]
    puts = [operation.key for nic in nics for operation in _missing(nic, wishes, sight, [])]
    return tuple(put.interface.ip for put in puts if isinstance(put, PutAddress))


def _missing(nic: Nic, wishes: Wishes, sight: Sight, notes: list[str]) -> Iterator[Operation]:
    """Put those addresses of the ENI that are on no NIC of the host; ``notes`` takes what is left
    to others.
    """
    if not nic.link.up:
        return
    index = nic.link.index
    firsts = {_first(nic, family) for family in Family}
    taken = {address.ip for address in sight.addresses}
    for ip in wanted_addresses(nic):
        if ip in taken:
            continue
        family, is_first = Family.of(ip), ip in firsts
        manager = sight.managers.get(index, "whoever cares for the NIC")
        if family is Family.V4 and is_first and manager:
            notes.append(f"{ip}, the first address, is left to {manager}")
            continue
        if device := sight.elsewhere.get(ip):
            notes.append(f"{ip} is left alone: this host sends it to {device}")
            continue
        spare = family is Family.V6 and not is_first
        put = PutAddress(index, host_interface(ip), wishes.protocols[0], spare)
        because = f"{'first ' if is_first else ''}address of {nic.eni.id}, read from {nic.source}"
        yield _operation(put, nic.link, nic.seat, because)


def wanted_addresses(nic: Nic) -> tuple[IP, ...]:
    """The ENI's addresses that may stand on its NIC, in the cloud's order: those in its subnet,
    outside delegated prefixes, and not ignored.
    """
    found: list[IP] = []
    for family in Family:
        addressing = nic.eni.addressing(family)
        if addressing is None or addressing.subnet is None or not nic.settings.wants(family):
            continue
        closed = (*nic.delegated, *addressing.prefixes, *nic.settings.ignore)
        found += [
            ip
            for ip in addressing.addresses
            if ip in addressing.subnet and not any(ip in prefix for prefix in closed)
        ]
    return tuple(found)


def _duplicate(address: Address) -> str:
    """What failed duplicate address detection means for people."""
    return (
        f"{address.ip} is not used: another host on the wire answers for it; it is tried again "
        "once it was deleted by hand or the link was down"
    )


def _ours(
    links: Mapping[int, Link], wishes: Wishes, sight: Sight, memory: Memory
) -> Iterator[tuple[Placed, Address]]:
    tells = sight.tells_protocols
    for address in sight.addresses:
        link, own = links.get(address.index), address.interface
        if link is None or own.network.prefixlen < own.max_prefixlen:
            continue
        if not address.permanent or address.scope != Scope.GLOBAL:
            continue
        place = Placed(link.mac, link.index, own)
        if address.protocol in wishes.protocols if tells else place in memory.put:
            yield place, address


def _raise(nic: Nic, sight: Sight, memory: Memory) -> Iterator[Operation]:
    """A NIC that has just come, that bears nothing and nobody cares for."""
    link = nic.link
    if link.up or link.index in memory.seen_up or sight.managers.get(link.index) != "":
        return
    if not any(address.index == link.index for address in sight.addresses):
        because = f"nobody else sets {link.name} up, and {nic.eni.id} has addresses for it"
        yield _operation(RaiseLink(link.index), link, nic.seat, because)


def _marked_anew(place: Placed, link: Link, wishes: Wishes) -> Operation:
    """An address that bears the number of an earlier configuration gets the present one: no number
    is forgotten while something bears it.
    """
    ip = place.interface.ip
    spare = Family.of(ip) is Family.V6 and all(ip != _first(nic, Family.V6) for nic in wishes.nics)
    put = PutAddress(place.ifindex, place.interface, wishes.protocols[0], spare)
    because = "the configuration has another protocol now"
    return _operation(put, link, _seat(place, wishes), because, "replace")


def _remembered(
    operations: Iterable[Operation],
    ours: Iterable[Placed],
    links: Mapping[int, Link],
    memory: Memory,
    doubts: Mapping[Placed, float],
) -> Memory:
    puts = [operation.key for operation in operations if isinstance(operation.key, PutAddress)]
    new = {Placed(links[put.index].mac, put.index, put.interface) for put in puts}
    up = {index for index, link in links.items() if link.up}
    return Memory(frozenset(ours) | new, doubts, (memory.seen_up & links.keys()) | up)


def _twin(place: Placed, sight: Sight, link: Link) -> Leave | None:
    """Somebody else put the same address on the NIC, with another prefix length (IPv4 only)."""
    for address in sight.addresses:
        same = address.index == place.ifindex and address.ip == place.interface.ip
        if same and address.interface != place.interface:
            return Leave(f"{link.name} has {address.interface} from somebody else")
    return None


def _told_again(since_s: float, clock: Clock) -> bool:
    return clock.read_at_s is not None and clock.read_at_s >= since_s + DOUBT_S


def _let_go(ours: Mapping[Placed, Address], sight: Sight, memory: Memory) -> tuple[Placed, ...]:
    there = {(address.index, address.ip) for address in sight.addresses}
    lost = (place for place in memory.put if place not in ours)
    changed = (place for place in lost if (place.ifindex, place.interface.ip) in there)
    return tuple(sorted(changed, key=_order))


def _take(place: Placed, link: Link, wishes: Wishes, because: str) -> Operation:
    take = TakeAddress(place.ifindex, place.interface)
    return _operation(take, link, _seat(place, wishes), because, "delete")


def _operation(
    key: Assigned,
    link: Link,
    seat: int,
    because: str,
    verb: Literal["add", "replace", "delete"] = "add",
) -> Operation:
    phase = Phase.REMOVE_ADDRESSES if verb == "delete" else Phase.ASSIGN_ADDRESSES
    chore = Chore(ThingKind.ADDRESS, key.words(link.name))
    return Operation(phase, verb, key, chore, seat, because)


def _seat(place: Placed, wishes: Wishes) -> int:
    return next((nic.seat for nic in wishes.nics if nic.link.index == place.ifindex), 0)


def _first(nic: Nic, family: Family) -> IP | None:
    """The address that new connections get: IPv4's is the primary, which a DHCP client brings."""
    addressing = nic.eni.addressing(family)
    return addressing.addresses[0] if addressing and addressing.addresses else None


def _order(place: Placed) -> tuple[int, int, int]:
    return (place.ifindex, place.interface.version, int(place.interface.ip))
