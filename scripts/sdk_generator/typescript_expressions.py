"""Turn JSON schemas into TypeScript type expressions."""

import json
import re
from typing import Any, Final

from scripts.sdk_generator.schema_types import SchemaTypes, Use

_PLAIN: Final = {"string": "string", "number": "number", "boolean": "boolean", "null": "null"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_TAKEN: Final = frozenset(
    """
    Date KnownTask NewTask OtherTask PayloadOf ResultOf TaskName TaskOptions TaskTypes
    any as async await bigint boolean break case catch class const continue debugger default delete do else enum
    export extends false finally for function if implements import in instanceof interface let never new null
    number object package private protected public return static string super switch symbol this throw true try
    type typeof undefined unknown var void while with yield
    """.split()  # noqa: SIM905 as a list it would have a line for each name
)
"""Names that TypeScript keeps for itself, and those that the written modules use."""


def member(name: str) -> str:
    """Return a member's name as it stands in an interface."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


class _TypeScript(SchemaTypes):
    unknown = "unknown"

    def is_taken(self, name: str) -> bool:
        return name in _TAKEN

    def literal(self, values: list[Any]) -> str:
        if not all(isinstance(value, str | int | float | None) for value in values):
            return self.unknown
        return " | ".join(json.dumps(value) for value in values)

    def array(self, item: str, use: Use) -> str:
        one = f"({item})" if " " in item else item
        return f"readonly {one}[]" if use is Use.REQUEST else f"{one}[]"

    def mapping(self, value: str, use: Use) -> str:
        return f"{{ readonly [name: string]: {value} }}" if use is Use.REQUEST else f"{{ [name: string]: {value} }}"

    def plain(self, kind: str, form: str, use: Use) -> str:
        if kind == "integer":
            return "number | bigint" if use is Use.REQUEST else "number"
        if (kind, form, use) == ("string", "date-time", Use.REQUEST):
            return "Date | string"
        return _PLAIN.get(kind, self.unknown)

    def alternatives(self, part: str) -> list[str]:
        return [part]


_TYPESCRIPT: Final = _TypeScript()
expression: Final = _TYPESCRIPT.expression
name_of: Final = _TYPESCRIPT.name_of
