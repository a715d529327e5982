"""The formats that a picture can be written in: this literal list, and nothing found by magic."""

from collections.abc import Callable
from importlib import import_module

from srcroutd.export.graph.picture import Picture

DRAWINGS = ("svg", "dot", "mermaid")
"""Documents; each is the function of its own name in the file of that name, imported when asked
for.
"""
FORMATS = ("terminal", *DRAWINGS)


def drawing(name: str) -> Callable[[Picture], str]:
    """What writes a picture down as a document of that format."""
    module = import_module(f"srcroutd.export.graph.{name}")
    written: Callable[[Picture], str] = getattr(module, name)
    return written
