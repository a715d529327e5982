"""nftables' ruleset to what matters to routing: rewritten destinations, restored marks.

Docker and kube-proxy write there too, by iptables-nft. The program nft is asked, with a time limit;
its JSON is described in libnftables-json(5).
"""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from srcroutd.doctor.scene import Firewall, Rewrite

LIMIT_S = 3.0
LONGEST = 1 << 25
WORD = "what the firewall rewrites"


def read_firewall() -> tuple[Firewall, tuple[str, ...]]:
    """Ask nft; and why it could not be asked."""
    try:
        done = subprocess.run(
            ["nft", "--json", "list", "ruleset"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        return Firewall(), (f"{WORD}: there is no program nft",)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Firewall(), (f"{WORD}: nft: {error}",)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return Firewall(), (f"{WORD}: nft: {words[0] if words else done.returncode}",)
    return read_answer(done.stdout)


def read_answer(answer: bytes) -> tuple[Firewall, tuple[str, ...]]:
    """What matters in nft's JSON; and why it could not be understood."""
    if len(answer) > LONGEST:
        return Firewall(), (f"{WORD}: the ruleset is longer than {LONGEST >> 20} MiB",)
    try:
        return firewall_of(json.loads(answer)), ()
    except (ValueError, KeyError, RecursionError, AttributeError, TypeError) as error:
        return Firewall(), (f"{WORD}: nft's answer is not understood ({error})",)


def firewall_of(answer: Mapping[str, Any]) -> Firewall:
    """What matters in nft's answer."""
    things = [thing for thing in answer.get("nftables", ()) if isinstance(thing, dict)]
    rules = [thing["rule"] for thing in things if "rule" in thing]
    sends_out = {
        (chain["family"], chain["table"], chain["name"])
        for thing in things
        if (chain := thing.get("chain")) and chain.get("hook") in {"output", "postrouting"}
    }
    # kube-proxy rewrites what goes to services from inside; only node ports come in from outside.
    node_ports = any(rule["chain"] == "KUBE-NODEPORTS" for rule in rules)
    rewrites = dict.fromkeys(
        _rewrite(rule)
        for rule in rules
        if (rule["family"], rule["table"], rule["chain"]) not in sends_out
        and (node_ports or not rule["chain"].startswith("KUBE-"))
        and any(map(_rewrites, rule.get("expr", ())))
    )
    restores = any(_restores(expr) for rule in rules for expr in rule.get("expr", ()))
    return Firewall(tuple(rewrites), restores)


def _rewrites(expression: Mapping[str, Any]) -> bool:
    extension = expression.get("xt") or {}
    return "dnat" in expression or extension.get("name") == "DNAT"


def _restores(expression: Mapping[str, Any]) -> bool:
    """Whether the packet's mark is set from the connection's."""
    extension = expression.get("xt") or {}
    if extension.get("name") == "CONNMARK":
        return True
    mangle = expression.get("mangle") or {}
    if (mangle.get("key") or {}) != {"meta": {"key": "mark"}}:
        return False
    return '{"ct": {"key": "mark"}}' in json.dumps(mangle.get("value"))


def _rewrite(rule: Mapping[str, Any]) -> Rewrite:
    iif: frozenset[str] = frozenset()
    dst: tuple[str, ...] = ()
    for expression in rule.get("expr", ()):
        match = expression.get("match") or {}
        if match.get("op") not in {"==", "in"}:
            continue
        left, right = match.get("left"), match.get("right")
        if left in ({"meta": {"key": "iifname"}}, {"meta": {"key": "iif"}}):
            iif = frozenset(_words(right))
        elif isinstance(left, dict) and (left.get("payload") or {}).get("field") == "daddr":
            dst = tuple(_words(right))
    return Rewrite(f"{rule['table']} {rule['chain']}", iif, dst)


def _words(value: Any) -> Iterator[str]:
    """The strings of a value or set; a prefix as address/length."""
    match value:
        case str():
            yield value
        case {"prefix": {"addr": address, "len": length}}:
            yield f"{address}/{length}"
        case {"set": [*several]} | [*several]:
            yield from _each(several)


def _each(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _words(value)
