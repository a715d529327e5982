"""DOT, Mermaid and the terminal's drawing: each read back by the rules of its own language, with
whatever names the host has.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings

from srcroutd.core.view import View
from srcroutd.export.graph.dot import dot
from srcroutd.export.graph.mermaid import mermaid
from srcroutd.export.graph.picture import Kind, Line, Mark, Node, Picture
from srcroutd.export.graph.scene import scene
from srcroutd.export.graph.terminal import WIDTH, terminal, text
from srcroutd.export.graph.text import cells, clean, wrap
from tests.pure.graphs import NASTY, Thing, host, named, numbered, routes_of, rules_of, three_enis
from tests.pure.test_graph_svg import views

# DOT: tokens of the language, then statements.

DOT_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|->|[\w.]+|[{}\[\];=,]')


def dot_tokens(document: str) -> Iterator[str]:
    at = 0
    while at < len(document):
        found = DOT_TOKEN.match(document, at)
        assert found, f"no token of DOT: {document[at : at + 40]!r}"
        at = found.end()
        if not found[0].isspace():
            yield found[0]


def dot_lines(quoted: str) -> list[str]:
    """What Graphviz shows for a label: its escapes and entities resolved."""
    lines, line = [], ""
    for part in re.findall(r"\\.|&\w+;|[^\\]", quoted[1:-1], re.DOTALL):
        if part == "\\l":
            lines.append(line)
            line = ""
        elif part.startswith("\\"):
            assert part in {"\\\\", '\\"'}, f"{part} means something else to Graphviz"
            line += part[1]
        elif part.startswith("&") and len(part) > 1:
            assert part == "&amp;"
            line += "&"
        else:
            assert part not in {'"', "\n", "&"}
            line += part
    return [*lines, line] if line else lines


def read_dot(document: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The nodes with their labels and the edges; asserts that all is in order."""
    nodes: dict[str, list[str]] = {}
    edges: list[tuple[str, str]] = []
    tokens = list(dot_tokens(document))
    assert tokens[:3] == ["digraph", "srcroutd", "{"]
    depth, at = 0, 0
    while at < len(tokens):
        depth += (tokens[at] == "{") - (tokens[at] == "}")
        assert depth > 0 or at in {0, 1, len(tokens) - 1}
        if tokens[at].startswith('"') and tokens[at - 1] in {";", "{", "}"}:
            name = tokens[at][1:-1]
            if tokens[at + 1] == "->":
                edges.append((name, tokens[at + 2][1:-1]))
            else:
                assert tokens[at + 1 : at + 4] == ["[", "label", "="]
                assert name not in nodes
                nodes[name] = dot_lines(tokens[at + 4])
        at += 1
    assert depth == 0
    for edge in edges:
        assert set(edge) <= nodes.keys()
    return nodes, edges


def assert_dot_shows(picture: Picture) -> None:
    nodes, edges = read_dot(dot(picture))
    assert edges == [(edge.start, edge.end) for edge in picture.edges]
    for _, below in picture.lanes():
        for node in below:
            assert nodes[node.id] == [node.title, *(line.words() for line in node.lines)]


@pytest.mark.parametrize("name", NASTY)
def test_dot_shows_any_name_as_it_is(name: str) -> None:
    assert_dot_shows(scene(named(name)))


@given(views())
@settings(max_examples=40, deadline=None)
def test_dot_has_every_box_and_arrow_whatever_the_host(whole: View) -> None:
    assert_dot_shows(scene(whole))


def test_drift_in_dot_is_red_and_in_words() -> None:
    document = dot(scene(three_enis()))
    assert (
        "default via the gateway: in its place via 203.0.113.1 dev eth2 proto 4 [to replace]"
        in document
    )
    assert document.count('color="#b3261e", fontcolor="#b3261e"') == 3
    assert (
        'label="eth2  eni-2  secondary  drift (7)\\l"; style="rounded"; color="#b3261e"' in document
    )
    assert '"legend" [label="missing: wanted, but not in the kernel\\l' in document
    assert "legend" not in dot(scene(host(numbered(1))))


# Mermaid: a line a statement.

