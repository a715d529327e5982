"""Addresses: on the NIC and not in metadata is fine; the other ways round are not, always."""

from collections import defaultdict
from collections.abc import Iterator

from srcroutd.core.join import State
from srcroutd.core.net import IP, Address, Family, Network
from srcroutd.core.sysctls import ALL, Knob, Sysctl, in_force, why_in_force
from srcroutd.core.view import NicView
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.scene import Scene, global_addresses

_SHOWN = 3
_CONFIGURERS = frozenset(
    "NetworkManager systemd-network dhclient dhcpcd udhcpc wickedd connmand".split()
)
"""Programs that give a link its addresses when it comes up, by name as the kernel cuts it."""


def without_address(scene: Scene) -> Iterator[Finding]:
    """A kept NIC that nobody gave any address to."""
    for nic in scene.kept:
        if nic.state is State.MANAGED and nic.link.up and not global_addresses(nic) and nic.eni:
            told = _listed(nic)
            first = f" ({told[0]})" if told else ""
            yield Finding(
                Slug.NIC_WITHOUT_ADDRESS,
                Severity.RISK,
                nic.link.name,
                f"{nic.link.name} has no address, and {nic.eni.id} has{first}",
                "nothing reaches this NIC; srcroutd puts addresses only where it is told to",
                f"have {nic.link.name} configured by DHCP (NetworkManager, networkd, netplan or "
                'ifcfg, whichever runs here), or say addresses = "assign" in its [[nic]] entry',
            )


