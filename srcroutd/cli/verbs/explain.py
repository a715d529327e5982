"""``srcroutctl explain``: which way one packet goes, which rule says so, and why."""

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from srcroutd.cli.paint import width
from srcroutd.cli.parser import nearest
from srcroutd.cli.sight import UsageProblem, sight
from srcroutd.core.errors import Exit, OperatorError
from srcroutd.core.ip_protocols import IP_PROTOCOLS, ip_protocol_name
from srcroutd.core.net import IP

if TYPE_CHECKING:
    from srcroutd.core.lookup_values import Packet

DESCRIPTION = (
    "Walks the routing policy database for one packet: each rule that is asked and why it does not "
    "match, the route, the NIC, the source address and who chose it; for a packet that comes in "
    "(--iif) also the way of its reply; what rp_filter and ARP make of it. The kernel is asked the "
    "same, and a difference is said. Exit code: 0 explained, 1 the kernel disagrees or the reply "
    "leaves by another NIC."
)

_ICMP, _ICMPV6 = 1, 58
_WITH_PORTS = frozenset((None, 6, 17, 33, 132, 136))
_ALIASES = {"icmpv6": "ipv6-icmp", "icmp6": "ipv6-icmp"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("dst", metavar="DST", type=_address, help="the destination address")
    parser.add_argument("--from", dest="src", metavar="A", type=_address, help="the source address")
    parser.add_argument("--iif", metavar="NIC", default="", help="the NIC that it comes in by")
    parser.add_argument("--oif", metavar="NIC", default="", help="the NIC the socket is bound to")
    parser.add_argument("--mark", metavar="N", type=_mark, default=0, help="its mark; 0x for hex")
    parser.add_argument("--proto", metavar="P", type=_protocol, help="tcp, udp, icmp, or a number")
    parser.add_argument("--sport", metavar="N", type=_port, default=0, help="the source port")
    parser.add_argument("--dport", metavar="N", type=_port, default=0, help="the destination port")
    parser.add_argument(
        "--uid", metavar="N", type=_user, default=0, help="the user who sends or answers; default 0"
    )
    parser.add_argument(
        "--tos", metavar="N", type=_service, default=0, help="the type of service; 0x for hex"
    )
    parser.add_argument("--all", action="store_true", help="each rule on a line of its own")


def run(options: argparse.Namespace) -> int:
    """Explain, and show it."""
    from srcroutd.cli.explaining import as_json, render
    from srcroutd.core.numbering import Domain
    from srcroutd.daemon.explain import explain_packet

    packet = _packet(options)
    try:
        view = sight(options, ask=False)
    except OperatorError as error:
        # Which way a packet goes is the kernel's business, whatever we know of ENIs.
        sys.stderr.write(f"srcroutctl: what is ours is not known: {error}\n")
        because, domain = {}, Domain()
    else:
        because, domain = view.because(), view.domain
    found = asyncio.run(explain_packet(packet, because, domain))
    if options.json:
        sys.stdout.write(json.dumps(as_json(found), indent=2) + "\n")
    else:
        lines = render(found, width(), every=options.all)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    wrong = any(look.differs for look in found.looks) or found.symmetric is False
    return Exit.DRIFT if wrong else Exit.OK


def _packet(options: argparse.Namespace) -> "Packet":
    """The packet that the options mean. Raises UsageProblem with what is wrong about it."""
    from srcroutd.core.lookup_values import Packet
    from srcroutd.daemon.explain import nic_names

    if options.src and options.src.version != options.dst.version:
        raise UsageProblem(
            f"{options.src} and {options.dst} are of two families; next: give two of one"
        )
    if options.iif and options.oif:
        raise UsageProblem("--iif is for a packet that comes in, --oif for a socket: give one")
    proto = _ICMPV6 if (options.proto, options.dst.version) == (_ICMP, 6) else options.proto
    if (options.sport or options.dport) and proto not in _WITH_PORTS:
        raise UsageProblem(
            f"{ip_protocol_name(proto)} has no ports; next: leave out --sport and --dport"
        )
    names = asyncio.run(nic_names()) if options.iif or options.oif else ()
    for name in filter(None, (options.iif, options.oif)):
        if name not in names:
            raise UsageProblem(
                f"{name!r} is no NIC here{nearest(name, names)}; there are: {', '.join(names)}"
            )
    return Packet(
        options.dst,
        options.src,
        options.iif,
        options.oif,
        options.mark,
        options.tos,
        proto,
        options.sport,
        options.dport,
        options.uid,
    )


def _address(text: str) -> IP:
    from ipaddress import ip_address

    try:
        address = ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an IPv4 or IPv6 address (names are not looked up)"
        ) from None
    if getattr(address, "scope_id", None):
        raise argparse.ArgumentTypeError(
            f"{text!r}: say the NIC by --oif or --iif, not behind a per cent sign"
        )
    return address


def _number(text: str) -> int:
    """The number, -1 for what is none."""
    try:
        return int(text, 0)
    except ValueError:
        return -1


def _mark(text: str) -> int:
    mark = _number(text)
    if not 0 <= mark < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a mark: 0 to 0xffffffff")
    return mark


def _port(text: str) -> int:
    port = _number(text)
    if not 1 <= port < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 1 to 65535")
    return port


def _user(text: str) -> int:
    user = _number(text)
    if not 0 <= user < 2**32 - 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a user's number: 0 to 4294967294 (id -u NAME says which)"
        )
    return user


def _service(text: str) -> int:
    service = _number(text)
    if not 0 <= service < 2**8 or service % 4:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a type of service: 0 to 0xfc, the last two bits are ECN's and 0"
        )
    return service


def _protocol(text: str) -> int:
    word = _ALIASES.get(text.lower(), text.lower())
    for number, name in IP_PROTOCOLS.items():
        if name == word:
            return number
    number = _number(text)
    if not 1 <= number < 2**8:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a protocol{nearest(word, IP_PROTOCOLS.values())}: "
            "a name of /etc/protocols, or 1 to 255"
        )
    return number
