"""A NIC's rules in words: the tiers of one selector are one line, equal lines of many addresses are
one.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from srcroutd.core.net import MAIN_TABLE, Action, Network, Rule, table_name
from srcroutd.export.graph.picture import Line, Mark
from srcroutd.export.graph.text import clean

NAMED = 4
"""This many addresses whose rules are out of step, and delegated prefixes, are named; more are
counted.
"""

ADDRESSES, PREFIXES, TO = "from {} addresses", "from {} prefixes", "to {} delegated prefixes"

Marked = Sequence[tuple[Rule, Mark]]


def rule_lines(marked: Marked, table: int) -> tuple[Line, ...]:
    """The lines for the rules of one family; ``table`` is the NIC's own."""
    groups: dict[object, list[tuple[Rule, Mark]]] = defaultdict(list)
    for rule, mark in marked:
        groups[_selector(rule), mark is Mark.TO_DELETE].append((rule, mark))
    lines: list[Line] = []
    foldable: dict[str, list[Line]] = defaultdict(list)
    for group in groups.values():
        line = _line(sorted(group, key=lambda pair: pair[0].priority), table)
        word = _sources(group[0][0])
        (foldable[word] if word else lines).append(line)
    for word, same in foldable.items():
        lines += _folded(word, same)
    return tuple(sorted(lines, key=_place))


def _selector(rule: Rule) -> object:
    """What rules of one line have in common. The two rules that let strangers pass count as one."""
    if rule.action in {Action.GOTO, Action.NOP}:
        return "bypass"
    more = (rule.tos, rule.ip_proto, rule.sport, rule.dport, rule.uids)
    selector = (rule.src, rule.dst, rule.iif, rule.oif, rule.mark, rule.mask, rule.invert)
    return (*selector, *more, rule.action)


def _line(group: Marked, table: int) -> Line:
    rules = tuple(rule for rule, _ in group)
    mark, told = _told(group)
    text, under = _words(rules, table)
    return Line(text, lead=_numbers(rules), under=under, mark=mark, told=told, things=rules)


def _told(group: Marked) -> tuple[Mark, str]:
    """The gravest mark of the rules, and the text mark: it names the rules if not all bear it."""
    marks = [mark for _, mark in group]
    mark = max(marks, key=list(Mark).index)
    if mark is Mark.NONE or len(set(marks)) == 1:
        return mark, ""
    which = ", ".join(str(rule.priority) for rule, one in group if one is mark)
    return mark, f"{which} {mark.value}"


def _words(rules: Sequence[Rule], table: int) -> tuple[str, str]:
    first = rules[0]
    if first.action in {Action.GOTO, Action.NOP}:
        jump = next((rule for rule in rules if rule.action is Action.GOTO), None)
        if jump is None:
            return "end of a jump", ""
        return f"from outside {_short(jump.src)}", f"skip to {jump.goto}"
    by_mark = bool(first.mark) and not (first.src or first.dst or first.oif)
    unlike = first.iif or (first.mark and not by_mark) or first.invert or first.asks_more
    if first.action is not Action.LOOKUP or unlike:
        return clean(str(first).partition(": ")[2]), ""
    under = ", then ".join(_tier(rule, table) for rule in rules)
    if by_mark:
        return f"replies of connections marked {first.mark:#x}", under
    if first.dst:
        return f"to {_short(first.dst)}", under
    if first.oif:
        return f"sockets bound to {clean(first.oif)}", under
    return f"from {_short(first.src)}", under


def _tier(rule: Rule, table: int) -> str:
    """What one look-up may find."""
    if rule.table == MAIN_TABLE:
        return "main, nothing wider" if rule.dst else "main"
    if rule.table != table:
        return f"table {table_name(rule.table)}"
    return "own subnet" if rule.suppress_prefixlength == 0 else "default"


def _numbers(rules: Sequence[Rule]) -> str:
    """Priorities as people write them: 18014..18016, or 18013, 18019."""
    numbers = sorted({rule.priority for rule in rules})
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}..{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _sources(rule: Rule) -> str:
    """What a rule's address is one of, empty for a rule that has none or asks for more."""
    if rule.action is not Action.LOOKUP or rule.iif or rule.oif or rule.mark or rule.invert:
        return ""
    if rule.asks_more:
        return ""
    if rule.dst:
        return "" if rule.src else TO
    if rule.src is None:
        return ""
    return ADDRESSES if rule.src.prefixlen == rule.src.max_prefixlen else PREFIXES


def _folded(word: str, lines: Sequence[Line]) -> Iterable[Line]:
    """Lines that differ in their address only become one that counts the addresses."""
    alike: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        alike[line.lead, line.under, line.flag].append(line)
    for same in alike.values():
        first, number = same[0], len(same)
        named = 1 if first.mark is Mark.NONE and word != TO else NAMED
        if number <= named:
            yield from same
            continue
        rest = "the other " if first.mark is Mark.NONE and number < len(lines) else ""
        things = tuple(thing for line in same for thing in line.things)
        yield replace(first, text=word.format(f"each of {rest}{number}"), things=things)


def _place(line: Line) -> tuple[int, bool, bool]:
    """By priority; what is folded after what is named, what is too many last."""
    number = min(thing.priority for thing in line.things if isinstance(thing, Rule))
    return (number, line.mark is Mark.TO_DELETE, line.mark is Mark.NONE)


def _short(network: Network | None) -> str:
    if network is None:
        return "all"
    one = network.prefixlen == network.max_prefixlen
    return str(network.network_address if one else network)
