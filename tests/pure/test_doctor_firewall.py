"""nft's JSON to what matters to routing; what is not understood is never taken for nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.doctor.gather_nft import firewall_of, read_answer
from srcroutd.doctor.scene import Firewall, Rewrite

DNAT = {"dnat": {"addr": "172.17.0.2", "port": 80}}
BY_IPTABLES = {"xt": {"type": "target", "name": "DNAT"}}


def rule(*expressions: object, chain: str = "DOCKER") -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": "nat", "chain": chain, "expr": list(expressions)}}


def match(left: object, right: object, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def of(*things: object) -> Firewall:
    return firewall_of({"nftables": [{"metainfo": {"version": "1.0.6"}}, *things]})


@pytest.mark.parametrize("target", [DNAT, BY_IPTABLES])
def test_both_ways_to_write_a_published_port_are_seen(target: object) -> None:
    not_docker = match({"meta": {"key": "iifname"}}, "docker0", "!=")
    assert of(rule(not_docker, target)).rewrites == (Rewrite("nat DOCKER"),)


def test_what_a_rule_demands_of_a_packet_is_kept() -> None:
    iif = match({"meta": {"key": "iifname"}}, {"set": ["eth0", "eth1"]})
    dst = match(
        {"payload": {"protocol": "ip", "field": "daddr"}},
        {"prefix": {"addr": "192.0.2.0", "len": 24}},
    )
    assert of(rule(iif, dst, DNAT)).rewrites == (
        Rewrite("nat DOCKER", frozenset({"eth0", "eth1"}), ("192.0.2.0/24",)),
    )


def test_what_the_host_itself_sends_does_not_count() -> None:
    chain = {"chain": {"family": "ip", "table": "nat", "name": "OUTPUT", "hook": "output"}}
    assert of(chain, rule(DNAT, chain="OUTPUT")).rewrites == ()


def test_services_of_kubernetes_count_only_with_node_ports() -> None:
    service = rule(BY_IPTABLES, chain="KUBE-SEP-ABC")
    assert of(service).rewrites == ()
    assert of(service, rule(chain="KUBE-NODEPORTS")).rewrites == (Rewrite("nat KUBE-SEP-ABC"),)


def test_a_restored_mark_is_seen_and_a_set_one_is_none() -> None:
    key = {"meta": {"key": "mark"}}
    restored = {"mangle": {"key": key, "value": {"ct": {"key": "mark"}}}}
    masked = {"mangle": {"key": key, "value": {"&": [{"ct": {"key": "mark"}}, 0xFF]}}}
    assert of(rule(restored)).restores_marks
    assert of(rule(masked)).restores_marks
    assert of(rule({"xt": {"type": "target", "name": "CONNMARK"}})).restores_marks
    assert not of(rule({"mangle": {"key": key, "value": 1}})).restores_marks


def test_an_answer_that_is_not_understood_is_named() -> None:
    firewall, unseen = read_answer(b"Error: no such thing")
    assert firewall == Firewall()
    assert "nft's answer is not understood" in unseen[0]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from("nftables rule chain expr match left right dnat xt mangle key".split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(anything)
def test_no_answer_makes_it_stumble(answer: Any) -> None:
    firewall, unseen = read_answer(json.dumps(answer).encode())
    assert isinstance(firewall, Firewall)
    assert all(isinstance(word, str) for word in unseen)
