"""Policies in files of networkd, cloud-init and iproute2: seen where they are about us."""

from collections.abc import Callable

import pytest

from srcroutd.doctor.finding import Finding, Severity, Slug

Host = Callable[[dict[str, str]], list[Finding]]


def one(findings: list[Finding], slug: Slug) -> Finding:
    """The only finding with this slug."""
    (finding,) = [finding for finding in findings if finding.slug is slug]
    return finding


def none(findings: list[Finding], slug: Slug) -> bool:
    return not any(finding.slug is slug for finding in findings)


@pytest.mark.parametrize(
    ("path", "text", "slug"),
    [
        (
            "/etc/systemd/network/10-eth1.network",
            "[RoutingPolicyRule]\nFrom={}\nTable=200\n",
            Slug.NETWORKD_POLICY,
        ),
        (
            "/etc/systemd/network/10-eth1.network.d/rule.conf",
            "[RoutingPolicyRule]\nFrom={}/32\nTable=200\n",
            Slug.NETWORKD_POLICY,
        ),
        (
            "/etc/cloud/cloud.cfg.d/90-network.cfg",
            "      routing-policy:\n      - from: {}\n        table: 101\n",
            Slug.CLOUD_INIT_POLICY,
        ),
    ],
)
def test_a_policy_of_networkd_or_cloud_init_is_found(
    host: Host, path: str, text: str, slug: Slug
) -> None:
    finding = one(host({path: text.format("198.51.100.5")}), slug)
    assert (finding.severity, finding.nic) == (Severity.RISK, "eth1")
    assert f"{path}:2: " in finding.what
    assert none(host({path: text.format("203.0.113.77")}), slug)


def test_another_name_for_our_protocol_number_is_a_note(host: Host) -> None:
    path = "/etc/iproute2/rt_protos"
    finding = one(host({path: "42\tbabel\n83\tacme\n"}), Slug.PROTOCOL_ELSEWHERE)
    assert finding.severity is Severity.NOTE
    assert finding.what == f"{path} calls protocol 83 acme"
    assert none(host({path: "83\tsrcroutd\n#83 x\n84 y\n"}), Slug.PROTOCOL_ELSEWHERE)
