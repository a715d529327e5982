"""JSON text becomes a document, or a sentence that says where it is wrong.

Keys that the document does not have are skipped: a newer daemon may say more than this program
knows. A key that is missing is an error, for every key of a version is always there.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Shape = TypeVar("Shape")
_Read = Callable[[Any], Any]


class WrongShape(ValueError):
    """What was read is not the document that it should be; says where and what."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self._problem = problem
        self._where = ""

    def below(self, step: str) -> "WrongShape":
        """The same error, seen from one step further up."""
        self._where = f"{step}{self._where}"
        return self

    def __str__(self) -> str:
        where = self._where.removeprefix(".")
        return f"{where}: {self._problem}" if where else self._problem


def parse(text: bytes) -> dict[str, Any]:
    """JSON text as a dict. Raises WrongShape."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WrongShape(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongShape("should be an object")
    return found


def read(shape: type[Shape], found: Any) -> Shape:
    """Parsed JSON as a document of the type ``shape``. Raises WrongShape."""
    hint: Any = shape
    document: Shape = _reader(hint)(found)
    return document


def _no_constant(name: str) -> float:
    raise WrongShape(f"{name} is no number of JSON")


@cache
def _reader(hint: Any) -> _Read:
    """What reads a value of this type."""
    origin = get_origin(hint)
    if origin in (UnionType, Union):  # Literal[...] | None is the older of the two
        (inner,) = (argument for argument in get_args(hint) if argument is not NoneType)
        return _optional(_reader(inner))
    if origin is Literal:
        return _one_of(get_args(hint))
    if origin is Sequence:
        return _list_of(_reader(get_args(hint)[0]))
    if origin is Mapping:
        return _dict_of(_reader(get_args(hint)[1]))
    return _document(hint) if is_dataclass(hint) else _SIMPLE[hint]


def _document(shape: Any) -> _Read:
    readers = [(name, _reader(hint)) for name, hint in get_type_hints(shape).items()]

    def read_document(found: Any) -> Any:
        if type(found) is not dict:
            raise _unlike("an object", found)
        values = {}
        for name, reader in readers:
            try:
                values[name] = reader(found[name])
            except KeyError:
                raise WrongShape(f"{name} is missing") from None
            except WrongShape as error:
                raise error.below(f".{name}") from None
        return shape(**values)

    return read_document


def _list_of(reader: _Read) -> _Read:
    def read_list(found: Any) -> tuple[Any, ...]:
        if type(found) is not list:
            raise _unlike("a list", found)
        values = []
        for number, item in enumerate(found):
            try:
                values.append(reader(item))
            except WrongShape as error:
                raise error.below(f"[{number}]") from None
        return tuple(values)

    return read_list


def _dict_of(reader: _Read) -> _Read:
    def read_dict(found: Any) -> dict[str, Any]:
        if type(found) is not dict:
            raise _unlike("an object", found)
        return {name: reader(value) for name, value in found.items()}

    return read_dict


def _optional(reader: _Read) -> _Read:
    return lambda found: None if found is None else reader(found)


def _one_of(choices: tuple[Any, ...]) -> _Read:
    def read_choice(found: Any) -> Any:
        if found not in choices or type(found) is bool:
            raise _unlike(" or ".join(map(repr, choices)), found)
        return found

    return read_choice


def _text(found: Any) -> str:
    if type(found) is not str:
        raise _unlike("text", found)
    return found


def _whole(found: Any) -> int:
    if type(found) is not int:
        raise _unlike("a whole number", found)
    return found


def _number(found: Any) -> float:
    if type(found) not in (int, float) or not math.isfinite(found):
        raise _unlike("a number", found)
    return float(found)


def _truth(found: Any) -> bool:
    if type(found) is not bool:
        raise _unlike("true or false", found)
    return found


_SIMPLE: dict[type, _Read] = {str: _text, int: _whole, float: _number, bool: _truth}


def _unlike(wanted: str, found: Any) -> WrongShape:
    shown = repr(found)
    return WrongShape(f"should be {wanted}, is {shown[:40]}{'...' if len(shown) > 40 else ''}")
