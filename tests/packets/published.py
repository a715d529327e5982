"""A host with a published port: a container behind docker0, what docker writes into nftables, and
the routing layouts that people lay over it.

Each layout is put by the words that its inventors type; ours by the words that our own values say.
"""

import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface

from srcroutd.core.desired import Nic, NicDesired
from srcroutd.core.inventory import Addressing
from srcroutd.core.inventory import Eni as Record
from srcroutd.core.marking import MarkedNic, Marking, Mask
from srcroutd.core.marking_nft import commands
from srcroutd.core.modes.connmark import derive_connmark
from srcroutd.core.modes.source import derive_source
from srcroutd.core.net import IP, Address, Family, Link, Rule
from srcroutd.core.numbering import Domain
from srcroutd.lab.cloud import Cloud
from srcroutd.lab.machine import Machine, Stream
from srcroutd.lab.topology import ETH0, ETH1, Eni
from tests.packets.wires import give_ipv6, left_by

PORT = 8007
"""Published: the container's echo service."""
SERVICE = 7
"""The host's own echo service."""
CLOSED = 8009
"""Published: a port of the container on which nobody listens."""
SEATS = {"eth1": 1, "eth2": 2}
STRANGERS = 0xFF00FFFF
"""The bits of a mark that are not ours by default."""

INSIDE: Mapping[int, IP] = {4: ip_address("172.17.0.2"), 6: ip_address("fd00:17::2")}
"""The container."""

_BRIDGES = {4: "172.17.0.0/16", 6: "fd00:17::/64"}
_INSIDE = {4: "172.17.0.2", 6: "[fd00:17::2]"}


def publish(cloud: Cloud) -> Machine:
    """A container with both families, and docker's rules for it; the client echoes too."""
    container = cloud.container()
    give_ipv6(cloud, container)
    # So that the container reaches its own published port.
    cloud.instance.ip("link set vethc type bridge_slave hairpin on")
    cloud.client.echo()
    nft(cloud, "".join(map(_docker, (4, 6))))
    return container


def _docker(version: int) -> str:
    """Docker's tables, as without its proxy: what is asked for at any local address goes to the
    container, from the host and from the container itself too.
    """
    family, inside, bridge = {4: "ip", 6: "ip6"}[version], _INSIDE[version], _BRIDGES[version]
    loopback = {4: "ip daddr != 127.0.0.0/8", 6: "ip6 daddr != ::1"}[version]
    dnat = "".join(
        f"{kind} dport {port} dnat to {inside}:{to}\n"
        for kind in ("tcp", "udp")
        for port, to in ((PORT, 7), (CLOSED, 9))
    )
    alone = inside.strip("[]")
    return f"""
    table {family} docker {{
        chain published {{ {dnat} }}
        chain prerouting {{ type nat hook prerouting priority dstnat;
            fib daddr type local jump published }}
        chain output {{ type nat hook output priority -100;
            {loopback} fib daddr type local jump published }}
        chain postrouting {{ type nat hook postrouting priority srcnat;
            {family} saddr {bridge} oifname != docker0 masquerade
            {family} saddr {alone} {family} daddr {alone} masquerade }}
    }}
    """


def nft(cloud: Cloud, text: str) -> None:
    """A file for ``nft -f``, in the instance; a statement may end at a brace, too."""
    cloud.instance.run("nft", "-f", "-", text=text.replace("}", "\n}"))


def marked(*nics: Eni, strict: bool = False, mask: Mask | None = None) -> Marking:
    """The marking of these NICs."""
    named = tuple(MarkedNic(nic.name, SEATS[nic.name], strict) for nic in nics)
    return Marking(named, mask or Mask())


def put_table(cloud: Cloud, marking: Marking) -> None:
    """Our table, by the same JSON as the daemon's."""
    cloud.instance.run("nft", "-j", "-f", "-", text=json.dumps(commands(marking)))


def drop_table(cloud: Cloud) -> None:
    """What ``nft delete table`` does."""
    nft(cloud, "delete table inet srcroutd")


def put_connmark(cloud: Cloud, *nics: Eni, strict: bool = False, mask: Mask | None = None) -> None:
    """Mode ``connmark`` on these NICs: rules, routes, table."""
    for nic in nics:
        put_rules(cloud, derive_connmark(as_nic(cloud, nic), mask or Mask()))
    put_table(cloud, marked(*nics, strict=strict, mask=mask))


def derive_marks(cloud: Cloud, nic: Eni) -> NicDesired:
    """What mode ``connmark`` adds to mode ``source``."""
    seen = as_nic(cloud, nic)
    known = derive_source(seen).rules
    rules = derive_connmark(seen, Mask()).rules
    return NicDesired(rules=tuple(want for want in rules if want not in known))


def put_on_eth1(cloud: Cloud) -> None:
    """Mode ``connmark`` on eth1."""
    put_connmark(cloud, ETH1)


def put_source(cloud: Cloud, *nics: Eni) -> None:
    """Mode ``source`` on these NICs."""
    for nic in nics:
        put_rules(cloud, derive_source(as_nic(cloud, nic)))


def put_rules(cloud: Cloud, wanted: NicDesired) -> None:
    """Routes, then rules, in the words that they print as."""
    for family in Family:
        routes = [want.thing for want in wanted.routes if want.thing.family is family]
        rules = [want.thing for want in wanted.rules if want.thing.family is family]
        lines = [f"route add {route} proto 83" for route in routes]
        lines += [_rule_line(rule) for rule in rules if isinstance(rule, Rule)]
        cloud.instance.ip_batch(lines, 4 if family is Family.V4 else 6)


