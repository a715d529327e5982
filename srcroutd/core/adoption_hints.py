"""From the files that set up a host's network to the lines in them that would bring back what was
taken over, each with what to do about it.

Files are texts by path; nothing is read or written here. Only what is spelled out is found: a
script that computes its addresses is known by its name.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from srcroutd.core.net import IP

SCRIPT = "config_dual_traffic.sh"
"""The vendor's script that adds rule and routes by nmcli, once more at each run."""
_ANY_SOURCE = re.compile(r"\bfrom[\s:=]+[\"']?[0-9a-f]*[.:]", re.IGNORECASE)
_NO_TABLE = frozenset({0, 253, 254, 255})


@dataclass(frozen=True, slots=True)
class Hint:
    """A line in a file (``place`` is "path:line") and what to do, a sentence or a command a
    line.
    """

    place: str
    line: str
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: addresses with the NIC of each, tables that were made for them, and the
    names of tables (rt_tables).
    """

    nics: Mapping[IP, str]
    tables: Collection[int] = ()
    names: Mapping[str, int] = field(default_factory=dict)


def hints(files: Mapping[str, str], wanted: Wanted) -> tuple[Hint, ...]:
    """The lines that matter, by path and line."""
    words = _Words(wanted)
    for text in files.values():
        for line in _live(text):
            words.learn(line[1])
    found: list[Hint] = []
    for path, text in sorted(files.items()):
        if path.rpartition("/")[2] == SCRIPT:
            found.append(Hint(path, "", ("do not run it again: it adds the same once more",)))
        elif path.endswith(".nmconnection"):
            found += _profile(path, text, words)
        else:
            found += (
                Hint(f"{path}:{number}", line, (_advice(path),))
                for number, line in _live(text)
                if words.match(line)
            )
    return tuple(found)


def table_names(texts: Iterable[str]) -> dict[str, int]:
    """The labels in iproute2's rt_tables files."""
    found = (
        re.fullmatch(r"([0-9]{1,10})\s+(\S+)", line) for text in texts for _, line in _live(text)
    )
    return {one[2]: int(one[1]) for one in found if one and int(one[1]) not in _NO_TABLE}


_NUMBER = re.compile(r"[0-9]{1,10}")
"""A table's number as the kernel has them: no other script's digits, and none of a thousand."""


class _Words:
    """Recognises rules and routes in any tool's notation: ``from IP lookup T``, ``From=IP``,
    ``table: T``.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        ips = "|".join(re.escape(str(ip)) for ip in sorted(wanted.nics, key=str))
        self._source = re.compile(
            rf"\bfrom[\s:=]+[\"']?({ips or '(?!)'})(?:/32|/128)?(?![\w.:/])", re.IGNORECASE
        )
        self._table = re.compile(r"\b(?:table|lookup)[\s:=]+[\"']?([\w.-]+)", re.IGNORECASE)
        self._tables = set(wanted.tables)

    def learn(self, line: str) -> None:
        """Take in which table a rule for one of our addresses looks up."""
        table = self.table(line)
        if self._source.search(line) and table not in _NO_TABLE:
            self._tables.add(table)

    def table(self, line: str) -> int:
        """The table that a line names, 0 if none."""
        found = self._table.search(line)
        if not found:
            return 0
        return int(found[1]) if _NUMBER.fullmatch(found[1]) else self.wanted.names.get(found[1], 0)

    def nic(self, line: str) -> str:
        """The NIC whose address the line's rule is about; empty if it is none of ours."""
        found = self._source.search(line)
        texts = {str(ip): nic for ip, nic in self.wanted.nics.items()}
        return texts.get(found[1].lower(), "") if found else ""

    def match(self, line: str) -> bool:
        """Whether a line would bring back a rule or a route; somebody else's rule does neither."""
        if _ANY_SOURCE.search(line):
            return bool(self._source.search(line))
        return self.table(line) in self._tables


def _live(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines without what is commented out."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and stripped[0] not in "#;":
            yield number, stripped


def _advice(path: str) -> str:
    if path.endswith((".yaml", ".yml")):
        return "delete it and what belongs to it; then: netplan generate"
    if path.startswith("/etc/systemd/network/"):
        return "delete its section; then: networkctl reload"
    return "delete this line"


def _profile(path: str, text: str, words: _Words) -> Iterator[Hint]:
    """A NetworkManager keyfile: the nmcli commands that take rules and routes out of it
    (nm-settings-keyfile(5)).
    """
    section, name, device = "", path.rpartition("/")[2].removesuffix(".nmconnection"), ""
    found: list[tuple[int, str, str, str]] = []
    lines = [*_live(text)]
    for at, (number, line) in enumerate(lines):
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, _, value = line.partition("=")
        if section == "connection" and key == "id":
            name = value
        elif section == "connection" and key == "interface-name":
            device = value
        elif section in {"ipv4", "ipv6"} and re.fullmatch(r"routing-rule\d+", key):
            if nic := words.nic(value):
                device = device or nic
                found.append((number, line, f"{section}.routing-rules", value))
        elif section in {"ipv4", "ipv6"} and re.fullmatch(r"route\d+", key):
            after = lines[at + 1][1] if at + 1 < len(lines) else ""
            options = after.partition("=")[2] if after.startswith(f"{key}_options=") else ""
            if options and words.match(options):
                route = f"{value.replace(',', ' ')} {options.replace(',', ' ')}"
                found.append((number, line, f"{section}.routes", route))
    for number, line, setting, value in found:
        command = f"nmcli connection modify {shlex.quote(name)} -{setting} {shlex.quote(value)}"
        yield Hint(f"{path}:{number}", line, (command,))
    if found:
        yield Hint(path, "", (f"then: nmcli device reapply {device or 'NIC'}",))
