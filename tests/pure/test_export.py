"""The exports as texts: same view, same bytes, and what each says."""

import re
import subprocess
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from srcroutd.cli.verbs.export import as_text
from srcroutd.core.desired import NicDesired, Want
from srcroutd.core.net import Action, Family, Rule
from srcroutd.export.document import Document
from srcroutd.export.registry import FORMATS, NAMES, exporter
from tests.export.scene import nics, scene
from tests.pure.views import second, view

BOTH = [(form, temporary) for form in NAMES for temporary in (False, True)]
every_form = pytest.mark.parametrize(("form", "temporary"), BOTH)


def said(text: str) -> list[str]:
    """The lines that do something."""
    return [line for line in text.split("\n") if not line.lstrip().startswith("#")]


def test_the_registry_is_the_folder() -> None:
    assert len({one.name for one in FORMATS}) == len(FORMATS) == 5
    assert all(callable(exporter(name)) for name in NAMES)


@every_form
def test_the_same_view_gives_the_same_bytes_whatever_its_order(form: str, temporary: bool) -> None:
    whole = scene()
    turned = tuple(
        replace(
            nic,
            desired=replace(
                nic.desired, routes=nic.desired.routes[::-1], rules=nic.desired.rules[::-1]
            ),
        )
        for nic in whole.nics
    )
    write = exporter(form)
    assert write(whole, temporary=temporary) == write(
        replace(whole, nics=turned), temporary=temporary
    )


@every_form
def test_where_nothing_is_kept_there_is_no_document(form: str, temporary: bool) -> None:
    nobody = replace(view(), nics=view().nics[:1])
    assert exporter(form)(nobody, temporary=temporary) == ()


@every_form
def test_documents_have_safe_names_of_their_own_and_are_ascii(form: str, temporary: bool) -> None:
    documents = exporter(form)(scene(), temporary=temporary)
    names = [one.name for one in documents]
    assert len(set(names)) == len(names) > 0
    for one in documents:
        assert re.fullmatch(r"[A-Za-z0-9._@:+-]+", one.name)
        assert set(one.text) <= {"\n", *map(chr, range(32, 127))}
        assert one.text.endswith("\n")
        assert one.executable == one.text.startswith("#!/bin/sh\n")


@every_form
def test_scripts_are_good_shell(form: str, temporary: bool) -> None:
    for one in exporter(form)(scene(), temporary=temporary):
        for shell in ("dash", "bash"):
            if one.executable:
                done = subprocess.run(
                    [shell, "-n"], input=one.text, capture_output=True, text=True, check=False
                )
                assert (done.returncode, done.stderr) == (0, "")


def test_one_document_is_printed_as_it_is_and_several_have_headings() -> None:
    one = Document("a", "/a", "text\n", "Do it.")
    assert as_text((one,)) == "text\n"
    assert as_text((one, one)).count("# ======== /a\n# Do it.\n\ntext\n") == 2


def test_iproute2_says_each_rule_and_route_in_the_daemons_numbers() -> None:
    text = exporter("iproute2")(view())[0].text
    for line in (
        "unreachable default table 18001 metric 4278198272 protocol 83",
        "198.51.100.0/24 dev eth1 table 18001 scope link src 198.51.100.5 metric 0 protocol 83",
        "default via 198.51.100.253 dev eth1 table 18001 src 198.51.100.5 metric 0 protocol 83",
        "priority 18010 from all oif eth1 lookup 18001 suppress_prefixlength 0 protocol 83",
        "priority 18015 from 198.51.100.5 lookup 254 suppress_prefixlength 0 protocol 83",
        "priority 18016 from 198.51.100.5 lookup 18001 protocol 83",
    ):
        assert f"\n{line}\n" in text
    whole = exporter("iproute2")(scene())[0].text
    rules = [line for line in whole.splitlines() if line.startswith("priority ")]
    assert len(rules) == sum(len(nic.desired.rules) for nic in scene().nics)
    assert "priority 18013 not from 198.51.100.0/24 goto 18019 protocol 83" in rules
    assert "priority 18019 from all nop protocol 83" in rules


def test_the_guard_comes_first_and_a_jump_finds_its_target() -> None:
    lines = said(exporter("iproute2")(scene(nics()[0]))[0].text)
    priorities = [int(line.split()[1]) for line in lines if line.startswith("priority ")]
    change = priorities.index(18019, 1)  # where IPv6 begins
    assert priorities[:change] == sorted(priorities[:change], reverse=True)
    assert priorities[change:] == sorted(priorities[change:], reverse=True)
    routes = [
        line.split()[0]
        for line in lines
        if " metric " in line and " protocol " in line and "print" not in line
    ]
    assert routes == [
        "unreachable",
        "198.51.100.0/24",
        "default",
        "192.0.2.0/26",
        "unreachable",
        "2001:db8:1::/64",
        "default",
        "2001:db8:3::/64",
    ]


def test_the_jump_and_its_target_are_left_out_where_they_cannot_be_said() -> None:
    plain = scene(replace(nics()[0], delegated=()))
    assert "goto 18019" in exporter("iproute2")(plain)[0].text
    for form in ("nmcli", "networkd", "netplan"):
        for one in exporter(form)(plain):
            doing = "\n".join(said(one.text))
            assert "goto" not in doing.lower()
            assert "18019" not in re.sub(r"^nic .*$", "", doing, flags=re.MULTILINE)


