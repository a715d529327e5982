"""Somebody else's rule or route in full words, for reports and logs.

Our own types leave out what we never write (tunnel ids, multipath, encapsulation). Here pyroute2
reads every attribute of the dumped body. It costs 135 ms and 10 MiB to import, so that happens at
the first use.
"""

from collections.abc import Mapping
from typing import Any, Literal

from srcroutd.kernel.codec_route import decode_route
from srcroutd.kernel.codec_rule import decode_rule
from srcroutd.kernel.wire import MESSAGE, RTM_NEWROUTE, RTM_NEWRULE

_FAMILIES = {2: "IPv4", 10: "IPv6", 128: "IPv4 multicast", 129: "IPv6 multicast"}
_NO_SUPPRESSION = ("FRA_SUPPRESS_PREFIXLEN", 0xFFFFFFFF)
"""Every rule has it."""


def describe(kind: Literal["rule", "route"], body: bytes) -> str:
    """One line: what you would type after ``ip``, as far as our types go, then all there is."""
    known = decode_rule(body) if kind == "rule" else decode_route(body)
    message = _decoded(kind, body)
    family = _FAMILIES.get(body[0], f"family {body[0]}")
    line = f"{family} {kind}"
    if known is not None:
        line += f" {known}"
    return f"{line} ({', '.join(_words(message))})"


def _decoded(kind: Literal["rule", "route"], body: bytes) -> Mapping[str, Any]:
    """The body as pyroute2 reads it: fields of the header, and ``attrs`` as pairs."""
    if kind == "rule":
        from pyroute2.netlink.rtnl.fibmsg import fibmsg as layout

        number = RTM_NEWRULE
    else:
        from pyroute2.netlink.rtnl.rtmsg import rtmsg as layout

        number = RTM_NEWROUTE
    message = layout(MESSAGE.pack(MESSAGE.size + len(body), number, 0, 0, 0) + body)
    message.decode()
    fields: Mapping[str, Any] = message
    return fields


def _words(fields: Mapping[str, Any]) -> list[str]:
    """Header fields but zeros, then attributes in the kernel's order, nested in brackets."""
    words = [
        f"{name} {value}"
        for name, value in fields.items()
        if name not in {"attrs", "header", "family", "table"} and value
    ]
    for pair in fields.get("attrs", ()):
        name, value = pair[0], pair[1]
        if (name, value) == _NO_SUPPRESSION:
            continue
        if name == "UNKNOWN":
            words.append(f"attribute {value['header']['type']}")
        else:
            words.append(f"{name.partition('_')[2].lower()} {_spoken(value)}")
    return words


def _spoken(value: Any) -> str:
    match value:
        case Mapping():
            return "[" + ", ".join(_words(value)) + "]"
        case list() | tuple():
            return "[" + "; ".join(_spoken(item) for item in value) + "]"
        case _:
            return str(value)
