"""``srcroutctl explain`` on a host with three NICs: what an administrator reads at night."""

import json

import pytest

from tests.life.host import Host

FAR = "198.51.100.9"


def explain(host: Host, words: str) -> tuple[int, str]:
    return host.ctl("explain", *words.split())


def test_it_walks_to_the_rule_that_decides_and_says_whose_it_is(host: Host) -> None:
    host.start()
    code, said = explain(host, f"{FAR} --from 172.16.1.5")
    assert code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == "0 from all lookup local no match in table local"
    at = next(number for number, line in enumerate(lines) if line.startswith("18016 "))
    assert lines[at].startswith("18016 from 172.16.1.5 lookup 18001 default via 172.16.1.253")
    assert lines[at + 1] == "leaves by eth1, next hop 172.16.1.253; the kernel agrees"
    assert "rule 18016 is ours: first address of eni-1, read from static" in said
    assert "route in table 18001 is ours: gateway of eni-1, read from static" in said


def test_an_ipv6_route_is_known_as_ours_too(host: Host) -> None:
    host.start()
    _, said = explain(host, "2001:db8:ffff::9 --from fd00:1::5")
    assert "leaves by eth1, next hop fd00:1::253; the kernel agrees" in said
    assert "route in table 18001 is ours: gateway of eni-1" in said


def test_a_strangers_rule_in_front_is_named(host: Host) -> None:
    host.start()
    host.ip("rule add from 172.16.1.5 lookup main priority 100")
    code, said = explain(host, f"{FAR} --from 172.16.1.5")
    assert code == 0
    assert "  100  from 172.16.1.5 lookup main" in said
    assert "leaves by eth0, next hop 172.16.0.253; the kernel agrees" in said
    assert "is ours" not in said


def test_without_a_source_it_says_which_the_kernel_chooses_and_why(host: Host) -> None:
    host.start()
    _, said = explain(host, FAR)
    assert "leaves by eth0" in said
    assert "source 172.16.0." in said
    assert "of 3" in said


def test_a_request_whose_reply_leaves_by_another_nic_is_a_finding(host: Host) -> None:
    code, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1")
    assert code == 1
    assert "is for this host; the kernel agrees" in said
    assert "COMES IN BY eth1 AND IS ANSWERED BY eth0" in said
    host.start()
    code, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1")
    assert code == 0
    assert "comes in by eth1 and is answered by eth1" in said


def test_a_strict_rp_filter_that_would_drop_the_request_is_said(host: Host) -> None:
    host.sysctl("ipv4/conf/eth1/rp_filter", "1")
    _, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1")
    assert f"rp_filter 1 (strict) on eth1 DROPS what comes from {FAR} to 172.16.1.5" in said
    host.start()
    _, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1")
    assert "DROPS" not in said


def test_what_is_not_modelled_is_called_that_and_the_kernels_word_is_given(host: Host) -> None:
    host.ip("rule add from 172.16.1.5 tun_id 7 lookup main priority 100")
    code, said = explain(host, f"{FAR} --from 172.16.1.5")
    assert code == 0
    assert "beyond what is modelled here" in said
    assert "the kernel itself says: out by eth0 via 172.16.0.253, table main" in said


def test_ports_and_protocol_are_asked_for_and_answered(host: Host) -> None:
    host.ip("rule add from 172.16.1.5 ipproto tcp dport 443 lookup main priority 100")
    host.start()
    code, said = explain(host, f"{FAR} --from 172.16.1.5 --proto tcp --dport 443")
    assert code == 0
    assert "leaves by eth0, next hop 172.16.0.253; the kernel agrees" in said
    assert "  100  from 172.16.1.5 ipproto tcp dport 443 lookup main" in said
    _, said = explain(host, f"{FAR} --from 172.16.1.5 --proto TCP --dport 80")
    assert "destination port 80 is not 443" in said
    assert "leaves by eth1, next hop 172.16.1.253; the kernel agrees" in said
    _, said = explain(host, f"{FAR} --from 172.16.1.5")
    assert "protocol udp is not tcp" in said
    assert "ask for a protocol and a destination port, which the question does not give" in said
    _, said = explain(host, f"{FAR} --from 172.16.1.5 --proto sctp --dport 443")
    assert "protocol sctp is not tcp" in said
    assert "leaves by eth1, next hop 172.16.1.253; the kernel was not asked" in said


