"""Files on a host to findings: each recipe and neighbour is seen, and nothing else is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from srcroutd.doctor.files import LONGEST, MANY, Files
from srcroutd.doctor.finding import Finding, Severity, Slug
from srcroutd.doctor.gather import gather

Host = Callable[[dict[str, str]], list[Finding]]
WANTS = "/etc/systemd/system/multi-user.target.wants"
NETWORKD = {f"{WANTS}/systemd-networkd.service": "->/usr/lib/systemd/system/systemd-networkd"}
BOTH = "[Network]\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=no\n"
PROFILES = "/etc/NetworkManager/system-connections"
SEED_000 = """\
[connection]
id=System eth1
interface-name=eth1
[ipv4]
route1=0.0.0.0/0,198.51.100.253
route1_options=table=200
route2=198.51.100.0/24
route2_options=table=200
routing-rule1=priority 100 from 198.51.100.5 table 200
"""
SEED_001 = """\
#!/bin/sh
# ip -4 rule add from 198.51.100.5 lookup 77
ip -4 route add default via 198.51.100.253 dev eth1 table 1001
ip -4 rule add from 198.51.100.5 lookup 1001
touch /var/lock/local
"""


def one(findings: list[Finding], slug: Slug) -> Finding:
    """The only finding with this slug."""
    (finding,) = [finding for finding in findings if finding.slug is slug]
    return finding


def none(findings: list[Finding], slug: Slug) -> bool:
    return not any(finding.slug is slug for finding in findings)


def about_files(findings: list[Finding]) -> list[Slug]:
    """What is not about the kernel of the machine that runs the tests."""
    first, last = Slug.NETWORKD_FOREIGN, Slug.DUAL_TRAFFIC_SCRIPT
    slugs = list(Slug)
    known = {*slugs[slugs.index(first) : slugs.index(last) + 1]}
    known |= {Slug.RC_LOCAL, Slug.NETPLAN_POLICY, Slug.INTERFACES_COMMANDS, Slug.TABLE_LABEL}
    return [finding.slug for finding in findings if finding.slug in known]


def test_an_empty_host_has_no_findings_about_files(host: Host) -> None:
    assert about_files(host({})) == []


def test_networkd_as_it_comes_deletes_our_rules_and_the_drop_in_is_spelled_out(host: Host) -> None:
    finding = one(host(NETWORKD), Slug.NETWORKD_FOREIGN)
    assert finding.severity is Severity.RISK
    assert finding.what.startswith("systemd-networkd is enabled without")
    write = next(line for line in finding.next.splitlines() if "printf" in line)
    text = write.removeprefix("$ printf '").partition("' > ")[0].replace("\\n", "\n")
    assert text == BOTH
    assert write.endswith(" > /etc/systemd/networkd.conf.d/50-srcroutd.conf")


def test_a_running_networkd_counts_as_one(host: Host) -> None:
    finding = one(host({"/proc/77/comm": "systemd-network\n"}), Slug.NETWORKD_FOREIGN)
    assert finding.what.startswith("systemd-networkd runs without")


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/systemd/networkd.conf.d/50-srcroutd.conf": BOTH},
        {"/usr/lib/systemd/networkd.conf.d/50-srcroutd.conf": BOTH},
        {"/etc/systemd/networkd.conf": BOTH},
        {"/run/systemd/networkd.conf": BOTH.replace("no", "false")},
        # The drop-ins stand above networkd.conf, a later name above an earlier one.
        {
            "/etc/systemd/networkd.conf": BOTH.replace("no", "yes"),
            "/etc/systemd/networkd.conf.d/20-b.conf": BOTH,
            "/usr/lib/systemd/networkd.conf.d/10-a.conf": BOTH.replace("no", "yes"),
        },
        {"/etc/systemd/networkd.conf": BOTH + "ManageForeignRoutes=perhaps\n"},
        {"/etc/systemd/system/systemd-networkd.service": "->/dev/null"},
    ],
)
def test_networkd_that_leaves_us_alone_is_no_finding(host: Host, files: dict[str, str]) -> None:
    assert about_files(host(NETWORKD | files)) == []


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/systemd/networkd.conf": BOTH.replace("[Network]", "[DHCPv4]")},
        {"/etc/systemd/networkd.conf": "[Network]\nManageForeignRoutes=no\n"},
        {"/etc/systemd/networkd.conf": BOTH.replace("\nManage", "\n#Manage")},
        # An earlier networkd.conf hides a later one whole.
        {"/etc/systemd/networkd.conf": "", "/usr/lib/systemd/networkd.conf": BOTH},
        # A link to /dev/null masks a drop-in of the same name.
        {
            "/usr/lib/systemd/networkd.conf.d/50-srcroutd.conf": BOTH,
            "/etc/systemd/networkd.conf.d/50-srcroutd.conf": "->/dev/null",
        },
        {
            "/etc/systemd/networkd.conf.d/10-a.conf": BOTH,
            "/usr/lib/systemd/networkd.conf.d/20-b.conf": BOTH.replace("no", "yes"),
        },
    ],
)
def test_settings_that_do_not_count_leave_the_finding(host: Host, files: dict[str, str]) -> None:
    assert not none(host(NETWORKD | files), Slug.NETWORKD_FOREIGN)


def test_networkmanager_is_a_note(host: Host) -> None:
    finding = one(host({"/proc/8/comm": "NetworkManager\n"}), Slug.NETWORKMANAGER)
    assert finding.severity is Severity.NOTE


def test_the_first_recipe_in_a_profile_is_found_with_the_commands_that_remove_it(
    host: Host,
) -> None:
    finding = one(host({f"{PROFILES}/eth1.nmconnection": SEED_000}), Slug.NM_PROFILE)
    assert (finding.severity, finding.nic) == (Severity.RISK, "eth1")
    assert f"{PROFILES}/eth1.nmconnection:9: routing-rule1=priority 100" in finding.what
    assert "$ nmcli connection modify 'System eth1' -ipv4.routing-rules" in finding.next
    assert finding.next.count("-ipv4.routes") == 2


def test_a_profile_with_other_peoples_rules_is_none_of_our_business(host: Host) -> None:
    theirs = SEED_000.replace("198.51.100", "203.0.113")
    assert about_files(host({f"{PROFILES}/eth1.nmconnection": theirs})) == []


def test_the_network_scripts_of_the_first_recipe_are_found(host: Host) -> None:
    folder = "/etc/sysconfig/network-scripts"
    findings = host(
        {
            f"{folder}/rule-eth1": "priority 100 from 198.51.100.5 table 200\n",
            f"{folder}/route-eth1": "default via 198.51.100.253 table 200\n",
            f"{folder}/route-eth9": "default via 203.0.113.1 table 300\n",
        }
    )
    found = [finding.what for finding in findings if finding.slug is Slug.IFCFG_FILES]
    assert [what.partition(": ")[2] for what in found] == [
        f"{folder}/route-eth1:1: default via 198.51.100.253 table 200",
        f"{folder}/rule-eth1:1: priority 100 from 198.51.100.5 table 200",
    ]


def test_the_second_recipe_is_quoted_with_file_and_line(host: Host) -> None:
    finding = one(host({"/etc/rc.local": SEED_001}), Slug.RC_LOCAL)
    assert (finding.severity, finding.nic) == (Severity.RISK, "eth1")
    assert finding.what.endswith(
        "/etc/rc.local:3: ip -4 route add default via 198.51.100.253 dev eth1 table 1001; "
        "/etc/rc.local:4: ip -4 rule add from 198.51.100.5 lookup 1001"
    )
    assert "srcroutctl adopt" in finding.next


def test_odd_digits_and_endless_lines_crash_nothing(host: Host) -> None:
    odd = f"{SEED_001}ip rule add from 198.51.100.5 table \u00b2\nx table {'7' * 5000}\n\u2028\n"
    labels = f"\u00b2 eth1_table\n{'7' * 5000} eth1_table\n"
    findings = host({"/etc/rc.local": odd, "/etc/iproute2/rt_tables": labels})
    assert one(findings, Slug.RC_LOCAL).what.endswith("and 1 more")


def test_an_rc_local_that_nobody_may_run_does_nothing(host: Host) -> None:
    assert about_files(host({"/etc/rc.local": SEED_001.removeprefix("#!/bin/sh\n")})) == []


def test_the_script_of_the_first_recipe_is_a_note_wherever_it_lies(host: Host) -> None:
    finding = one(host({"/home/ann/config_dual_traffic.sh": "x"}), Slug.DUAL_TRAFFIC_SCRIPT)
    assert finding.severity is Severity.NOTE
    assert finding.what.startswith("/home/ann/config_dual_traffic.sh")


def test_a_routing_policy_of_netplan_is_found(host: Host) -> None:
    text = "network:\n  ethernets:\n    eth1:\n      routing-policy:\n      - from: {}\n"
    path = "/etc/netplan/60-eth1.yaml"
    finding = one(host({path: text.format("198.51.100.5")}), Slug.NETPLAN_POLICY)
    assert f"{path}:5: - from: 198.51.100.5" in finding.what
    assert about_files(host({path: text.format("203.0.113.77")})) == []


def test_a_policy_that_cloud_init_writes_is_to_be_forbidden_there(host: Host) -> None:
    text = "      routing-policy:\n      - from: 198.51.100.5\n        table: 101\n"
    finding = one(host({"/etc/netplan/50-cloud-init.yaml": text}), Slug.NETPLAN_POLICY)
    assert "cloud-init writes it" in finding.next


def test_commands_of_ifupdown_are_found(host: Host) -> None:
    line = "    post-up ip rule add from 198.51.100.5 lookup 1001"
    findings = host({"/etc/network/interfaces": f"iface eth1 inet dhcp\n{line}\n"})
    assert f"/etc/network/interfaces:2: {line.strip()}" in (
        one(findings, Slug.INTERFACES_COMMANDS).what
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/etc/systemd/system/timers.target.wants/nm-cloud-setup.timer", "nm-cloud-setup"),
        ("/etc/systemd/system/timers.target.wants/cloud-netconfig.timer", "cloud-netconfig"),
        ("/usr/lib/udev/rules.d/99-vpc-policy-routes.rules", "amazon-ec2-net-utils"),
    ],
)
def test_an_agent_that_does_the_same_job_is_named(host: Host, file: str, name: str) -> None:
    finding = one(host({file: "x"}), Slug.RIVAL_AGENT)
    assert finding.severity is Severity.RISK
    assert finding.what.startswith(f"{name} is switched on")


def test_a_label_for_a_nic_that_no_rule_asks_for_is_a_note(host: Host) -> None:
    finding = one(host({"/etc/iproute2/rt_tables": "100\teth1_table\n"}), Slug.TABLE_LABEL)
    assert finding.severity is Severity.NOTE
    assert "calls table 100 eth1_table" in finding.what
    others = "255\tlocal\n101\teth11_table\n102\tvpn\n18001\tsrcroutd-eth1\n"
    assert none(host({"/etc/iproute2/rt_tables": others}), Slug.TABLE_LABEL)


def test_the_setting_of_the_last_recipe_without_rules_by_mark_is_a_note(host: Host) -> None:
    text = "# ours\nnet.ipv4.conf.eth1.src_valid_mark=1\n"
    finding = one(host({"/etc/sysctl.d/10-eth1.conf": text}), Slug.SRC_VALID_MARK)
    assert finding.what == "/etc/sysctl.d/10-eth1.conf:2: net.ipv4.conf.eth1.src_valid_mark=1"
    assert none(host({"/etc/sysctl.d/10-eth1.conf": text.replace("=1", "=0")}), Slug.SRC_VALID_MARK)


def test_names_and_lines_that_command_a_terminal_do_not_reach_it(host: Host) -> None:
    row = "0: 00000000:0035 00000000:0000 07 0:0 00:0 0 0 0 99 2 0 0\n"
    findings = host(
        {
            "/proc/net/udp": f"head\n{row}",
            "/proc/7/comm": "\x1b[2Jevil\n",
            "/proc/7/fd/3": "->socket:[99]",
            "/etc/rc.local": SEED_001.replace("dev eth1", "dev\teth1 \x1b[2J"),
        }
    )
    assert "?[2Jevil (53)" in one(findings, Slug.UDP_WILDCARD).what
    assert "\x1b" not in "".join(finding.what for finding in findings)
    assert "dev eth1  [2J table 1001" in one(findings, Slug.RC_LOCAL).what


def test_a_fifo_keeps_nobody_waiting_and_odd_bytes_crash_nothing(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/rc.local")
    (tmp_path / "etc/other").write_bytes(b"\xff\xfe ip rule\n")
    files = Files(tmp_path)
    files.read(["/etc/rc.local", "/etc/other", "/etc/absent", "/absent/*.conf"])
    assert files.texts == {"/etc/other": "\ufffd\ufffd ip rule\n"}
    assert files.unseen == []


def test_a_file_without_end_is_read_in_part_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (LONGEST + 5))
    files = Files(tmp_path)
    files.read(["/big"])
    assert len(files.texts["/big"]) == LONGEST
    assert files.unseen == ["the end of /big: it is longer than 256 KiB"]


def test_a_crowd_of_files_is_read_in_part_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "etc/many").mkdir(parents=True)
    for number in range(MANY + 1):
        (tmp_path / f"etc/many/{number:04}.conf").touch()
    files = Files(tmp_path)
    files.read(["/etc/many/*.conf"])
    assert len(files.texts) == MANY
    assert files.unseen == [f"/etc/many: only the first {MANY} files were read"]


def test_a_nat_table_of_iptables_legacy_is_named_as_not_looked_at(tmp_path: Path) -> None:
    names = tmp_path / "proc/net/ip_tables_names"
    names.parent.mkdir(parents=True)
    names.write_text("filter\n")
    assert not any("legacy" in word for word in gather(None, None, tmp_path).unseen)
    names.write_text("nat\nfilter\n")
    assert any("legacy" in word for word in gather(None, None, tmp_path).unseen)


def test_a_loop_of_links_is_named_as_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/rc.local").symlink_to("rc.local")
    scene = gather(None, None, tmp_path)
    assert [word for word in scene.unseen if "rc.local" in word] == [
        "/etc/rc.local: too many levels of symbolic links"
    ]
