"""From power-on to routing: cold boot, hot-attach, reboots with and without metadata, who waits for
what.
"""

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH0, ETH1, ETH2, Eni
from tests.e2e.cloud import Cloud
from tests.e2e.conftest import Layers, StartCloud
from tests.e2e.expect import (
    assert_answers,
    assert_silent,
    drop_in,
    entries,
    entry,
    in_sync,
    until,
)

ONLINE = """
[Unit]
Description=Stands for every service that wants the network up
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c "ip route get 203.0.113.9 from 172.16.1.10 >/run/seen 2>&1 || true"
[Install]
WantedBy=multi-user.target
"""
NETWORK = """
[Match]
MACAddress={mac}
[Network]
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
{lines}
"""


def test_without_srcroutd_the_second_nic_does_not_answer(
    start_cloud: StartCloud, installed: Layers
) -> None:
    cloud = start_cloud(installed)
    cloud.boot()
    assert cloud.client.probe(ETH0.v4[0])
    assert_silent(cloud, ETH1)


def test_at_the_first_boot_the_second_nic_answers_for_itself(cloud: Cloud) -> None:
    assert cloud.machine.unit("srcroutd", "ActiveState", "StatusText") == {
        "ActiveState": "active",
        "StatusText": "in sync; generation 1; NICs: 1 managed, 1 left alone",
    }
    assert_answers(cloud, ETH1)
    assert_answers(cloud, ETH0)
    assert cloud.machine.run("systemctl --failed --no-legend") == ""


def test_a_nic_that_is_plugged_in_answers(cloud: Cloud) -> None:
    plugged = cloud.attach(ETH2)
    first = cloud.first_answer(ETH2)
    assert first is not None
    assert first - plugged.began < 3
    assert_answers(cloud, ETH2)
    assert_answers(cloud, ETH1)


def test_a_nic_that_is_unplugged_leaves_nothing_behind(cloud: Cloud) -> None:
    before = cloud.machine.run("ip rule; ip -6 rule")
    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)
    assert cloud.machine.run("ip rule; ip -6 rule") != before
    cloud.detach(ETH2)
    until(
        lambda: cloud.machine.run("ip rule; ip -6 rule") == before, "eth2's rules have gone with it"
    )
    assert "18002" not in cloud.machine.run("ip route show table all; ip -6 route show table all")
    in_sync(cloud.machine)
    assert_answers(cloud, ETH1)


def test_after_a_reboot_without_metadata_routing_comes_back_from_the_state(cloud: Cloud) -> None:
    before = cloud.machine.run("ip rule; ip -6 rule")
    cloud.kill_metadata()
    cloud.reboot()
    assert cloud.machine.run("ip rule; ip -6 rule") == before
    assert_answers(cloud, ETH1)
    added = entries(cloud.machine, Kind.RULE_ADDED)
    assert "read from aliyun (remembered)" in added[0]["SRCROUTD_BECAUSE"]
    assert entry(cloud.machine, Kind.METADATA_UNKNOWN)["PRIORITY"] == "4"

    cloud.revive_metadata()
    entry(cloud.machine, Kind.METADATA_ANSWERS, limit_s=60)
    assert cloud.machine.run("ip rule; ip -6 rule") == before


def test_after_a_power_cut_routing_comes_back_from_the_state(cloud: Cloud) -> None:
    cloud.kill_metadata()
    cloud.power_cut()
    assert_answers(cloud, ETH1)


def test_a_first_boot_without_metadata_is_not_held_up_for_long(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled, metadata=False)
    cloud.boot()
    assert cloud.machine.boot_s < 30
    assert_silent(cloud, ETH1)
    cloud.revive_metadata()
    assert_answers(cloud, ETH1)


def test_routing_stands_before_network_online(start_cloud: StartCloud, enabled: Layers) -> None:
    cloud = start_cloud(enabled)
    cloud.boot()
    _assert_online_comes_after_routing(cloud)


def test_routing_stands_before_network_online_where_networkd_configures_the_nics(
    start_cloud: StartCloud, enabled: Layers
) -> None:
    cloud = start_cloud(enabled, configured=False)
    cloud.boot()
    for nic, more in ((ETH0, "Gateway=172.16.0.253"), (ETH1, "")):
        cloud.machine.write(f"/etc/systemd/network/{nic.name}.network", _network(nic, more))
    cloud.machine.run("systemctl enable systemd-networkd systemd-networkd-wait-online")
    _assert_online_comes_after_routing(cloud)


def _assert_online_comes_after_routing(cloud: Cloud) -> None:
    machine = cloud.machine
    machine.write("/etc/systemd/system/wants-network.service", ONLINE)
    machine.run("systemctl enable wants-network")
    drop_in(machine, "ExecStartPre=sleep 2")  # a slow disk: being first by luck does not help
    cloud.reboot()
    online = int(
        machine.unit("network-online.target", "ActiveEnterTimestampMonotonic")[
            "ActiveEnterTimestampMonotonic"
        ]
    )
    for kind in (Kind.RULE_ADDED, Kind.ROUTE_ADDED):
        told = entries(machine, kind)
        assert told
        assert max(int(one["__MONOTONIC_TIMESTAMP"]) for one in told) < online
    assert "via 172.16.1.253 dev eth1" in machine.run("cat /run/seen")
    assert_answers(cloud, ETH1)


def _network(nic: Eni, more: str) -> str:
    addresses = [f"Address={nic.v4[0]}/24", f"Address={nic.v6[0]}/64"]
    return NETWORK.format(mac=nic.mac, lines="\n".join([*addresses, more]))
