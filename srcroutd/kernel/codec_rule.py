"""Rule to bytes and back: the body of RTM_NEWRULE and RTM_DELRULE, without its nlmsghdr.

``encode_rule`` is canonical: equal rules give equal bytes, laid out as the kernel's own dump of
that rule (fib_nl_fill_rule in net/core/fib_rules.c, then fib4_rule_fill or fib6_rule_fill). So a
dumped body usually *is* the key of its rule; on a kernel with another order
``encode_rule(decode_rule(body))`` is.
"""

from dataclasses import replace
from struct import Struct
from typing import Any

from srcroutd.core.net import Action, Family, Network, Rule
from srcroutd.kernel.wire import (
    ATTRIBUTE,
    RT_TABLE_COMPAT,
    U32,
    U32_ATTRIBUTE,
    attribute,
    attributes,
    network,
    text,
    text_attribute,
    u32,
)

FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK = 1, 2, 3, 4, 6, 10
FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_PROTOCOL = 14, 15, 16, 17, 21
FRA_PAD, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE = 18, 20, 22, 23, 24
FRA_SPORT_MASK, FRA_DPORT_MASK = 28, 29

_PLAIN = frozenset(
    (
        *(FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_OIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK),
        *(FRA_FWMASK, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL, FRA_PAD),
    )
)
"""What nearly all rules are made of."""
_MORE = frozenset((FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE))
_PORTS = ((FRA_SPORT_RANGE, FRA_SPORT_MASK), (FRA_DPORT_RANGE, FRA_DPORT_MASK))
_EVERY_BIT = b"\xff\xff"
"""The mask that newer kernels show beside a single port. It adds nothing, and older ones do not
know it, so it is no part of the canonical body.
"""
_FIB_RULE_INVERT = 0x2
_NO_SUPPRESSION = 0xFFFFFFFF

_HEADER = Struct("=8BI")
"""fib_rule_hdr: family, dst_len, src_len, tos, table, two reserved, action, flags."""
_ALWAYS = Struct("=8BI 4sI 4sI 4sB3x")
"""fib_rule_hdr and what every rule has, each behind its header: table, suppress_prefixlength,
protocol.
"""
_TABLE = ATTRIBUTE.pack(8, FRA_TABLE)
_SUPPRESS = ATTRIBUTE.pack(8, FRA_SUPPRESS_PREFIXLEN)
_PROTOCOL = ATTRIBUTE.pack(5, FRA_PROTOCOL)
_PREFIX = {4: Struct("=HH4s"), 6: Struct("=HH16s")}
_PORT_RANGE, _UID_RANGE = Struct("=HH"), Struct("=II")
_EMPTY = (0,) * 15
_FAMILIES = {int(family): family for family in Family}
_ACTIONS = {int(action): action for action in Action}


def encode_rule(rule: Rule) -> bytes:
    """The canonical body of a rule.

    A prefix of length 0 is written as none, for the kernel knows no difference. ``beyond`` cannot
    be written: the key of a rule that has it is its dumped body (``memo.RuleMemo``). Priority 0 is
    shown by absence in a dump, yet has to be said in a request: ``messages.add_rule`` does that.
    """
    src, dst, table, suppress = rule.src, rule.dst, rule.table, rule.suppress_prefixlength
    body = _ALWAYS.pack(
        *(rule.family, dst.prefixlen if dst else 0, src.prefixlen if src else 0, rule.tos),
        *(table if table < 256 else RT_TABLE_COMPAT, 0, 0, rule.action),
        _FIB_RULE_INVERT if rule.invert else 0,
        *(_TABLE, table),
        *(_SUPPRESS, suppress if suppress >= 0 else _NO_SUPPRESSION),
        *(_PROTOCOL, rule.protocol),
    )
    u32_attribute = U32_ATTRIBUTE.pack
    if rule.iif:
        body += text_attribute(FRA_IIFNAME, rule.iif)
    if rule.oif:
        body += text_attribute(FRA_OIFNAME, rule.oif)
    if rule.priority:
        body += u32_attribute(8, FRA_PRIORITY, rule.priority)
    if rule.mark:
        body += u32_attribute(8, FRA_FWMARK, rule.mark)
    if rule.mark or rule.mask:
        body += u32_attribute(8, FRA_FWMASK, rule.mask)
    if rule.goto:
        body += u32_attribute(8, FRA_GOTO, rule.goto)
    if rule.asks_more:
        body += _more(rule)
    if dst and dst.prefixlen:
        body += _prefix(FRA_DST, dst)
    if src and src.prefixlen:
        body += _prefix(FRA_SRC, src)
    return body