def test_a_mark_an_incoming_nic_and_a_refusal_are_said_where_they_can_be() -> None:
    rule = Rule(
        Family.V4,
        18017,
        Action.UNREACHABLE,
        src=ip_network("203.0.113.0/24"),
        dst=ip_network("192.0.2.9/32"),
        iif="eth1",
        mark=0x10,
        mask=0xFF,
        invert=True,
        protocol=83,
    )
    nic = second()
    marked = view(replace(nic, desired=NicDesired(rules=(Want(rule, "a test"),))))
    assert (
        "priority 18017 not from 203.0.113.0/24 to 192.0.2.9 fwmark 0x10/0xff iif eth1 "
        "unreachable protocol 83\n" in exporter("iproute2")(marked)[0].text
    )
    assert (
        "ipv4.routing-rules priority 18017 not from 203.0.113.0/24 to 192.0.2.9 fwmark 0x10/0xff "
        "iif eth1 type unreachable\n" in exporter("nmcli")(marked)[0].text
    )
    for line in (
        "InvertRule=yes",
        "FirewallMark=16/255",
        "IncomingInterface=eth1",
        "Type=unreachable",
    ):
        assert f"\n{line}\n" in exporter("networkd")(marked)[0].text
    assert "1 of 1 rules cannot be said" in exporter("netplan")(marked)[0].text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tos": 0x10}, "type-of-service: 16, "),
        ({"ip_proto": 6}, ""),
        ({"sport": (5, 5)}, ""),
        ({"dport": (5, 9)}, ""),
        ({"uids": (0, 0)}, ""),
    ],
    ids=str,
)
def test_netplan_is_told_a_rule_whole_or_not_at_all(more: dict[str, Any], said: str) -> None:
    rule = replace(Rule(Family.V4, 18017, table=18001, protocol=83), **more)
    wanted = replace(second(), desired=NicDesired(rules=(Want(rule, "a test"),)))
    (document,) = exporter("netplan")(view(wanted))
    items = [line.strip() for line in document.text.splitlines() if "priority: 18017" in line]
    item = f'- {{from: "0.0.0.0/0", {said}table: 18001, priority: 18017}}'
    assert items == ([item] if said else [])
    assert f"{0 if said else 1} of 1 rules cannot be said" in document.text


def test_netplan_says_what_is_lost_and_what_is_better() -> None:
    (document,) = exporter("netplan")(view())
    assert "NOT THE SAME AS SRCROUTD: 10 of 12 rules cannot be said" in document.text
    assert "/etc/systemd/network/10-netplan-eth1.network.d/" in document.text
    assert "srcroutctl export networkd" in document.apply


def test_windows_finds_the_nic_by_its_mac_and_says_the_plain_form_too() -> None:
    (document,) = exporter("windows")(view())
    assert "$_.MacAddress -eq '00-16-3E-00-00-01'" in document.text
    assert (
        "\nroute add -p 0.0.0.0 mask 0.0.0.0 198.51.100.253 if $index metric 200\n" in document.text
    )
    assert (
        "\n#   route add -p 0.0.0.0 mask 0.0.0.0 198.51.100.253 if <INDEX-OF-00-16-3E-00-00-01> "
        "metric 200\n" in document.text
    )
    assert "\nnetsh interface ipv6 add route ::/0 interface=$index nexthop=" in document.text
    (for_now,) = exporter("windows")(view(), temporary=True)
    assert "route add -p" not in for_now.text
    assert "store=active" in for_now.text


def test_windows_reaches_a_gateway_off_the_subnet_by_a_route_of_its_own() -> None:
    text = exporter("windows")(scene(nics()[2]))[0].text
    lines = [line for line in said(text) if line.startswith(("route", "netsh"))]
    six = "netsh interface ipv6 add route {} interface=$index {} store=persistent"
    assert lines == [
        "route add -p 203.0.113.1 mask 255.255.255.255 0.0.0.0 if $index metric 1",
        "route add -p 0.0.0.0 mask 0.0.0.0 203.0.113.1 if $index metric 200",
        six.format("2001:db8:ffff::1/128", "metric=1"),
        six.format("::/0", "nexthop=2001:db8:ffff::1 metric=200"),
    ]


@pytest.mark.parametrize(
    ("form", "persistent", "temporary"),
    [
        ("networkd", "/etc/systemd/network/", "/run/systemd/network/"),
        ("netplan", "/etc/netplan/", "/run/netplan/"),
        ("nmcli", "/usr/local/sbin/srcroutd-nmcli-p", "/usr/local/sbin/srcroutd-nmcli-t"),
    ],
)
def test_the_temporary_form_lies_where_a_reboot_forgets(
    form: str, persistent: str, temporary: str
) -> None:
    assert exporter(form)(view())[0].path.startswith(persistent)
    assert exporter(form)(view(), temporary=True)[0].path.startswith(temporary)


def test_a_nic_that_is_down_says_so_in_its_heading() -> None:
    down = replace(nics()[0], link=replace(nics()[0].link, up=False))
    for form in ("iproute2", "nmcli", "networkd", "netplan"):
        text = exporter(form)(scene(down))[0].text
        assert "# note: eth1 is down: only the fail-closed guard stands" in text
