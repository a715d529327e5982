"""Rule to bytes and back: the body of RTM_NEWRULE and RTM_DELRULE, without its nlmsghdr.

``encode_rule`` is canonical: equal rules give equal bytes, laid out as the kernel's own dump of
that rule (fib_nl_fill_rule in net/core/fib_rules.c, then fib4_rule_fill or fib6_rule_fill). So a
dumped body usually *is* the key of its rule; on a kernel with another order
``encode_rule(decode_rule(body))`` is.
"""

from struct import Struct

from srcroutd.core.net import Action, Family, Network, Rule
from srcroutd.kernel.wire import (
    BEYOND_HEADER,
    RT_TABLE_COMPAT,
    U32,
    U32_ATTRIBUTE,
    attributes,
    network,
    text,
    text_attribute,
)

FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK = 1, 2, 3, 4, 6, 10
FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_PROTOCOL = 14, 15, 16, 17, 21
FRA_PAD = 18

_MODELLED = frozenset(
    (
        *(FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_OIFNAME, FRA_GOTO, FRA_PRIORITY, FRA_FWMARK),
        *(FRA_FWMASK, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL, FRA_PAD),
    )
)
_FIB_RULE_INVERT = 0x2
_NO_SUPPRESSION = 0xFFFFFFFF
_UNSUPPRESSED = (None, b"\xff\xff\xff\xff")

_HEADER = Struct("=8BI")
"""fib_rule_hdr: family, dst_len, src_len, tos, table, two reserved, action, flags."""
_ALWAYS = Struct("=8BI HHI HHI HHB3x")
"""fib_rule_hdr and what every rule has: table, suppress_prefixlength, protocol."""
_PREFIX = {4: Struct("=HH4s"), 6: Struct("=HH16s")}
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
        *(rule.family, dst.prefixlen if dst else 0, src.prefixlen if src else 0, 0),
        *(table if table < 256 else RT_TABLE_COMPAT, 0, 0, rule.action),
        _FIB_RULE_INVERT if rule.invert else 0,
        *(8, FRA_TABLE, table),
        *(8, FRA_SUPPRESS_PREFIXLEN, suppress if suppress >= 0 else _NO_SUPPRESSION),
        *(5, FRA_PROTOCOL, rule.protocol),
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
    if dst and dst.prefixlen:
        body += _prefix(FRA_DST, dst)
    if src and src.prefixlen:
        body += _prefix(FRA_SRC, src)
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
    header = _HEADER.unpack_from(body)
    family, action = _FAMILIES.get(header[0]), _ACTIONS.get(header[7])
    if family is None or action is None:
        return None
    found = attributes(body, _HEADER.size)
    get, number = found.get, U32.unpack
    src, dst, iif, oif = get(FRA_SRC), get(FRA_DST), get(FRA_IIFNAME), get(FRA_OIFNAME)
    priority, goto, suppress = get(FRA_PRIORITY), get(FRA_GOTO), get(FRA_SUPPRESS_PREFIXLEN)
    mark, mask, protocol = get(FRA_FWMARK), get(FRA_FWMASK), get(FRA_PROTOCOL)
    beyond: tuple[int, ...] = ()
    if header[3] or not found.keys() <= _MODELLED:
        beyond = _beyond(header[3], found)
    try:
        source = network(src, header[2]) if src else None
        destination = network(dst, header[1]) if dst else None
    except ValueError:
        source = destination = None
        beyond = tuple(sorted({*beyond, *({FRA_SRC, FRA_DST} & found.keys())}))
    # Positional: with names this call alone costs half as much again, and a full look makes
    # thousands.
    return Rule(
        family,
        number(priority)[0] if priority else 0,
        action,
        number(found[FRA_TABLE])[0] if FRA_TABLE in found else header[4],
        source,
        destination,
        text(iif) if iif else "",
        text(oif) if oif else "",
        number(mark)[0] if mark else 0,
        number(mask)[0] if mask else 0,
        bool(header[8] & _FIB_RULE_INVERT),
        number(goto)[0] if goto else 0,
        -1 if suppress in _UNSUPPRESSED else number(suppress)[0],
        protocol[0] if protocol else 0,
        beyond,
    )


def _beyond(tos: int, found: dict[int, bytes]) -> tuple[int, ...]:
    return tuple(sorted({*(found.keys() - _MODELLED), *((BEYOND_HEADER,) if tos else ())}))