LABEL = r'"(?P<label>[^"\n]*)"'
MERMAID = [
    re.compile(r'%%\{init: \{"flowchart": \{"wrappingWidth": \d+\}\}\}%%'),
    re.compile(r"flowchart LR"),
    re.compile(rf"  +(?P<node>\w+)\[{LABEL}\](?::::\w+)?"),
    re.compile(rf"  subgraph (?P<lane>\w+) \[{LABEL}\]"),
    re.compile(r"    direction LR"),
    re.compile(r"  (?P<end>end)"),
    re.compile(rf"  (?P<start>\w+) (?:-->|-\.->)(?:\|{LABEL}\|)? (?P<to>\w+)"),
    re.compile(r"  class lane_\w+ drift"),
    re.compile(r"  classDef \w+ [\w:,#-]+"),
    re.compile(r"  linkStyle [\d,]+ [\w:,#]+"),
]


def mermaid_lines(label: str) -> list[str]:
    """What Mermaid shows for a label. Its preprocessor goes first: it must find nothing of its
    own.
    """
    assert re.fullmatch(r"(?:[A-Za-z0-9 .,:/()\[\]]|#\d+;|<br/>)*", label), label
    assert not re.search(r"style|classDef|://|www\.", label)
    for line in label.split("<br/>"):
        assert not re.match(r"\s|\d+[.)](\s|$)", line), line
    return [
        re.sub(r"#(\d+);", lambda found: chr(int(found[1])), line) for line in label.split("<br/>")
    ]


def read_mermaid(document: str) -> tuple[dict[str, list[str]], list[tuple[str, str]], list[int]]:
    """The nodes with their labels, the edges, and the numbers of those that are styled."""
    nodes: dict[str, list[str]] = {}
    edges: list[tuple[str, str]] = []
    styled: list[int] = []
    depth = 0
    for line in document.splitlines():
        found = next((match for one in MERMAID if (match := one.fullmatch(line))), None)
        assert found, f"no statement of Mermaid: {line!r}"
        parts = found.groupdict()
        depth += ("lane" in parts) - ("end" in parts)
        assert depth in {0, 1}
        shown = mermaid_lines(parts["label"]) if parts.get("label") else []
        if "node" in parts:
            assert parts["node"] not in nodes
            assert parts["node"] != "end"
            nodes[parts["node"]] = shown
        if "start" in parts:
            edges.append((parts["start"], parts["to"]))
        if line.startswith("  linkStyle"):
            styled = [int(number) for number in line.split()[1].split(",")]
    assert depth == 0
    for edge in edges:
        assert set(edge) <= nodes.keys()
    return nodes, edges, styled


def assert_mermaid_shows(picture: Picture) -> None:
    nodes, edges, styled = read_mermaid(mermaid(picture))
    assert edges == [(edge.start, edge.end) for edge in picture.edges]
    assert styled == [at for at, edge in enumerate(picture.edges) if edge.mark.value]
    for _, below in picture.lanes():
        for node in below:
            said = [node.title, *(line.words() for line in node.lines)]
            assert nodes[node.id] == [line.strip() for line in said]


@pytest.mark.parametrize("name", NASTY)
def test_mermaid_shows_any_name_as_it_is(name: str) -> None:
    assert_mermaid_shows(scene(named(name)))


@given(views())
@settings(max_examples=40, deadline=None)
def test_mermaid_has_every_box_and_arrow_whatever_the_host(whole: View) -> None:
    assert_mermaid_shows(scene(whole))


def test_mermaid_stays_below_its_limit_with_everything_missing_on_many_nics() -> None:
    nics = [numbered(number, addresses=64) for number in range(1, 60)]
    lost: list[Thing] = []
    for one in nics:
        lost += [*rules_of(one), *routes_of(one)]
    document = mermaid(scene(host(*nics, lost=lost)))
    assert len(document) < 50_000
    assert document.count("-->") + document.count("-.->") < 500


# The terminal.


def columns_of(whole: View, *, plain: bool = False) -> list[str]:
    return text(terminal(scene(whole), plain=plain)).splitlines()


