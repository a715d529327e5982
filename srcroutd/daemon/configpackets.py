"""How entries of the configuration describe packets: protocol, ports, users, marks, prefixes, with
the limits that the kernel sets to rules.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from srcroutd.core.ip_protocols import IP_PROTOCOLS
from srcroutd.daemon.configwords import Prefix

PORTS = range(1, 65535)
"""What a rule of the kernel takes (fib_rule_port_range_valid in net/core/fib_rules.c)."""
UIDS = range(2**32 - 1)
WITH_PORTS = frozenset((6, 17, 33, 132, 136))

_NUMBERS = {name: number for number, name in IP_PROTOCOLS.items()} | {"icmpv6": 58}


def _several(said: object) -> object:
    return said if isinstance(said, list) else [said]


def _protocol(said: object) -> object:
    if isinstance(said, str):
        if said.lower() not in _NUMBERS:
            raise ValueError(f"{said!r} is no protocol known here; say tcp, udp, icmp or a number")
        return _NUMBERS[said.lower()]
    return said


def _span(said: object, within: range, words: str) -> object:
    """``80``, ``"80"`` or ``"80-90"`` as (80, 90)."""
    found = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", str(said), re.ASCII)
    if isinstance(said, bool) or not isinstance(said, int | str) or not found:
        raise ValueError(words)
    first, last = int(found[1]), int(found[2] or found[1])
    if first > last or first not in within or last not in within:
        raise ValueError(words)
    return first, last


def _ports(said: object) -> object:
    what = f'{said} is not a port or a range of ports like "80-90" ({PORTS[0]}-{PORTS[-1]})'
    return said if said is None else _span(said, PORTS, what)


def _uids(said: object) -> object:
    what = (
        f'{said} is not a user\'s number (0-{UIDS[-1]}) or a range like "1000-1999"; '
        "id -u NAME tells the number"
    )
    return said if said is None else _span(said, UIDS, what)


def _mark(said: object) -> object:
    """``"0x1/0xff"`` as (1, 255); without a mask all bits count."""
    words = 'not a mark and a mask like "0x1/0xff"'
    if said is None:
        return said
    value, _, mask = str(said).partition("/")
    try:
        found = int(value, 0), int(mask, 0) if mask else 2**32 - 1
    except ValueError:  # true, 1.5 and a list, too
        raise ValueError(words) from None
    if not 0 <= found[0] < 2**32 or not 0 < found[1] < 2**32:
        raise ValueError(f"{words}: 32 bits, and a mask with one bit at least")
    if found[0] & ~found[1]:
        raise ValueError(
            f"{said}: the mark {found[0]:#x} has bits outside of its mask {found[1]:#x}"
        )
    return found


Prefixes = Annotated[list[Prefix], BeforeValidator(_several)]
Pair = tuple[int, int]
Protocol = Annotated[int, Field(ge=1, le=255), BeforeValidator(_protocol)]
Ports = Annotated[Pair | None, BeforeValidator(_ports)]
Users = Annotated[Pair | None, BeforeValidator(_uids)]
MarkAndMask = Annotated[Pair | None, BeforeValidator(_mark)]