def test_the_reply_of_a_service_bears_its_ports_and_its_user(host: Host) -> None:
    host.ip("rule add ipproto tcp sport 8080 lookup main priority 100")
    host.ip("rule add uidrange 33-33 tos 0x00 sport 81 lookup main priority 101")
    host.start()
    for words, by in (
        ("--proto tcp --dport 8080 --sport 40000", "eth0"),
        ("--proto tcp --dport 80 --sport 8080", "eth1"),
        ("--proto udp --dport 81 --uid 33", "eth0"),
        ("--proto udp --dport 81 --uid 34", "eth1"),
    ):
        code, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1 {words} --json")
        told = json.loads(said)
        assert (code, told["agrees"]) == (1 if by == "eth0" else 0, True)
        assert told["reply"]["leaves_by"] == by
        assert told["reply"]["sport"] == told["question"]["dport"]
    _, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1 --proto tcp --dport 8080")
    assert f"the reply, from 172.16.1.5 port 8080 to {FAR}:" in said


def test_a_type_of_service_and_icmp_of_both_families(host: Host) -> None:
    host.ip("rule add tos 0x10 prohibit priority 100")
    host.ip("-6 rule add ipproto ipv6-icmp prohibit priority 100")
    host.start()
    assert "does not leave" in explain(host, f"{FAR} --from 172.16.1.5 --tos 0x10")[1]
    assert "does not leave" not in explain(host, f"{FAR} --from 172.16.1.5 --tos 8")[1]
    far = "2001:db8:ffff::9 --from fd00:1::5"
    assert "rule 100 refuses it; the kernel agrees" in explain(host, f"{far} --proto icmp")[1]
    assert "does not leave" not in explain(host, f"{far} --proto udp")[1]


def test_a_mark_a_bound_socket_and_a_refusal(host: Host) -> None:
    host.ip("rule add fwmark 0x7 prohibit priority 90")
    host.start()
    assert "does not leave" in explain(host, f"{FAR} --mark 7")[1]
    assert "does not leave" not in explain(host, f"{FAR} --mark 0x8")[1]
    assert "leaves by eth2" in explain(host, f"{FAR} --oif eth2")[1]


def test_rules_that_do_not_match_are_folded_unless_asked_for(host: Host) -> None:
    host.start()
    host.batch(f"rule add from 203.0.113.{number} lookup main priority 99" for number in range(99))
    _, said = explain(host, f"{FAR} --from 172.16.1.5")
    assert "99 rules of other sources" in said
    assert len(said.splitlines()) < 20
    _, said = explain(host, f"{FAR} --from 172.16.1.5 --all")
    assert said.count("lookup main") >= 99


def test_json_has_the_same_and_a_version(host: Host) -> None:
    host.start()
    code, said = explain(host, f"172.16.1.5 --from {FAR} --iif eth1 --json")
    told = json.loads(said)
    assert (code, told["version"], told["kind"]) == (0, 1, "srcroutd.explain")
    assert told["question"]["verdict"] == "local"
    assert told["reply"]["leaves_by"] == "eth1"
    assert told["symmetric"] is True
    assert told["agrees"] is True
    assert told["reply"]["steps"][-1]["priority"] == 18016


def test_it_works_where_nothing_is_known_of_any_cloud(bare: Host) -> None:
    code, said = explain(bare, "127.0.0.1")
    assert code == 0
    assert "what is ours is not known" in said
    assert "is for this host; the kernel agrees" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("not-an-address", "is not an IPv4 or IPv6 address"),
        (f"{FAR} --from fd00::1", "two families"),
        (f"{FAR} --iif eht1", "do you mean eth1?"),
        (f"{FAR} --iif eth1 --oif eth1", "give one"),
        (f"{FAR} --mark 0x1ffffffff", "is not a mark"),
        ("fe80::1%eth0", "per cent"),
        (f"{FAR} --proto tcq", "is not a protocol (do you mean tcp?)"),
        (f"{FAR} --proto 256", "is not a protocol"),
        (f"{FAR} --proto icmp --dport 7", "icmp has no ports"),
        (f"{FAR} --dport 65536", "is not a port: 1 to 65535"),
        (f"{FAR} --uid www-data", "is not a user's number"),
        (f"{FAR} --tos 0x11", "is not a type of service"),
    ],
)
def test_a_question_that_makes_no_sense_gets_a_sentence(host: Host, words: str, told: str) -> None:
    code, said = explain(host, words)
    assert code == 64
    assert told in said
