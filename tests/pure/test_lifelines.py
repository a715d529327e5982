"""What resolv.conf and sshd's configuration say of whom a host must be able to reach."""

from ipaddress import ip_address

import pytest

from srcroutd.daemon.lifelines import name_servers, ssh_ports
from srcroutd.providers.registry import PROVIDERS, metadata_addresses


def test_servers_are_read_as_the_resolver_reads_them() -> None:
    text = """
    # nameserver 192.0.2.1
    nameserver 192.0.2.53
      nameserver\t2001:db8::53 trailing
    nameserver fe80::1%eth0
    nameserver nonsense
    options edns0
    """
    assert list(name_servers(text)) == [
        ip_address(text) for text in ("192.0.2.53", "2001:db8::53", "fe80::1")
    ]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("Port 2222", [2222]),
        ("  port = 2222\n#Port 9\nPORT 2223", [2222, 2223]),
        ("ListenAddress 192.0.2.1:2022\nListenAddress [2001:db8::1]:2023", [2022, 2023]),
        ("ListenAddress 192.0.2.1\nPermitRootLogin no\nPort 0\nPort 70000", []),
    ],
)
def test_ports_of_sshd(text: str, ports: list[int]) -> None:
    assert list(ssh_ports(text)) == ports


def test_every_provider_says_whom_it_asks() -> None:
    told = {name: [str(one) for one in metadata_addresses(name)] for name in PROVIDERS}
    assert told == {"aliyun": ["100.100.100.200", "fd00:100::100:200"], "static": []}
