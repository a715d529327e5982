"""One file that an export gives: its text, where it belongs, and how to put it to use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """A file in somebody else's format.

    ``name`` is a safe file name, unlike any other of the same export; ``path`` is where the file
    belongs (for people: a part may be theirs to fill in); ``apply`` is a sentence.
    """

    name: str
    path: str
    text: str
    apply: str
    executable: bool = False
