"""The names of transport protocols, as ``ip`` prints them."""

IP_PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    4: "ipencap",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
    136: "udplite",
}
"""Transport protocols by IANA's number, in the words of /etc/protocols."""


def ip_protocol_name(number: int) -> str:
    """The word for a transport protocol that ``ip`` prints, its number where there is none."""
    return IP_PROTOCOLS.get(number, str(number))
