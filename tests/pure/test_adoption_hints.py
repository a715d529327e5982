"""What would bring back what was taken over: lines in the files of each tool, with what to do."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from srcroutd.core.adoption import Adoption, adoption
from srcroutd.core.adoption_hints import Hint, Wanted, hints, table_names
from srcroutd.daemon.adopt_files import read_hints
from tests.pure.recipes import VIEW, from_ip, seen

IP = "192.0.2.10"
WANTED = Wanted({ip_address(IP): "eth1", ip_address("2001:db8:1::10"): "eth1"})


def told(path: str, text: str, wanted: Wanted = WANTED) -> list[tuple[str, str, str]]:
    return [(hint.place, hint.line, hint.next[0]) for hint in hints({path: text}, wanted)]


def test_both_lines_of_rc_local_are_quoted_with_their_numbers() -> None:
    text = f"""#!/bin/sh
# ip -4 rule add from {IP} lookup 1001
ip -4 route add default via 192.0.2.1 dev eth1 table 1001
ip -4 rule add from {IP} lookup 1001
exit 0
"""
    assert told("/etc/rc.local", text) == [
        (
            "/etc/rc.local:3",
            "ip -4 route add default via 192.0.2.1 dev eth1 table 1001",
            "delete this line",
        ),
        ("/etc/rc.local:4", f"ip -4 rule add from {IP} lookup 1001", "delete this line"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "ip rule add from 192.0.2.100 lookup 1001",
        "ip rule add from 192.0.2.0/24 lookup 1001",
        "ip rule add from 1192.0.2.10 lookup 1001",
        "ip rule add from 2001:db8:1::10:1 lookup 1001",
        "ip route add default via 192.0.2.1 table 1002",
        "ip route add default via 192.0.2.1 dev eth1 metric 200",
        "iptables -t nat -A POSTROUTING -s 192.0.2.10 -j MASQUERADE",
        f"; ip rule add from {IP} lookup 1001",
        "ip route add default via 192.0.2.1 table main",
    ],
)
def test_what_is_not_about_our_addresses_and_tables_is_passed_over(line: str) -> None:
    wanted = Wanted(WANTED.nics, {1001})
    assert told("/etc/rc.local", line, wanted) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/etc/network/interfaces", f"post-up ip rule add from {IP}/32 lookup 1001"),
        ("/etc/network/interfaces", "up ip route add default via 192.0.2.1 table eth1_table"),
        ("/etc/sysconfig/network-scripts/rule-eth1", f"from {IP} table 1001"),
        ("/etc/sysconfig/network-scripts/route-eth1", "default via 192.0.2.1 dev eth1 table 1001"),
        ("/etc/sysconfig/network-scripts/rule6-eth1", "from 2001:DB8:1::10 table 1001"),
        ("/etc/netplan/50-eth1.yaml", f'- from: "{IP}"'),
        ("/etc/netplan/50-eth1.yaml", "table: 1001"),
        ("/etc/systemd/network/eth1.network", f"From={IP}"),
        ("/etc/systemd/network/eth1.network", "Table=1001"),
        ("/etc/cron.d/routes", f"@reboot root ip rule add from {IP} table 1001"),
    ],
)
def test_each_tools_notation_is_understood(path: str, line: str) -> None:
    wanted = Wanted(WANTED.nics, {1001}, {"eth1_table": 1001})
    assert [hint[:2] for hint in told(path, line, wanted)] == [(f"{path}:1", line)]


PROFILE = f"""[connection]
id=System eth1
interface-name=eth1

