"""Turn JSON schemas into Python type expressions."""

import keyword
from typing import Any, Final

from scripts.sdk_generator.schema_types import SchemaTypes, Use

_PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS: Final = {
    Use.ANSWER: {"uuid": "UUID", "date-time": "datetime", "date": "date"},
    Use.REQUEST: {"uuid": "UUID | str", "date-time": "datetime | str", "date": "date | str"},
    Use.JSON: {},
}
_LIST: Final = {Use.ANSWER: "list", Use.REQUEST: "Sequence", Use.JSON: "list"}
_DICT: Final = {Use.ANSWER: "dict", Use.REQUEST: "Mapping", Use.JSON: "dict"}
_TAKEN: Final = frozenset(
    {"Any", "Literal", "Mapping", "NewTask", "NewType", "NotRequired", "OtherTask", "Required", "Sequence", "TaskName"}
    | {"TaskOptions", "TypeAlias", "TypedDict", "UUID", "bool", "dataclass", "date", "datetime", "dict", "field"}
    | {"float", "int", "list", "str"}
)
"""Names that the written modules use themselves."""


class _Python(SchemaTypes):
    unknown = "Any"

    def is_taken(self, name: str) -> bool:
        return keyword.iskeyword(name) or name in _TAKEN

    def literal(self, values: list[Any]) -> str:
        # Only these can stand in a Literal; a const of another type is rare, and checked by the API all the same.
        if not all(isinstance(value, str | int | None) for value in values):
            return self.unknown
        return f"Literal[{', '.join(map(repr, values))}]"

    def array(self, item: str, use: Use) -> str:
        return f"{_LIST[use]}[{item}]"

    def mapping(self, value: str, use: Use) -> str:
        return f"{_DICT[use]}[str, {value}]"

    def plain(self, kind: str, form: str, use: Use) -> str:
        if kind == "string":
            return _FORMATS[use].get(form, "str")
        return _PLAIN.get(kind, self.unknown)

    def alternatives(self, part: str) -> list[str]:
        # The parts at the top level: a bracket protects what is inside.
        found, depth, start = [], 0, 0
        for place, letter in enumerate(part):
            depth += (letter == "[") - (letter == "]")
            if letter == "|" and not depth:
                found.append(part[start:place].strip())
                start = place + 1
        return [*found, part[start:].strip()]


_PYTHON: Final = _Python()
expression: Final = _PYTHON.expression
name_of: Final = _PYTHON.name_of
