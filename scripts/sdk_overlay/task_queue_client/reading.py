"""Read answers into dataclasses. What a newer service adds is left out, and never an error."""

import dataclasses
import types
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")
_Reader = Callable[[Any], Any]


def read(kind: type[T], value: Any) -> T:
    """Return the value as this type; raises ValueError or TypeError where it lacks something."""
    wanted: Any = kind
    found: T = reader(wanted)(value)
    return found


@cache
def reader(kind: Any) -> _Reader:
    """Return the function that makes this type from JSON."""
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return _list(reader(arguments[0]))
    if origin is dict:
        return _dict(reader(arguments[1]))
    if origin in (Union, types.UnionType):
        return _union([alternative for alternative in arguments if alternative is not types.NoneType])
    return _TEXTS.get(kind, _unchanged)


def _unchanged(value: Any) -> Any:
    # Also a literal: a newer service may have further values.
    return value


def _text(make: Callable[[str], Any]) -> _Reader:
    def read_text(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError("a text is missing")
        return make(value)

    return read_text


_TEXTS: dict[Any, _Reader] = {
    UUID: _text(UUID),
    datetime: _text(datetime.fromisoformat),
    date: _text(date.fromisoformat),
}


def _list(item: _Reader) -> _Reader:
    return lambda value: [item(one) for one in value]


def _dict(member: _Reader) -> _Reader:
    return lambda value: {name: member(one) for name, one in value.items()}


def _union(alternatives: list[Any]) -> _Reader:
    readers = [(reader(one), _needed(one)) for one in alternatives]

    def read_union(value: Any) -> Any:
        if value is None:
            return None
        # The first that finds all it needs: the document lists the fuller one first.
        for made, needed in readers:
            if not needed or (isinstance(value, dict) and needed <= value.keys()):
                return made(value)
        raise ValueError("no alternative fits")

    return read_union


def _needed(kind: Any) -> frozenset[str]:
    if not dataclasses.is_dataclass(kind):
        return frozenset()
    return frozenset(field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING)


def _object(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    members = [(field.name, reader(hints[field.name])) for field in dataclasses.fields(kind)]
    needed = _needed(kind)

    def read_object(value: Any) -> Any:
        if not isinstance(value, dict) or not needed <= value.keys():
            raise ValueError(f"this is no {kind.__name__}")
        return kind(**{name: made(value[name]) for name, made in members if name in value})

    return read_object
