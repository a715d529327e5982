"""Looking at the kernel for one packet: the RPDB as it stands, and the kernel's own answers."""

from collections.abc import Mapping

from srcroutd.core.errors import OperatorError
from srcroutd.core.explain import Explanation, explain, questions
from srcroutd.core.explain_source import Choice
from srcroutd.core.lookup_compare import Answer
from srcroutd.core.lookup_values import Packet, Rpdb
from srcroutd.core.marking import Mask
from srcroutd.core.marking_read import read_snats
from srcroutd.core.net import Route, Rule
from srcroutd.core.numbering import Domain
from srcroutd.kernel.codec_packet import is_askable
from srcroutd.kernel.messages import Failure
from srcroutd.kernel.requests import Requests
from srcroutd.kernel.rpdb import read_rpdb


async def explain_packet(
    packet: Packet, because: Mapping[Rule | Route, str], domain: Domain
) -> Explanation:
    """Explain a packet on this host; ``because`` is what is ours and why, ``domain`` our numbers.

    Raises TornDump if the rules change faster than they can be read, KernelLacks.
    """
    requests = Requests()
    try:
        found = await _look(requests, packet, because, domain)
        if any(look.differs for look in found.looks):
            # Something may have changed between reading and asking: the second word counts.
            found = await _look(requests, packet, because, domain)
        return found
    finally:
        requests.close()


async def _look(
    requests: Requests, packet: Packet, because: Mapping[Rule | Route, str], domain: Domain
) -> Explanation:
    about = [ip for ip in (packet.dst, packet.src) if ip is not None]
    nics = [name for name in (packet.iif, packet.oif) if name]
    rpdb = await read_rpdb(requests, packet.family, about, nics)
    indexes = {link.name: link.index for link in rpdb.links.values()}
    choice = await _choice(rpdb, domain)
    asked = [one for one in questions(rpdb, packet, choice) if is_askable(one)]
    answers = {one: await _ask(requests, one, indexes) for one in asked}
    return explain(rpdb, packet, answers, _as_dumped(rpdb, because), choice)


async def _choice(rpdb: Rpdb, domain: Domain) -> Choice:
    """What chooses sources here. nft is asked only where a rule of ours waits for its marks: it
    wants a privilege that reading the rest does not.
    """
    waits = (rule.priority in domain.rewritten and domain.owns_rule(rule) for rule in rpdb.rules)
    if not any(waits):
        return Choice(domain)
    from srcroutd.kernel.nftables import MarkTable

    try:
        found = await MarkTable().look()
    except OperatorError as error:
        return Choice(domain, unread=f"whether its source is rewritten is not known: {error}")
    mask, snats = read_snats(found) if found and not found.foreign else (Mask(), ())
    return Choice(domain, mask, snats)


async def nic_names() -> tuple[str, ...]:
    """The NICs of this network namespace, by ifindex."""
    requests = Requests()
    try:
        return tuple(link.name for link in await requests.links())
    finally:
        requests.close()


async def _ask(requests: Requests, packet: Packet, indexes: Mapping[str, int]) -> Answer:
    answer = await requests.way_of(packet, indexes)
    return answer.errno if isinstance(answer, Failure) else answer


def _as_dumped(rpdb: Rpdb, because: Mapping[Rule | Route, str]) -> dict[Rule | Route, str]:
    """The same reasons for routes as the kernel tells them: it fills in what was left to it."""
    found: dict[Rule | Route, str] = {
        thing: why for thing, why in because.items() if isinstance(thing, Rule)
    }
    keyed = {_key(thing): why for thing, why in because.items() if isinstance(thing, Route)}
    routes: dict[Rule | Route, str] = {
        route: keyed[_key(route)]
        for table in rpdb.tables.values()
        for route in table
        if _key(route) in keyed
    }
    return {**found, **routes}


def _key(route: Route) -> tuple[object, ...]:
    return (route.identity, route.type, route.gateway, route.oif, route.protocol)
