"""A picture as JSON for programs: boxes and arrows, and behind each line the rules and routes as
one would type them after ``ip``.

The shape is versioned: what is added keeps ``version``, what changes its meaning raises it.
"""

import json
from typing import Any

from srcroutd.export.graph.picture import Edge, Kind, Line, Node, Picture

VERSION = 1


def document(picture: Picture) -> str:
    """The picture as one JSON document, in ASCII: names of links may be bytes that are no text."""
    whole = {
        "version": VERSION,
        "kind": "srcroutd.graph",
        "title": picture.title,
        "summary": picture.summary,
        "in_sync": picture.in_sync,
        "notes": list(picture.notes),
        "nodes": [_node(node) for node in picture.nodes],
        "edges": [_edge(edge) for edge in picture.edges],
    }
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def _node(node: Node) -> dict[str, Any]:
    said: dict[str, Any] = {"id": node.id, "kind": node.kind.value, "title": node.title}
    if node.kind is Kind.NIC:
        said |= {"eni": node.eni, "role": node.role, "state": node.state, "folded": node.folded}
    else:
        said |= {"nic": node.lane, "row": node.row}
    return said | {"mark": node.mark.value, "lines": [_line(line) for line in node.lines]}


def _line(line: Line) -> dict[str, Any]:
    return {
        "lead": line.lead,
        "text": line.text,
        "under": line.under,
        "note": line.note,
        "mark": line.mark.value,
        "flag": line.flag,
        "things": [str(thing) for thing in line.things],
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "from": edge.start,
        "to": edge.end,
        "label": edge.label,
        "mark": edge.mark.value,
    }
