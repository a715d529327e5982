"""The network services of a machine that srcroutd has to live with: their files, how they start,
what is done to them, and their own word on whether all is well.

Each configures eth0 and eth1 by DHCP and a static IPv6 address, and has a route and a rule of its
own for each NIC: if srcroutd touched anything of theirs, these would show it.
"""

from dataclasses import dataclass, field

from srcroutd.lab.topology import ETH0, ETH1, Eni

NICS = (ETH0, ETH1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a machine every day.

    ``script`` runs in the machine; ``carrier_s`` is how long eth1's cord is cut; ``renewal`` waits
    until the DHCP server has renewed eth1's lease.
    """

    title: str
    script: str = ""
    carrier_s: float = 0.0
    renewal: bool = False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One network service; with ``container``, beside a container behind a bridge docker0.

    ``start`` is a script that starts it on NICs without addresses, ``settled`` one that fails until
    it has done its work, ``tools`` one that prints what its own tools say, ``version`` one that
    says who it is, ``units`` whose journal counts.
    """

    name: str
    title: str
    events: tuple[Event, ...]
    start: str
    settled: str
    tools: str
    version: str
    units: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    container: bool = False


CARRIER = (Event("carrier lost for 1 s", carrier_s=1), Event("carrier lost for 8 s", carrier_s=8))


def _network(nic: Eni) -> str:
    """The .network file of a NIC."""
    return f"""\
[Match]
Name={nic.name}
[Network]
DHCP=ipv4
IPv6AcceptRA=no
Address={nic.v6[0]}/64
[DHCPv4]
RouteMetric={100 + nic.number}
[Route]
Destination=10.9.{nic.number}.0/24
Table=99
Scope=link
[RoutingPolicyRule]
From=203.0.113.7{nic.number}
Table=99
Priority=17000
"""


def _profile(nic: Eni) -> str:
    """NetworkManager's keyfile for a NIC."""
    return f"""\
[connection]
id={nic.name}
uuid=2fdcb100-0000-4000-8000-00000000000{nic.number}
type=ethernet
interface-name={nic.name}
[ipv4]
method=auto
route-metric={100 + nic.number}
route1=10.9.{nic.number}.0/24
route1_options=table=99
routing-rule1=priority 17000 from 203.0.113.7{nic.number} table 99
[ipv6]
method=manual
addr-gen-mode=eui64
address1={nic.v6[0]}/64
"""


_BOTH_CONFIGURED = '[ "$(networkctl --no-legend list | grep -c " configured *$")" = 2 ]'
_STATIC_ROUTE = r"[Route]\nDestination=10.8.1.0/24\nGateway=_dhcp4\n"
_NETWORKD_EVENTS = (
    Event("systemctl restart", "systemctl restart systemd-networkd"),
    Event(
        "systemctl stop, start", "systemctl stop systemd-networkd; systemctl start systemd-networkd"
    ),
    Event("networkctl reload, nothing changed", "networkctl reload"),
    Event(
        "networkctl reload, a route added to the file",
        f"printf '{_STATIC_ROUTE}' >>/etc/systemd/network/10-eth1.network; networkctl reload",
    ),
    Event("networkctl reconfigure eth1", "networkctl reconfigure eth1"),
    Event("networkctl renew eth1 (DHCP)", "networkctl renew eth1"),
    *CARRIER,
)


def _networkd(name: str, title: str, files: dict[str, str]) -> Neighbour:
    networks = {f"/etc/systemd/network/10-{nic.name}.network": _network(nic) for nic in NICS}
    return Neighbour(
        name=name,
        title=title,
        events=_NETWORKD_EVENTS,
        start="systemctl start systemd-networkd",
        settled=_BOTH_CONFIGURED,
        tools="""
            networkctl --no-legend list
            for nic in eth0 eth1; do
                networkctl status --lines=0 $nic | grep -E ' (State|Online state|Address|Gateway):'
            done
        """,
        version="networkctl --version | head -n 1 | cut -d ' ' -f 1,2",
        units=("systemd-networkd",),
        files=networks | files,
    )


NETWORKD = _networkd("networkd", "systemd-networkd with our drop-in", {})
NETWORKD_BARE = _networkd(
    "networkd-bare",
    "systemd-networkd without our drop-in",
    # The way that the drop-in itself names to be rid of it.
    {"/etc/systemd/networkd.conf.d/50-srcroutd.conf": "# nothing: networkd's defaults\n"},
)
NETWORK_MANAGER = Neighbour(
    name="networkmanager",
    title="NetworkManager",
    events=(
        Event("nmcli con up eth1", "nmcli con up eth1"),
        Event("nmcli con down, up", "nmcli con down eth1; nmcli con up eth1"),
        Event(
            "nmcli device reapply, a route added",
            "nmcli con modify eth1 +ipv4.routes '10.8.1.0/24 172.16.1.253';"
            " nmcli device reapply eth1",
        ),
        Event("nmcli networking off, on", "nmcli networking off; sleep 1; nmcli networking on"),
        *CARRIER,
        Event("systemctl restart", "systemctl restart NetworkManager"),
        Event("DHCP lease renewed", renewal=True),
    ),
    start="systemctl start NetworkManager",
    settled='[ "$(nmcli -g DEVICE,STATE device | grep -c "^eth.:connected$")" = 2 ]',
    # Without a check of its own it keeps what it thought when its default route was not yet there.
    tools="""
        nmcli networking connectivity check >/dev/null
        nmcli -g DEVICE,STATE,CONNECTION device | sort
        nmcli -g STATE,CONNECTIVITY general
        for nic in eth0 eth1; do
            nmcli -g GENERAL.STATE,IP4.ADDRESS,IP4.GATEWAY,IP6.ADDRESS device show $nic
        done
    """,
    version="echo NetworkManager $(NetworkManager --version)",
    units=("NetworkManager",),
    files={
        # Ubuntu leaves wired NICs to networkd unless a file of this name says otherwise.
        "/etc/NetworkManager/conf.d/10-globally-managed-devices.conf": "",
        **{
            f"/etc/NetworkManager/system-connections/{nic.name}.nmconnection": _profile(nic)
            for nic in NICS
        },
    },
)
# Files of its own for each NIC, as ifupdown has them: else a release may end the other's client.
_CLIENT = (
    "dhclient -4 -pf /run/dhclient.{0}.pid -lf /var/lib/dhcp/dhclient.{0}.leases -e IF_METRIC={1}"
)


def _dhclient(nic: Eni, again: str = "") -> str:
    client = _CLIENT.format(nic.name, 100 + nic.number)
    return f"systemd-run --quiet --unit dhclient-{nic.name}{again} {client} -d {nic.name}"


_RELEASE = f"{_CLIENT.format(ETH1.name, 101)} -r {ETH1.name}"
DHCLIENT = Neighbour(
    name="dhclient",
    title="dhclient",
    events=(
        Event("DHCP lease renewed", renewal=True),
        Event("lease released, got again", f"{_RELEASE}; {_dhclient(ETH1, '-again')}"),
        Event("carrier lost for 8 s", carrier_s=8),
    ),
    start="\n".join(
        f"ip link set {nic.name} up; ip address add {nic.v6[0]}/64 dev {nic.name}\n"
        f"ip rule add priority 17000 from 203.0.113.7{nic.number} table 99\n"
        f"ip route add 10.9.{nic.number}.0/24 dev {nic.name} table 99\n"
        f"{_dhclient(nic)}"
        for nic in NICS
    ),
    settled='[ "$(ip -o -4 address show up | grep -c " eth[01] ")" = 2 ]',
    tools="ps -C dhclient -o args= | sort",
    version="dhclient --version 2>&1",
    units=("dhclient-eth0", "dhclient-eth1", "dhclient-eth1-again"),
)
