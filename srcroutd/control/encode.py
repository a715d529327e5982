"""Documents become JSON text, in small pieces: nobody has to wait for a large one, or hold it.

A field that lists documents may be a lazy sequence (``Each``): its parts are made one by one as
their turn comes, so a view of thousands of rules costs no memory and can be written in slices.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_type_hints

Thing = TypeVar("Thing")
Part = TypeVar("Part")

# Names of links are bytes to the kernel: what is no text in them must not break the JSON.
_dumps = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode

_PLAIN = frozenset({str, int, float, bool, type(None)})


class Each(Sequence[Part], Generic[Thing, Part]):
    """A sequence whose items are made from ``things`` each time they are asked for."""

    __slots__ = ("_make", "_things")

    def __init__(self, make: Callable[[Thing], Part], things: Sequence[Thing]) -> None:
        self._make = make
        self._things = things

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[Part]:
        return map(self._make, self._things)

    def __getitem__(self, index: Any) -> Any:
        found = self._things[index]
        return tuple(map(self._make, found)) if isinstance(index, slice) else self._make(found)


def encode(document: object) -> Iterator[str]:
    """The document as JSON on one line, without its end, in pieces of a few hundred characters."""
    of: Any = type(document)
    lists = _lists(of)
    if not lists:
        yield _dumps(plain(document))
        return
    separator = "{"
    for field in fields(document):  # type: ignore[arg-type]
        yield f'{separator}"{field.name}":'
        separator = ","
        value = getattr(document, field.name)
        if field.name in lists:
            yield from _encode_list(value)
        else:
            yield _dumps(plain(value))
    yield "}"


def _encode_list(documents: Sequence[object]) -> Iterator[str]:
    separator = "["
    for document in documents:
        yield separator
        separator = ","
        yield from encode(document)
    yield "]" if separator == "," else "[]"


def to_line(document: object) -> str:
    """A small document as one line, with its end."""
    return _dumps(plain(document)) + "\n"


def to_text(document: object) -> str:
    """A document for a person's eyes: indented, with its end."""
    return json.dumps(plain(document), indent=2) + "\n"


def plain(value: Any) -> Any:
    """A document, or a part of one, as the dicts and lists that JSON has."""
    if type(value) in _PLAIN:
        return value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


@cache
def _lists(of: Any) -> frozenset[str]:
    """The names of the fields that list documents."""
    return frozenset(
        name
        for name, hint in get_type_hints(of).items()
        if any(is_dataclass(argument) for argument in get_args(hint))
        and type(None) not in get_args(hint)
    )