def _rule_line(rule: Rule) -> str:
    priority, _, words = str(rule).partition(": ")
    return f"rule add pref {priority} {words} protocol {rule.protocol}"


def as_nic(cloud: Cloud, nic: Eni) -> Nic:
    """An ENI of the lab as ``derive`` sees it."""
    seat, domain = SEATS[nic.name], Domain()
    index = cloud.instance.ip_json(f"link show dev {nic.name}")[0]["ifindex"]
    v4, v6 = nic.vswitch.v4, nic.vswitch.v6
    interfaces = [f"{ip}/{v4.prefixlen}" for ip in nic.v4] + [
        f"{ip}/{v6.prefixlen}" for ip in nic.v6
    ]
    addresses = tuple(Address(index, ip_interface(text)) for text in interfaces)
    others = [other for other in cloud.enis.values() if other.name in cloud.attached]
    return Nic(
        Link(index, nic.name, nic.mac, up=True),
        addresses,
        Record(
            nic.id,
            nic.mac,
            Addressing(nic.v4, nic.vswitch.v4, nic.vswitch.gateway4),
            Addressing(nic.v6, nic.vswitch.v6, nic.vswitch.gateway6),
        ),
        "the lab",
        seat,
        domain.table(seat),
        domain.priority(seat),
        domain.protocol,
        elsewhere=tuple(
            (subnet, other.id)
            for other in others
            if other != nic
            for subnet in (other.vswitch.v4, other.vswitch.v6)
        ),
    )


def put_rc_local(cloud: Cloud) -> None:
    """Seed 001: two lines an address."""
    for version, gateway in _gateways():
        _batch(
            cloud,
            version,
            f"rule add from {_address(ETH1, version)} lookup 1001",
            f"route add default via {gateway} dev eth1 table 1001",
        )


def put_recipe_of_seed_003(cloud: Cloud) -> None:
    """Whole marks, saved in PREROUTING and restored in OUTPUT."""
    nft(
        cloud,
        """
        table inet recipe {
            chain prerouting { type filter hook prerouting priority mangle;
                iifname eth1 meta mark set 1
                iifname eth1 ct mark set meta mark }
            chain output { type route hook output priority mangle;
                meta mark set ct mark }
        }
        """,
    )
    for version, gateway in _gateways():
        _batch(
            cloud,
            version,
            "rule add priority 1000 fwmark 1 lookup 100",
            f"route add default via {gateway} dev eth1 src {_address(ETH1, version)} table 100",
        )
    cloud.instance.sysctl({"net/ipv4/conf/eth1/src_valid_mark": "1"})


def put_nm_cloud_setup(cloud: Cloud) -> None:
    """Three tiers by address, as nm-cloud-setup lays them out, for the primary NIC too."""
    for version in (4, 6):
        _batch(cloud, version, "rule add priority 30350 lookup main suppress_prefixlength 0")
        for number, nic in enumerate((ETH0, ETH1)):
            subnet, gateway = {
                4: (nic.vswitch.v4, nic.vswitch.gateway4),
                6: (nic.vswitch.v6, nic.vswitch.gateway6),
            }[version]
            address = _address(nic, version)
            _batch(
                cloud,
                version,
                f"route add {subnet} dev {nic.name} table {30200 + number}",
                f"route add default via {gateway} dev {nic.name} table {30400 + number}",
                f"rule add priority {30200 + number} from {address} lookup {30200 + number}",
                f"rule add priority {30400 + number} from {address} lookup {30400 + number}",
            )


def _gateways() -> Iterable[tuple[int, IP]]:
    return (4, ETH1.vswitch.gateway4), (6, ETH1.vswitch.gateway6)


def _address(nic: Eni, version: int) -> IP:
    return nic.v4[0] if version == 4 else nic.v6[0]


def _batch(cloud: Cloud, version: int, *lines: str) -> None:
    cloud.instance.ip_batch(lines, version)


def reaches(asker: Machine, address: IP, kind: str, port: int = PORT, wait_s: float = 3.0) -> str:
    """Ask once at a port; "" if an answer came, else why none did."""
    request = {"do": "probe", "kind": kind, "dst": str(address), "port": port, "timeout_s": wait_s}
    answer = asker.ask(request, wait_s + 5)
    return "" if answer["answered"] else str(answer["reason"])


def assert_answered_by(cloud: Cloud, address: IP, wire: str, port: int = PORT) -> None:
    """The client's questions are answered, by this wire alone, TCP and UDP."""
    cloud.wire.reset()
    told = {kind: reaches(cloud.client, address, kind, port) for kind in ("tcp", "udp")}
    assert told == {"tcp": "", "udp": ""}
    assert [*left_by(cloud, address)] == [wire]


def stream(asker: Machine, address: IP, kind: str, *, times: int, every_ms: float = 5) -> Stream:
    """Ask again and again at the published port; over one connection, where there are any."""
    limit_s = times * every_ms / 1000 + 10
    request = {"do": "stream", "kind": kind, "dst": str(address), "port": PORT, "count": times}
    request |= {"every_ms": every_ms, "limit_s": limit_s, "first": False}
    return Stream(**asker.ask(request, limit_s + 5))


def counters(cloud: Cloud, table: str) -> dict[str, int]:
    """The packets of each named counter of a table ``inet TABLE``."""
    told = cloud.instance.run("nft", "-j", "list", "counters", "table", "inet", table).out
    things = [thing["counter"] for thing in json.loads(told)["nftables"] if "counter" in thing]
    return {thing["name"]: thing["packets"] for thing in things}
