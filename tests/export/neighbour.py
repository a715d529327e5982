"""The real NetworkManager and systemd-networkd, each on a host of its own: how to start them, and
what of the daemon's rules and routes they are expected to make.
"""

from tests.export.host import Host, settled
from tests.export.scene import ADDRESSES, NUMBERS
from tests.pure.worlds import mac

BUS = """\
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
NETWORK_MANAGER = """\
[main]
plugins=keyfile
auth-polkit=root-only
dns=none
no-auto-default=*
[keyfile]
path=/run/profiles
unmanaged-devices=interface-name:far*
"""
UUID = "2fdcb100-0000-4000-8000-00000000000"
"""Of each profile, but for its last digit: the NIC's number."""
START_NETWORK_MANAGER = """
dbus-daemon --config-file=/run/bus.conf --fork --nopidfile --nosyslog
exec NetworkManager --no-daemon --config=/run/nm.conf --config-dir=/run/none \\
    --system-config-dir=/run/none --intern-config=/run/nm.intern --state-file=/run/nm.state \\
    --pid-file=/run/nm.pid
"""
START_NETWORKD = """
grep -v ^systemd-network: /etc/passwd >/run/passwd
echo systemd-network:x:998:998::/:/usr/sbin/nologin >>/run/passwd
mount --bind /run/passwd /etc/passwd
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R 998:998 /run/systemd/netif
export SYSTEMD_LOG_TARGET=console
exec systemd-networkd
"""


def profile(number: int) -> str:
    """The keyfile of a NIC's profile, with a route and a rule that are not ours."""
    v4 = [text for text in ADDRESSES[number] if ":" not in text]
    v6 = [text for text in ADDRESSES[number] if ":" in text]
    return "\n".join(
        [
            f"[connection]\nid=Wired: no. {number}\nuuid={UUID}{number}\ntype=ethernet",
            f"interface-name=eth{number}\n[ipv4]\nmethod=manual",
            *(f"address{at}={text}" for at, text in enumerate(v4, 1)),
            "route1=10.9.0.0/16\nroute1_options=table=99",
            "routing-rule1=priority 17000 from 203.0.113.77 table 99",
            "[ipv6]\nmethod=manual",
            *(f"address{at}={text}" for at, text in enumerate(v6, 1)),
            "",
        ]
    )


def network(number: int) -> str:
    """The .network file of a NIC."""
    lines = [
        f"[Match]\nMACAddress={mac(number)}\nName=eth{number}",
        "[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=no",
        *(f"Address={text}" for text in ADDRESSES[number]),
    ]
    return "\n".join(lines) + "\n"


def put(host: Host, path: str, text: str) -> None:
    """Write a file on the host that root alone may read."""
    host.run(f"umask 077; mkdir -p {path.rpartition('/')[0]}; cat >{path}", given=text)


def start_network_manager(host: Host, tools: str) -> None:
    """Start the bus and NetworkManager, and wait until each NIC has its profile."""
    put(host, "/run/dbus/none", "")
    put(host, "/run/bus.conf", BUS)
    put(host, "/run/nm.conf", NETWORK_MANAGER)
    for number in NUMBERS:
        put(host, f"/run/profiles/eth{number}.nmconnection", profile(number))
    host.start(tools + START_NETWORK_MANAGER)
    words = "nmcli -g DEVICE,STATE device status 2>&1 | grep -c '^eth.:connected$' || :"
    assert settled(lambda: host.run(tools + words).strip(), "3") == "3", host.run("cat /run/said")


def start_networkd(host: Host, tools: str) -> None:
    """Start networkd; its files must be there."""
    host.run("chmod -R a+rX /run/systemd")
    host.start(tools + START_NETWORKD)


def with_onlink(lines: list[str]) -> list[str]:
    """The same, each gateway marked as on the link: networkd keeps no order among its routes."""
    return sorted(
        line
        if " via " not in line or " onlink " in line
        else line.replace(" pref ", " onlink pref ")
        if " pref " in line
        else line.replace(" table ", " onlink table ")
        for line in lines
    )


def static(lines: list[str]) -> list[str]:
    """The daemon's rules and routes as a neighbour makes them: its own protocol, and no jump."""
    return [
        line.replace("proto 83", "proto static")
        for line in lines
        if "18019:" not in line and "goto" not in line
    ]
