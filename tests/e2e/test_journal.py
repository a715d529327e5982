"""What journald has of srcroutd: all fields of each change, and an explanation of each entry."""

from srcroutd.core.entry import Kind
from srcroutd.lab.topology import ETH1, ETH2
from tests.e2e.cloud import Cloud
from tests.e2e.expect import assert_answers, entries, entry, until


def test_each_change_is_an_entry_with_all_its_fields(cloud: Cloud) -> None:
    told = {one["SRCROUTD_OPERATION"]: one for one in entries(cloud.machine, Kind.RULE_ADDED)}
    one = told["+ ip rule 18016: from 172.16.1.10 lookup 18001"]
    expected = {
        "INTERFACE": "eth1",
        "PRIORITY": "6",
        "SRCROUTD_ADDRESS": "172.16.1.10",
        "SRCROUTD_BECAUSE": "first address of eni-lab-0001, read from aliyun",
        "SRCROUTD_ENI": "eni-lab-0001",
        "SRCROUTD_GENERATION": "1",
        "SRCROUTD_KIND": "rule",
        "SRCROUTD_PRIORITY": "18016",
        "SRCROUTD_TABLE": "18001",
        "SRCROUTD_VERB": "add",
        "SYSLOG_IDENTIFIER": "srcroutd",
        "_SYSTEMD_UNIT": "srcroutd.service",
        "_TRANSPORT": "journal",
    }
    assert {key: one.get(key) for key in expected} == expected


def test_as_many_entries_as_the_kernel_has_rules_and_routes(cloud: Cloud) -> None:
    rules = cloud.machine.run("ip -4 rule show; ip -6 rule show").count("proto srcroutd")
    show = "route show table all proto 83"
    routes = cloud.machine.run(f"ip -4 {show}; ip -6 {show}").count("\n")
    assert (rules, routes) == (12, 8)
    assert len(entries(cloud.machine, Kind.RULE_ADDED)) == rules
    assert len(entries(cloud.machine, Kind.ROUTE_ADDED)) == routes


def test_entries_can_be_asked_for_by_nic_and_eni(cloud: Cloud) -> None:
    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)
    for match in ("INTERFACE=eth2", "SRCROUTD_ENI=eni-lab-0002"):
        said = cloud.machine.run(f"journalctl -b -o cat -t srcroutd {match}")
        assert "eth2 eni-lab-0002  + ip rule" in said
        assert "eni-lab-0001  +" not in said


def test_journalctl_explains_an_entry(cloud: Cloud) -> None:
    said = cloud.machine.run(f"journalctl -b -x --no-pager MESSAGE_ID={Kind.RULE_ADDED.message_id}")
    assert "Subject: A rule was added" in said
    assert "Why: first address of eni-lab-0001, read from aliyun." in said
    assert "This is its daily work; nothing is to do." in said
    assert "journalctl -u srcroutd SRCROUTD_GENERATION=1" in said


def test_every_entry_of_a_life_has_its_explanation(cloud: Cloud) -> None:
    cloud.attach(ETH2)
    assert_answers(cloud, ETH2)
    cloud.detach(ETH2)
    until(lambda: entries(cloud.machine, Kind.RULE_DELETED), "eth2's rules are deleted")
    cloud.kill_metadata()
    cloud.machine.run("systemctl reload srcroutd; srcroutctl reconcile; systemctl restart srcroutd")
    entry(cloud.machine, Kind.STOPPED)
    known = cloud.machine.run("journalctl --list-catalog").splitlines()
    ours = {line.split()[0] for line in known if " srcroutd: " in line}
    assert ours == {kind.message_id for kind in Kind}
    for one in cloud.machine.journal("SYSLOG_IDENTIFIER=srcroutd"):
        assert one["MESSAGE_ID"] in ours, one["MESSAGE"]


def test_nothing_is_said_while_nothing_happens(cloud: Cloud) -> None:
    assert_answers(cloud, ETH1)
    before = len(cloud.machine.journal("SYSLOG_IDENTIFIER=srcroutd"))
    cloud.machine.run("sleep 5")
    assert len(cloud.machine.journal("SYSLOG_IDENTIFIER=srcroutd")) == before
