"""A real kernel in a lab's instance: each trap is seen when it is there, and only then."""

import json
import sys

import pytest

from srcroutd.lab.cloud import Cloud
from srcroutd.lab.topology import ETH0, ETH1
from tests.doctor.conftest import Ask, found

IP1 = str(ETH1.v4[0])
GATEWAY1 = str(ETH1.vswitch.gateway4)


def test_a_clean_host_with_srcroutd_running_needs_nothing_done(cloud: Cloud) -> None:
    cloud.daemon.start()
    told = cloud.daemon.ctl("doctor", check=False)
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith("nothing needs doing.\n")
    # Two NICs in one subnet, the lab's echo server, and IPv6 that was configured by hand.
    assert found(cloud).keys() == {"arp-flux", "udp-wildcard", "keep-addr-on-down"}
    assert cloud.daemon.ctl("doctor", "--no-notes").out == "Nothing found.\n"


def test_a_host_on_which_srcroutd_never_ran_needs_nothing_done_either(cloud: Cloud) -> None:
    assert cloud.daemon.ctl("doctor").code == 0
    assert found(cloud)["daemon-not-running"]["severity"] == "note"


def test_rules_that_stand_while_nobody_watches_are_a_risk(cloud: Cloud) -> None:
    cloud.daemon.start()
    cloud.daemon.stop()
    finding = found(cloud)["daemon-not-running"]
    assert finding["severity"] == "risk"
    assert "of its rules stand" in finding["what"]
    assert cloud.daemon.ctl("doctor", check=False).code == 1


def test_a_daemon_that_stands_by_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "standing-by" not in ask()
    cloud.daemon.ctl("cleanup")
    assert ask()["standing-by"]["next"] == "$ srcroutctl reconcile"


def test_metadata_that_cannot_be_read_is_told(ask: Ask, cloud: Cloud) -> None:
    assert "metadata-trouble" not in ask()
    cloud.metadata.stop()
    cloud.daemon.ctl("reconcile", check=False)
    assert ask()["metadata-trouble"]["severity"] == "risk"


def test_a_broken_configuration_is_a_finding_and_no_crash(cloud: Cloud) -> None:
    cloud.daemon.config.write_text("protokoll = 5\n")
    finding = found(cloud)["daemon-not-seen"]
    assert finding["severity"] == "problem"
    assert "protokoll" in finding["what"]


def test_who_is_not_root_learns_what_could_not_be_looked_at(ask: Ask, cloud: Cloud) -> None:
    ask()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]
    if cloud.instance.run(*nobody, "-c", "import srcroutd", check=False).code:
        pytest.skip("srcroutd and its Python lie where only their owner may read")
    words = ("-m", "srcroutd.cli.srcroutctl", "doctor", "--json")
    told = cloud.instance.run(*nobody, *words, check=False)
    answer = json.loads(told.out)
    assert told.code == 0
    (note,) = answer["findings"]
    assert (note["slug"], note["severity"]) == ("daemon-not-seen", "note")
    assert any("only root may see them" in word for word in answer["not_looked_at"])
    assert any("firewall" in word for word in answer["not_looked_at"])


def test_a_recipes_rule_before_ours_is_a_risk_and_adopt_is_the_cure(ask: Ask, cloud: Cloud) -> None:
    assert "rule-of-recipe" not in ask()
    cloud.instance.ip(f"route add default via {GATEWAY1} dev eth1 table 200")
    cloud.instance.ip(f"rule add priority 100 from {IP1} table 200")
    finding = ask()["rule-of-recipe"]
    assert (finding["severity"], finding["nic"]) == ("risk", "eth1")
    assert f"100: from {IP1} lookup 200" in finding["what"]
    assert "stranger-decides" not in ask()  # It leads where ours would.
    cloud.daemon.ctl("adopt", "--yes")
    assert "rule-of-recipe" not in ask()