@given(views())
@settings(max_examples=80, deadline=None)
def test_the_terminal_never_needs_more_than_eighty_columns_and_its_frames_close(
    whole: View,
) -> None:
    for plain in (False, True):
        for line in columns_of(whole, plain=plain):
            assert cells(line) <= WIDTH
            if line and line[0] in ("|+" if plain else "│┌└"):
                assert cells(line) == WIDTH
                assert line[-1] in ("|+" if plain else "│┐┘")
            assert not plain or line.isascii()


def test_the_terminal_shows_each_lane_from_addresses_to_gateway() -> None:
    one = replace(host(numbered(1, v6=False)), nics=host(numbered(1, v6=False)).nics[1:2])
    assert columns_of(one)[2:] == [
        "┌─ eth1  eni-1  secondary ─────────────────────────────────────────── in sync ─┐",
        "│ IPv4  198.51.100.5                                                           │",
        "│ └▶ rules                                                                     │",
        "│    18010..18012  sockets bound to eth1                                       │",
        "│                  own subnet, then main, then default                         │",
        "│    18014..18016  from 198.51.100.5                                           │",
        "│                  own subnet, then main, then default                         │",
        "│    └▶ table 18001                                                            │",
        "│       198.51.100.0/24  on the link                                           │",
        "│       192.0.2.0/24     via the gateway                                       │",
        "│       203.0.113.0/24   via the gateway                                       │",
        "│       default          via the gateway                                       │",
        "│       default          unreachable (guard)                                   │",
        "│       └▶ leaves by eth1  via 198.51.100.253                                  │",
        "└──────────────────────────────────────────────────────────────────────────────┘",
    ]


def test_a_mark_that_does_not_fit_beside_a_long_address_goes_below_it() -> None:
    one = numbered(1)
    long = [rule for rule in rules_of(one) if rule.family == 10 and rule.src][1:]
    lines = [line.strip("│ ") for line in columns_of(host(one, lost=long))]
    at = lines.index("18014..18016  from 2001:db8:1111:1:aaaa:bbbb:cccc:1")
    assert lines[at + 1 : at + 3] == [
        "own subnet, then main, then default",
        "[18015, 18016 missing]",
    ]


def test_drift_on_the_terminal_is_meant_to_be_red_and_says_so_without() -> None:
    drawn = terminal(scene(three_enis()))
    bad = [span.text.strip() for line in drawn for span in line if span.shade == "bad"]
    assert "[missing]" in bad
    assert "from 203.0.113.6" in bad
    assert text(drawn).count("[missing]") == 2  # the line and the legend
    assert "drift (7)" in bad
    quiet = terminal(scene(host(numbered(1))))
    assert ("in sync", "good") in [(span.text, span.shade) for line in quiet for span in line]
    assert not any(span.shade == "bad" for line in quiet for span in line)


def test_a_lead_that_leaves_no_room_has_its_text_below_both_in_red() -> None:
    line = Line("from 192.0.2.5", lead="9" * 60, mark=Mark.MISSING)
    nodes = (Node("n", Kind.NIC, "eth1", "n"), Node("r", Kind.RULES, "rules", "n", lines=(line,)))
    drawn = terminal(Picture("", "", in_sync=False, nodes=nodes))
    shades = {span.text.strip(): span.shade for one in drawn for span in one}
    assert shades["9" * 60] == shades["from 192.0.2.5"] == shades["[missing]"] == "bad"


def test_ascii_draws_the_same_with_plain_signs() -> None:
    assert columns_of(three_enis(), plain=True)[3] == (
        "+- eth0  eni-0  primary ------------------------------------------ left alone -+"
    )
    assert len(columns_of(three_enis(), plain=True)) == len(columns_of(three_enis()))


# Text from outside.


def test_text_from_outside_is_one_visible_line() -> None:
    assert clean("a\nb\x1b[31m\u202e\udce9") == "a\\nb\\x1b[31m\\u202e\\udce9"
    assert clean("x" * 100, 11) == "xxxxx…xxxxx"


def test_wrapping_breaks_at_blanks_and_only_then_in_words() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("abcdefgh ij", 3) == ["abc", "def", "gh", "ij"]
    assert wrap("", 5) == [""]
    assert wrap("中中中", 4) == ["中中", "中"]