[ipv4]
method=auto
route1=0.0.0.0/0,192.0.2.1
route1_options=table=200
route2=192.0.2.0/24
route2_options=table=200
route3=10.0.0.0/8,192.0.2.1
routing-rule1=priority 100 from {IP} table 200
routing-rule2=priority 100 from 192.0.2.77 table 201
"""


def test_a_profile_of_networkmanager_gets_the_nmcli_commands_that_undo_it() -> None:
    path = "/etc/NetworkManager/system-connections/eth1.nmconnection"
    found = hints({path: PROFILE}, WANTED)
    modify = "nmcli connection modify 'System eth1'"
    assert [(hint.place, hint.next) for hint in found] == [
        (f"{path}:7", (f"{modify} -ipv4.routes '0.0.0.0/0 192.0.2.1 table=200'",)),
        (f"{path}:9", (f"{modify} -ipv4.routes '192.0.2.0/24 table=200'",)),
        (f"{path}:12", (f"{modify} -ipv4.routing-rules 'priority 100 from {IP} table 200'",)),
        (path, ("then: nmcli device reapply eth1",)),
    ]


def test_the_vendors_script_is_named_wherever_it_lies() -> None:
    (hint,) = hints({"/root/config_dual_traffic.sh": "NIC=$1"}, WANTED)
    assert (hint.place, hint.next) == (
        "/root/config_dual_traffic.sh",
        ("do not run it again: it adds the same once more",),
    )


def test_labels_of_tables_are_read_as_iproute2_reads_them() -> None:
    text = "# reserved\n255\tlocal\n254\tmain\n0 unspec\n100\teth1_table\n#200 no\n"
    assert table_names([text]) == {"eth1_table": 100}


def adopted(*, protocol: int = 3) -> Adoption:
    return adoption(VIEW, seen(VIEW, [from_ip(IP, 200, 100, protocol=protocol)]))


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def places(found: tuple[Hint, ...]) -> list[str]:
    return [hint.place for hint in found]


def test_files_are_found_where_systems_have_them_and_a_linked_one_counts_once(
    tmp_path: Path,
) -> None:
    write(tmp_path, "etc/rc.d/rc.local", f"ip rule add from {IP} lookup 200\n")
    (tmp_path / "etc/rc.local").symlink_to("rc.d/rc.local")
    write(tmp_path, "home/admin/config_dual_traffic.sh", "NIC=$1")
    write(tmp_path, "etc/iproute2/rt_tables", "200 two\n")
    write(tmp_path, "etc/network/interfaces", "up ip route add default table two\n")
    write(tmp_path, "etc/netplan/01.yaml", "\0\xff binary")
    assert places(read_hints(VIEW, adopted(), tmp_path)) == [
        "/etc/network/interfaces:1",
        "/etc/rc.local:1",
        "/home/admin/config_dual_traffic.sh",
    ]


def test_where_nothing_is_left_in_the_kernel_the_file_that_brings_it_back_is_still_named(
    tmp_path: Path,
) -> None:
    write(tmp_path, "etc/rc.local", f"ip rule add from {IP} lookup 200\n")
    assert places(read_hints(VIEW, Adoption(), tmp_path)) == ["/etc/rc.local:1"]


def test_what_networkmanager_holds_in_memory_is_named_only_where_it_runs_and_no_file_tells(
    tmp_path: Path,
) -> None:
    assert read_hints(VIEW, adopted(), tmp_path) == ()
    (tmp_path / "run/NetworkManager").mkdir(parents=True)
    (hint,) = read_hints(VIEW, adopted(), tmp_path)
    assert hint.next == (
        f"nmcli device modify eth1 -ipv4.routing-rules 'priority 100 from {IP} table 200'",
    )
    write(tmp_path, "etc/rc.local", f"ip rule add from {IP} lookup 200\n")
    assert places(read_hints(VIEW, adopted(), tmp_path)) == ["/etc/rc.local:1"]


def test_digits_that_are_no_number_of_a_table_are_words() -> None:
    for digits in ("²", "9" * 5000):
        line = f"ip rule add from {IP} table {digits}"
        assert told("/etc/rc.local", line) == [("/etc/rc.local:1", line, "delete this line")]
        assert table_names([f"{digits} eth1_table"]) == {}