def test_a_recipes_rule_after_ours_is_a_note(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip(f"rule add priority 30400 from {IP1} table 1001")
    findings = ask()
    assert findings["rule-of-recipe"]["severity"] == "note"
    # Its priority is one of nm-cloud-setup's.
    assert findings["rival-agent"]["severity"] == "note"


def test_a_strangers_rule_that_leads_our_address_elsewhere_is_a_problem(
    ask: Ask, cloud: Cloud
) -> None:
    cloud.instance.ip(f"rule add priority 20000 from {ETH1.vswitch.v4} lookup main")
    assert "stranger-decides" not in ask()
    cloud.instance.ip(f"rule add priority 500 from {ETH1.vswitch.v4} lookup main")
    finding = ask()["stranger-decides"]
    assert finding["severity"] == "problem"
    assert "leave by eth0" in finding["what"]
    assert f"500: from {ETH1.vswitch.v4} lookup main" in finding["what"]


def test_a_strangers_rule_that_ours_will_precede_is_no_finding(cloud: Cloud) -> None:
    cloud.instance.ip(f"rule add priority 20000 from {ETH1.vswitch.v4} lookup main")
    assert "stranger-decides" not in found(cloud)
    cloud.instance.ip(f"rule add priority 500 from {ETH1.vswitch.v4} lookup main")
    assert found(cloud)["stranger-decides"]["severity"] == "problem"


def test_a_strangers_rule_that_decides_nothing_is_no_finding(ask: Ask, cloud: Cloud) -> None:
    before = ask().keys()
    cloud.instance.ip("rule add priority 500 to 192.0.2.0/24 blackhole")
    cloud.instance.ip("rule add priority 501 from 172.17.0.0/16 lookup main")
    assert ask().keys() == before


def test_a_blackhole_before_ours_is_a_problem(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip(f"rule add priority 500 from {IP1} blackhole")
    finding = ask()["stranger-decides"]
    assert "do not leave at all" in finding["what"]


def test_numbers_of_ours_that_strangers_use_are_told(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip("rule add priority 18017 from 192.0.2.1 lookup main")  # room for people
    assert not {"stranger-in-band", "protocol-elsewhere"} & ask().keys()
    cloud.instance.ip("rule add priority 18555 from 192.0.2.1 lookup main")
    cloud.instance.ip("rule add priority 400 from 192.0.2.3 lookup main protocol 83")
    findings = ask()
    assert findings["stranger-in-band"]["severity"] == "risk"
    assert "18555: from 192.0.2.1 lookup main" in findings["stranger-in-band"]["what"]
    assert "400: from 192.0.2.3 lookup main" in findings["protocol-elsewhere"]["what"]


def test_a_route_with_our_number_outside_our_tables_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip(f"route add 198.51.100.0/24 via {GATEWAY1} dev eth1")
    assert "protocol-elsewhere" not in ask()
    cloud.instance.ip(f"route add 198.51.100.0/25 via {GATEWAY1} dev eth1 protocol 83")
    finding = ask()["protocol-elsewhere"]
    assert finding["severity"] == "risk"
    assert "198.51.100.0/25" in finding["what"]


def test_a_rule_without_a_priority_lands_before_ours_and_is_a_note(ask: Ask, cloud: Cloud) -> None:
    assert "stranger-in-band" not in ask()
    cloud.instance.ip("rule add from 192.0.2.2 lookup main")
    assert ask()["stranger-in-band"]["severity"] == "note"


def test_a_route_of_a_stranger_in_a_table_of_ours_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip("rule add priority 20000 from 192.0.2.1 lookup 18077")
    assert "stranger-in-band" not in ask()
    cloud.instance.ip(f"route add default via {GATEWAY1} dev eth1 table 18077")
    finding = ask()["stranger-in-band"]
    assert finding["severity"] == "risk"
    assert "table 18077" in finding["what"]


def test_a_whole_mark_is_a_note_and_beside_others_marks_a_risk(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip(f"route add default via {GATEWAY1} dev eth1 table 100")
    cloud.instance.ip("rule add priority 1000 fwmark 0x1/0xff table 100")
    assert "mark-without-mask" not in ask()
    cloud.instance.ip("rule add priority 1001 fwmark 0x1 table 100")
    assert ask()["mark-without-mask"]["severity"] == "note"
    cloud.instance.ip("rule add priority 5270 lookup 52")
    finding = ask()["mark-without-mask"]
    assert finding["severity"] == "risk"
    assert "tailscale" in finding["why"]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["rule add priority 5270 lookup 52"], "tailscale"),
        (["rule add not fwmark 51820 lookup 51820 priority 20000"], "wg-quick"),
        (["rule add priority 1024 fwmark 0x80/0x80 lookup main"], "the Amazon VPC CNI"),
        (["rule add priority 9 fwmark 0x200/0xf00 lookup 2004"], "cilium"),
        (["rule add priority 2001 fwmark 0x100/0x3f00 lookup 1"], "mwan3"),
        (["link add docker0 type bridge"], "docker"),
        (["link add flannel.1 type bridge"], "flannel"),
        (["link add vxlan.calico type bridge"], "calico"),
        (
            ["link add cali0 type bridge", "rule add priority 512 to 172.16.1.9 lookup main"],
            "terway",
        ),
    ],
)
def test_each_neighbour_is_recognised(cloud: Cloud, lines: list[str], name: str) -> None:
    assert "neighbour" not in found(cloud)
    cloud.instance.ip_batch(lines)
    finding = found(cloud)["neighbour"]
    assert finding["what"].startswith(name)
    assert finding["severity"] == "note"


def test_rp_filter_drops_where_our_rules_are_missing_and_nowhere_else(cloud: Cloud) -> None:
    cloud.instance.sysctl({"net/ipv4/conf/all/rp_filter": "1"})
    finding = found(cloud)["rp-filter-drops"]
    assert finding["severity"] == "problem"
    assert "rp_filter is strict" in finding["what"]
    assert not cloud.client.probe(IP1)
    cloud.daemon.start()
    assert not {"rp-filter-drops", "rp-filter-strict"} & found(cloud).keys()
    assert cloud.client.probe(IP1)


def test_a_published_port_is_a_risk_and_with_strict_rp_filter_two(ask: Ask, cloud: Cloud) -> None:
    nft = "table ip nat {{ chain pre {{ type nat hook prerouting priority dstnat; {}; }}; }}"
    rule = "{} tcp dport 8080 dnat to 172.17.0.2:80"
    for harmless in (
        'iifname "eth0" tcp dport 8080 dnat to 172.17.0.2:80',
        f"ip daddr {ETH0.v4[0]} tcp dport 8080 dnat to 172.17.0.2:80",
    ):
        cloud.instance.run("nft", "-f", "-", text=nft.format(harmless))
        assert "dnat-replies" not in ask()
        cloud.instance.run("nft", "flush", "ruleset")
    cloud.instance.run("nft", "-f", "-", text=nft.format(rule.format('iifname != "docker0"')))
    findings = ask()
    assert findings["dnat-replies"]["severity"] == "risk"
    assert "(nat pre)" in findings["dnat-replies"]["what"]
    assert "rp-filter-strict" not in findings
    cloud.instance.sysctl({"net/ipv4/conf/eth1/rp_filter": "1"})
    assert ask()["rp-filter-strict"]["nic"] == "eth1"


def test_arp_flux_is_told_until_it_is_cured(ask: Ask, cloud: Cloud) -> None:
    command = ask()["arp-flux"]["next"].splitlines()[-1].removeprefix("$ sysctl -w ")
    cloud.instance.sysctl(
        {
            name.replace(".", "/"): value
            for name, value in (one.split("=") for one in command.split())
        }
    )
    assert "arp-flux" not in ask()


def test_secondaries_that_hang_on_the_first_address_are_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "promote-secondaries" not in ask()
    cloud.instance.ip("addr add 172.16.1.77/24 dev eth1")
    cloud.daemon.ctl("reconcile")
    finding = ask()["promote-secondaries"]
    assert (finding["severity"], finding["nic"]) == ("risk", "eth1")
    cloud.instance.sysctl({"net/ipv4/conf/eth1/promote_secondaries": "1"})
    assert "promote-secondaries" not in ask()


def test_ipv6_that_is_switched_off_on_a_nic_that_has_some_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "ipv6-disabled" not in ask()
    cloud.instance.sysctl({"net/ipv6/conf/eth1/disable_ipv6": "1"})
    cloud.daemon.ctl("reconcile")
    finding = ask()["ipv6-disabled"]
    assert (finding["severity"], finding["nic"]) == ("risk", "eth1")


def test_a_nic_that_is_down_or_bare_is_told(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip("link set eth2 down")
    cloud.daemon.ctl("reconcile", check=False)
    finding = ask()["nic-down"]
    assert (finding["severity"], finding["nic"]) == ("problem", "eth2")
    cloud.instance.ip("link set eth2 up")
    cloud.instance.ip("addr flush dev eth2")
    cloud.daemon.ctl("reconcile", check=False)
    findings = ask()
    assert "nic-down" not in findings
    assert findings["nic-without-address"]["nic"] == "eth2"


def test_an_address_that_only_metadata_has_is_a_note(ask: Ask, cloud: Cloud) -> None:
    assert "address-not-on-nic" not in ask()
    cloud.add_address(ETH1, "172.16.1.77", on_nic=False)
    cloud.daemon.ctl("reconcile")
    finding = ask()["address-not-on-nic"]
    assert (finding["severity"], finding["nic"]) == ("note", "eth1")
    assert "172.16.1.77" in finding["what"]


def test_an_address_on_two_nics_is_a_risk(ask: Ask, cloud: Cloud) -> None:
    assert "address-twice" not in ask()
    cloud.instance.ip(f"addr add {IP1}/32 dev eth2")
    assert ask()["address-twice"]["what"] == f"{IP1} is on eth1 and eth2 at the same time"


def test_a_default_route_of_a_secondary_nic_matters_if_it_is_first(ask: Ask, cloud: Cloud) -> None:
    cloud.instance.ip(f"route add default via {GATEWAY1} dev eth1 metric 200")
    assert "secondary-default" not in ask()
    cloud.instance.ip(f"route add default via {GATEWAY1} dev eth1 metric 50")
    finding = ask()["secondary-default"]
    assert (finding["severity"], finding["nic"]) == ("risk", "eth1")
    assert "metric 50, before 100 of eth0" in finding["what"]


def test_a_host_without_a_default_route_is_a_problem(ask: Ask, cloud: Cloud) -> None:
    assert "no-default-route" not in ask()
    cloud.instance.ip("route del default dev eth0")
    assert ask()["no-default-route"]["severity"] == "problem"


def test_udp_servers_on_all_addresses_are_one_note_with_their_names(ask: Ask) -> None:
    finding = ask()["udp-wildcard"]
    assert finding["severity"] == "note"
    assert "python" in finding["what"]
    assert "(7)" in finding["what"]
