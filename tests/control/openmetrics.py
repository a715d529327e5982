"""A strict reader of OpenMetrics 1.0, written from its specification, to hold our text against.

It knows what srcroutd uses: counters, gauges, histograms and info, without timestamps, exemplars
and created samples. What the specification forbids raises ``Forbidden``.
"""

import math
import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (\S+)")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\+Inf")
ENDINGS = {
    "counter": {"_total"},
    "gauge": {""},
    "info": {"_info"},
    "histogram": {"_bucket", "_count", "_sum"},
}


class Forbidden(Exception):
    """The text is not OpenMetrics."""


@dataclass
class Family:
    """One metric family as read: samples by ending and labels."""

    name: str
    type: str = ""
    unit: str = ""
    help: str = ""
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """All families of an exposition, by name."""
    if not text.endswith("# EOF\n"):
        raise Forbidden("the end is # EOF and a line feed")
    families: dict[str, Family] = {}
    current: Family | None = None
    for line in text.removesuffix("# EOF\n").split("\n")[:-1]:
        if line.startswith("# "):
            current = _descriptor(line, current, families)
        else:
            _sample(line, current)
    for family in families.values():
        _check(family)
    return families


def _descriptor(line: str, current: Family | None, families: dict[str, Family]) -> Family:
    found = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.*)", line)
    if not found:
        raise Forbidden(line)
    word, name, rest = found.groups()
    if current is None or current.name != name:
        if name in families:
            raise Forbidden(f"{name} is interleaved")
        current = families[name] = Family(name)
    if current.samples:
        raise Forbidden(f"{line} after samples")
    if getattr(current, word.lower()):
        raise Forbidden(f"{line} twice")
    if word == "HELP" and re.search(r'(?<!\\)(?:\\\\)*\\(?![\\n"])', rest):
        raise Forbidden(f"escape in {line}")
    setattr(current, word.lower(), rest)
    return current


def _sample(line: str, current: Family | None) -> None:
    found = SAMPLE.fullmatch(line)
    if not found or current is None:
        raise Forbidden(line)
    name, labels, value = found[1], found[2] or "", found[found.lastindex or 0]
    if not NUMBER.fullmatch(value):
        raise Forbidden(f"number in {line}")
    if not name.startswith(current.name):
        raise Forbidden(f"{line} below {current.name}")
    ending = name.removeprefix(current.name)
    if ending not in ENDINGS.get(current.type, set()):
        raise Forbidden(f"{line}: no sample of a {current.type}")
    pairs = tuple((key, _unescaped(text)) for key, text in re.findall(LABEL, labels))
    if len(dict(pairs)) != len(pairs):
        raise Forbidden(f"a label twice in {line}")
    if (ending, pairs) in current.samples:
        raise Forbidden(f"{line} twice")
    current.samples[ending, pairs] = float(value)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def _check(family: Family) -> None:
    if family.type not in ENDINGS:
        raise Forbidden(f"{family.name} has no type")
    if family.unit and not family.name.endswith(f"_{family.unit}"):
        raise Forbidden(f"{family.name} does not end in its unit")
    if family.type == "counter" and family.name.endswith("_total"):
        raise Forbidden(f"{family.name}: the ending belongs to the sample")
    for (ending, _), value in family.samples.items():
        if family.type in {"counter", "histogram"} and (value < 0 or math.isnan(value)):
            raise Forbidden(f"{family.name} is negative")
        if ending == "_info" and value != 1:
            raise Forbidden(f"{family.name} is not 1")
    if family.type == "histogram":
        _check_histogram(family)


def _check_histogram(family: Family) -> None:
    buckets: list[tuple[float, float]] = []
    for (ending, pairs), value in family.samples.items():
        if ending == "_bucket":
            ((name, bound),) = pairs
            if name != "le" or not ("." in bound or bound == "+Inf"):
                raise Forbidden(f"{family.name}: le={bound} is no float")
            buckets.append((float(bound), value))
    if buckets != sorted(buckets) or not buckets or buckets[-1][0] != math.inf:
        raise Forbidden(f"{family.name}: buckets out of order")
    if buckets[-1][1] != family.samples["_count", ()]:
        raise Forbidden(f"{family.name}: the count is not that of +Inf")