def _more(rule: Rule) -> bytes:
    """What a rule asks of a packet's sender, ports and protocol, in the order of the kernel."""
    body = b""
    if rule.uids:
        body += attribute(FRA_UID_RANGE, _UID_RANGE.pack(*rule.uids))
    if rule.sport:
        body += attribute(FRA_SPORT_RANGE, _PORT_RANGE.pack(*rule.sport))
    if rule.dport:
        body += attribute(FRA_DPORT_RANGE, _PORT_RANGE.pack(*rule.dport))
    if rule.ip_proto:
        body += attribute(FRA_IP_PROTO, bytes([rule.ip_proto]))
    return body


def _prefix(kind: int, prefix: Network) -> bytes:
    packed = prefix.network_address.packed
    return _PREFIX[prefix.version].pack(4 + len(packed), kind, packed)


def decode_rule(body: bytes) -> Rule | None:
    """The rule in a dumped body; None where the family or the action is not one of ours to know.

    The kernel's own flags (goto unresolved, iif or oif detached) come and go without an event and
    are no part of a rule. A prefix with host bits set (``ip rule add from 192.0.2.5/24``) is legal
    to the kernel and counts as beyond: cutting it to its network would name another rule.
    """
    fixed = _ALWAYS.unpack_from(body) if len(body) >= _ALWAYS.size else _EMPTY
    if fixed[9] == _TABLE and fixed[11] == _SUPPRESS and fixed[13] == _PROTOCOL:
        found = attributes(body, _ALWAYS.size)
    else:
        fixed, found = _in_order(body)
    family, action = _FAMILIES.get(fixed[0]), _ACTIONS.get(fixed[7])
    if family is None or action is None:
        return None
    get, number = found.get, U32.unpack
    src, dst, iif, oif = get(FRA_SRC), get(FRA_DST), get(FRA_IIFNAME), get(FRA_OIFNAME)
    priority, goto, mark, mask = get(FRA_PRIORITY), get(FRA_GOTO), get(FRA_FWMARK), get(FRA_FWMASK)
    suppress = fixed[12]
    beyond: tuple[int, ...] = ()
    try:
        source = network(src, fixed[2]) if src else None
        destination = network(dst, fixed[1]) if dst else None
    except ValueError:
        source = destination = None
        beyond = tuple(sorted({FRA_SRC, FRA_DST} & found.keys()))
    # Positional: with names this call alone costs half as much again, and a full look makes
    # thousands.
    rule = Rule(
        family,
        number(priority)[0] if priority else 0,
        action,
        fixed[10],
        source,
        destination,
        text(iif) if iif else "",
        text(oif) if oif else "",
        number(mark)[0] if mark else 0,
        number(mask)[0] if mask else 0,
        bool(fixed[8] & _FIB_RULE_INVERT),
        number(goto)[0] if goto else 0,
        -1 if suppress == _NO_SUPPRESSION else suppress,
        fixed[14],
        beyond,
    )
    if fixed[3] or not found.keys() <= _PLAIN:
        return _with_more(rule, fixed[3], found)
    return rule


def _in_order(body: bytes) -> tuple[tuple[Any, ...], dict[int, bytes]]:
    """What ``_ALWAYS`` would say of a body that is laid out otherwise, and its attributes."""
    header, found = _HEADER.unpack_from(body), attributes(body, _HEADER.size)
    table, suppress = found.get(FRA_TABLE), found.get(FRA_SUPPRESS_PREFIXLEN)
    protocol = found.get(FRA_PROTOCOL)
    return (
        *header,
        *(_TABLE, u32(table) if table else header[4]),
        *(_SUPPRESS, u32(suppress) if suppress else _NO_SUPPRESSION),
        *(_PROTOCOL, protocol[0] if protocol else 0),
    ), found


def _with_more(rule: Rule, tos: int, found: dict[int, bytes]) -> Rule:
    """The rule with what few rules have, and with the numbers of what we do not model.

    A port with a mask of some of its bits is none that our type can say.
    """
    beyond = {*rule.beyond, *(found.keys() - _PLAIN - _MORE)}
    for ports, mask in _PORTS:
        if found.get(mask, _EVERY_BIT) == _EVERY_BIT:
            beyond.discard(mask)
        else:
            beyond.add(ports)
    return replace(
        rule,
        tos=tos,
        ip_proto=found[FRA_IP_PROTO][0] if FRA_IP_PROTO in found else 0,
        uids=_range(_UID_RANGE, found.get(FRA_UID_RANGE)),
        sport=None
        if FRA_SPORT_RANGE in beyond
        else _range(_PORT_RANGE, found.get(FRA_SPORT_RANGE)),
        dport=None
        if FRA_DPORT_RANGE in beyond
        else _range(_PORT_RANGE, found.get(FRA_DPORT_RANGE)),
        beyond=tuple(sorted(beyond)),
    )


def _range(layout: Struct, payload: bytes | None) -> tuple[int, int] | None:
    if payload is None:
        return None
    first, last = layout.unpack(payload)
    return int(first), int(last)
