"""A picture as a Mermaid flowchart, for pages that draw it (GitHub, GitLab and others).

In its quoted strings a character is written ``#NUMBER;``. That is done to all but letters, digits
and a few harmless signs: Mermaid reads labels as Markdown and HTML, and its preprocessor takes a
semicolon away where ``style`` or ``classDef`` stands before it (mermaid 11, ``encodeEntities``).
"""

import re
from collections.abc import Iterator

from srcroutd.export.graph.picture import Mark, Node, Picture, Tone

_OF_ITS_OWN = re.compile(r"style|classDef|:(?=//)|(?<=www)\.")
"""What it would still take for its own: statements and links."""
_OF_A_LIST = re.compile(r"^(\d+)([.)])(?= |$)")
_HARMLESS = frozenset(" .,:/()[]")


def mermaid(picture: Picture) -> str:
    """The picture as a Mermaid document."""
    return "".join(f"{line}\n" for line in _lines(picture))


def _lines(picture: Picture) -> Iterator[str]:
    # Its own limit would break an IPv6 address in two.
    yield '%%{init: {"flowchart": {"wrappingWidth": 640}}}%%'
    yield "flowchart LR"
    about = (picture.title, picture.summary, *picture.notes)
    yield f"  about[{_label(*about)}]:::plain"
    for nic, nodes in picture.lanes():
        said = () if nic.folded else tuple(line.words() for line in nic.lines)
        yield f"  subgraph lane_{nic.id} [{_label(nic.heading(), *said)}]"
        yield "    direction LR"
        for node in (nic,) if nic.folded or not nodes else nodes:
            yield f"    {_node(node)}"
        yield "  end"
    for edge in picture.edges:
        arrow = "-->" if edge.mark is Mark.NONE else "-.->"
        label = f"|{_label(edge.words())}|" if edge.words() else ""
        yield f"  {edge.start} {arrow}{label} {edge.end}"
    if legend := [f"{mark.value}: {words}" for mark, words in picture.legend()]:
        yield f"  legend[{_label(*legend)}]:::drift"
    for nic, _ in picture.lanes():
        if nic.tone is Tone.BAD:
            yield f"  class lane_{nic.id} drift"
    yield "  classDef plain fill:none,stroke:none"
    yield "  classDef drift stroke:#b3261e,stroke-width:2px,color:#b3261e"
    red = [number for number, edge in enumerate(picture.edges) if edge.mark is not Mark.NONE]
    if red:
        yield f"  linkStyle {','.join(map(str, red))} stroke:#b3261e,color:#b3261e"


def _node(node: Node) -> str:
    words = (line.words() for line in node.lines)
    colour = "" if node.mark is Mark.NONE else ":::drift"
    return f"{node.id}[{_label(node.title, *words)}]{colour}"


def _label(*lines: str) -> str:
    return '"' + "<br/>".join(map(_escaped, lines)) + '"'


def _escaped(text: str) -> str:
    shown = "".join(
        one if one.isascii() and (one.isalnum() or one in _HARMLESS) else f"#{ord(one)};"
        for one in text.strip()
    )
    shown = _OF_A_LIST.sub(lambda found: f"{found[1]}#{ord(found[2])};", shown)
    return _OF_ITS_OWN.sub(lambda found: f"#{ord(found[0][0])};{found[0][1:]}", shown)
