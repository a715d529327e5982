"""A marking as one transaction of nftables: JSON for ``nft -j -f -``, and the same as a script.

The transaction adds the table, deletes it and adds it whole: it succeeds whatever stands there, and
no packet meets anything between the old table and the new. Marks live on the connections, not in
the table, so nothing is lost by it.
"""

from typing import Any

from srcroutd.core.marking import Marking
from srcroutd.core.marking_parts import Chain, TableRule
from srcroutd.core.marking_rules import chains

FAMILY, TABLE = "inet", "srcroutd"

_TABLE = {"table": {"family": FAMILY, "name": TABLE}}
_IN_TABLE = {"family": FAMILY, "table": TABLE}


def commands(marking: Marking) -> dict[str, Any]:
    """The commands that leave exactly this marking in our table."""
    return {"nftables": [*_REMOVE, *({"add": thing} for thing in things(marking))]}


def removal() -> dict[str, Any]:
    """The commands that leave no table of ours; they succeed where there is none."""
    return {"nftables": _REMOVE}


_REMOVE = [{"add": _TABLE}, {"delete": _TABLE}]


def things(marking: Marking) -> list[dict[str, Any]]:
    """The table, its chains and its rules, as nft lists them apart from handles."""
    found: list[dict[str, Any]] = [_TABLE]
    every = chains(marking)
    found += [{"chain": _chain(chain)} for chain in every]
    found += [{"rule": _rule(chain, rule)} for chain in every for rule in chain.rules]
    return found


def _chain(chain: Chain) -> dict[str, Any]:
    where = {"type": chain.type, "hook": chain.hook, "prio": chain.priority}
    return {**_IN_TABLE, "name": chain.name, **where, "policy": "accept"}


def _rule(chain: Chain, rule: TableRule) -> dict[str, Any]:
    expressions = [part.json for part in rule.parts]
    return {**_IN_TABLE, "chain": chain.name, "comment": rule.comment, "expr": expressions}


def script(marking: Marking) -> str:
    """The same transaction as a file for ``nft -f``, to read and to export."""
    lines = [f"table {FAMILY} {TABLE}", f"delete table {FAMILY} {TABLE}"]
    lines += [f"table {FAMILY} {TABLE} {{"]
    for number, chain in enumerate(chains(marking)):
        where = f"type {chain.type} hook {chain.hook} priority {chain.priority_words}"
        lines += [""] * bool(number)
        lines += [f"\tchain {chain.name} {{", f"\t\t{where}; policy accept;"]
        lines += [f"\t\t{_words(rule)}" for rule in chain.rules]
        lines += ["\t}"]
    return "\n".join([*lines, "}", ""])


def _words(rule: TableRule) -> str:
    return " ".join([*(part.words for part in rule.parts), f'comment "{rule.comment}"'])