def not_on_nic(scene: Scene) -> Iterator[Finding]:
    """Addresses that metadata lists and a NIC that has others does not have."""
    on_host = {own.address.ip for rpdb in scene.rpdbs.values() for own in rpdb.owns}
    for nic in scene.kept:
        here = {one.ip for one in nic.addresses}
        families = {Family.of(one.interface) for one in global_addresses(nic)}
        missing = [
            ip
            for ip in _listed(nic)
            if ip not in here and ip not in on_host and Family.of(ip) in families
        ]
        if missing:
            shown = ", ".join(map(str, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            yield Finding(
                Slug.ADDRESS_NOT_ON_NIC,
                Severity.NOTE,
                nic.link.name,
                f"metadata lists {shown}{more} for {nic.link.name}, and this host does not have it",
                "either a container network hands it to pods, and all is well, or nobody has "
                "configured it: then what is sent to it is lost",
                "if it is meant for this host, add it here and in the network's configuration, or "
                'say addresses = "assign" in the [[nic]] entry\n'
                f"$ ip address add {missing[0]}/PREFIX dev {nic.link.name}",
            )


def not_listed(scene: Scene) -> Iterator[Finding]:
    """Addresses on a NIC that neither metadata lists nor its subnet holds: no rule is for them."""
    for nic in scene.kept:
        families = [Family.of(ip) for ip in _listed(nic)]
        listed = set(_listed(nic))
        strange = [
            one.ip
            for one in global_addresses(nic)
            if Family.of(one.interface) in families
            and one.ip not in listed
            and not any(one.ip in subnet for subnet in _subnets(nic))
        ]
        if strange:
            shown = ", ".join(map(str, strange[:_SHOWN]))
            more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
            yield Finding(
                Slug.ADDRESS_NOT_LISTED,
                Severity.NOTE,
                nic.link.name,
                f"{nic.link.name} has {shown}{more}, which metadata does not list for it and its "
                "subnet does not hold",
                "srcroutd has no rules for it: what it sends leaves as main says, mostly by the "
                "primary NIC",
                "nothing if it is for this host alone; else have the cloud assign it to the ENI",
            )


def twice(scene: Scene) -> Iterator[Finding]:
    """The same address on two NICs."""
    names = {nic.link.index: nic.link.name for nic in scene.nics}
    holders: dict[IP, set[int]] = defaultdict(set)
    for rpdb in scene.rpdbs.values():
        for own in rpdb.owns:
            if own.address.index in names and own.address.scope == 0:
                holders[own.address.ip].add(own.address.index)
    for ip, indexes in sorted(holders.items(), key=lambda item: (item[0].version, int(item[0]))):
        if len(indexes) > 1:
            where = " and ".join(sorted(names[index] for index in indexes))
            yield Finding(
                Slug.ADDRESS_TWICE,
                Severity.RISK,
                "",
                f"{ip} is on {where} at the same time",
                "only one of them can answer; srcroutd takes the NIC whose ENI has the address",
                "take it off the other one, and look for who configures it there\n"
                f"$ ip address del {ip}/PREFIX dev NIC",
            )


def promote(scene: Scene) -> Iterator[Finding]:
    """Secondary addresses that go when the first one does."""
    everywhere = scene.sysctls.get("ipv4/conf/all/promote_secondaries", 1)
    for nic in scene.kept:
        own = scene.sysctls.get(f"ipv4/conf/{nic.link.name}/promote_secondaries", 1)
        hanging = [one for one in global_addresses(nic, Family.V4) if one.secondary]
        if hanging and not own and not everywhere:
            yield Finding(
                Slug.PROMOTE_SECONDARIES,
                Severity.RISK,
                nic.link.name,
                f"{nic.link.name} has several addresses in one subnet, and {_in_force(scene, nic)}",
                f"when its first address is deleted, as a DHCP client may do at any time, "
                f"{_first(hanging)} and all others in the subnet are deleted with it",
                "set it, and write the same to /etc/sysctl.d\n"
                f"$ sysctl -w net.ipv4.conf.{nic.link.name}.promote_secondaries=1",
            )


def _in_force(scene: Scene, nic: NicView) -> str:
    """What promote_secondaries is, and how that comes about."""
    sysctl = Sysctl(Knob.PROMOTE_SECONDARIES, nic.link.name)
    folder = "ipv4/conf/{}/promote_secondaries"
    values = {
        one: scene.sysctls.get(folder.format(one.nic), 0)
        for one in (sysctl, Sysctl(Knob.PROMOTE_SECONDARIES, ALL))
    }
    return why_in_force(sysctl, values)


def keep6(scene: Scene) -> Iterator[Finding]:
    """Configured IPv6 addresses that nobody gives back when the link was down."""
    every = scene.sysctls.get("ipv6/conf/all/keep_addr_on_down", 1)
    bare = [
        nic.link.name
        for nic in scene.kept
        if nic.link.name in scene.static6
        and not in_force(
            Knob.KEEP_ADDR_ON_DOWN,
            scene.sysctls.get(f"ipv6/conf/{nic.link.name}/keep_addr_on_down", 1),
            every,
        )
    ]
    if bare and not _CONFIGURERS & scene.running:
        settings = " ".join(f"net.ipv6.conf.{name}.keep_addr_on_down=1" for name in bare)
        yield Finding(
            Slug.KEEP_ADDR_ON_DOWN,
            Severity.NOTE,
            bare[0] if len(bare) == 1 else "",
            f"IPv6 addresses of {' and '.join(bare)} go when the link goes down, and no program "
            "here puts them back",
            "the kernel deletes them (keep_addr_on_down is 0) and does not bring them back with "
            "the link; srcroutd puts back only those that it put itself",
            "if links go down and up here, set it, and write the same to /etc/sysctl.d\n"
            f"$ sysctl -w {settings}",
        )


def ipv6_disabled(scene: Scene) -> Iterator[Finding]:
    """An ENI with IPv6 on a NIC where the kernel's IPv6 is switched off."""
    for nic in scene.kept:
        off = scene.sysctls.get(f"ipv6/conf/{nic.link.name}/disable_ipv6", 0)
        wanted = any(note.startswith("no IPv6 address") for note in nic.desired.notes)
        listed = [ip for ip in _listed(nic) if ip.version == 6]
        if off and wanted and listed:
            yield Finding(
                Slug.IPV6_DISABLED,
                Severity.RISK,
                nic.link.name,
                f"disable_ipv6 is 1 on {nic.link.name}, and its ENI has {listed[0]}",
                "the NIC can have no IPv6 address, so what is sent to it is lost",
                "switch it on; or, if it is meant so, ipv6 = false for this NIC in srcroutd.toml\n"
                f"$ sysctl -w net.ipv6.conf.{nic.link.name}.disable_ipv6=0",
            )


def _listed(nic: NicView) -> list[IP]:
    halves = (nic.eni.v4, nic.eni.v6) if nic.eni else ()
    return [ip for half in halves if half for ip in half.addresses]


def _subnets(nic: NicView) -> list[Network]:
    halves = (nic.eni.v4, nic.eni.v6) if nic.eni else ()
    found: list[Network] = []
    for half in halves:
        if half:
            found += (*((half.subnet,) if half.subnet else ()), *half.prefixes)
    return found


def _first(addresses: list[Address]) -> IP:
    return min((one.ip for one in addresses), key=int)
