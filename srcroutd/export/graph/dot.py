"""A picture in Graphviz's language: a cluster for each NIC, boxes of left-aligned lines.

Text is escaped for quoted strings *and* for labels, where a backslash begins an escape and an
ampersand an entity (graphviz.org: "The DOT Language", "escString").
"""

from collections.abc import Iterator

from srcroutd.export.graph.picture import Edge, Mark, Node, Picture, Tone

RED = "#b3261e"


def dot(picture: Picture) -> str:
    """The picture as a DOT document."""
    return "".join(f"{line}\n" for line in _lines(picture))


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph srcroutd {"
    title = _label(picture.title, picture.summary, *picture.notes)
    yield f'  graph [rankdir=LR, labelloc=t, labeljust=l, bgcolor="#ffffff", label={title}];'
    yield '  graph [fontname="DejaVu Sans", fontsize=12, ranksep=0.6];'
    yield '  node [shape=box, style="rounded,filled", fillcolor="#ffffff", color="#b9c4cf"];'
    yield '  node [fontname="DejaVu Sans Mono", fontsize=10];'
    yield '  edge [color="#4a6078", fontname="DejaVu Sans Mono", fontsize=9];'
    for nic, nodes in picture.lanes():
        yield f"  subgraph {_quoted(f'cluster_{nic.id}')} {{"
        said = () if nic.folded else tuple(line.words() for line in nic.lines)
        colour = f'"{RED}"; fontcolor="{RED}"' if nic.tone is Tone.BAD else '"#dbe1e7"'
        yield f'    label={_label(nic.heading(), *said)}; style="rounded"; color={colour};'
        for node in (nic,) if nic.folded or not nodes else nodes:
            yield f"    {_node(node)}"
        yield "  }"
    yield from (f"  {_edge(edge)}" for edge in picture.edges)
    legend = [f"{mark.value}: {words}" for mark, words in picture.legend()]
    if legend:
        yield f'  "legend" [label={_label(*legend)}, color="{RED}"];'
    yield "}"


def _node(node: Node) -> str:
    red = "" if node.mark is Mark.NONE else f', color="{RED}", fontcolor="{RED}", penwidth=2'
    words = (line.words() for line in node.lines)
    return f"{_quoted(node.id)} [label={_label(node.title, *words)}{red}];"


def _edge(edge: Edge) -> str:
    words = edge.words()
    traits = [f"label={_quoted(words)}"] if words else []
    if edge.mark is not Mark.NONE:
        traits.append(f'color="{RED}", fontcolor="{RED}", style=dashed')
    said = f" [{', '.join(traits)}]" if traits else ""
    return f"{_quoted(edge.start)} -> {_quoted(edge.end)}{said};"


def _label(*lines: str) -> str:
    """Lines as one label, each ended by the escape for left-aligned."""
    return '"' + "".join(f"{_escaped(line)}\\l" for line in lines) + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
