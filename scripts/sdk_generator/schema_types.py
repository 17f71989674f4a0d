"""Find out what the type of a JSON schema is, for whatever language it is written in."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum
from typing import Any, ClassVar, Final

_REF: Final = "#/components/schemas/"


class Use(Enum):
    """The way in which values of a schema reach the client's user."""

    ANSWER = "answer"
    """Read by the client, into dataclasses in Python: ids are UUID, times are datetime."""
    REQUEST = "request"
    """Given by the user: everything that the client can write as JSON is accepted."""
    JSON = "json"
    """Results of tasks: as the JSON is, without conversion."""


class SchemaTypes(ABC):
    """Writes the types of schemas as one language has them."""

    unknown: ClassVar[str]
    """The type of values of which nothing is known."""

    def name_of(self, schema_name: str) -> str:
        """Return the name that a schema of the document has in this language."""
        name = re.sub(r"\W", "_", schema_name, flags=re.ASCII)
        if name[:1].isdigit() or not name:
            name = f"_{name}"
        return f"{name}_" if self.is_taken(name) else name

    def expression(self, schema: Any, use: Use) -> str:
        """Return the type of a schema's values; ``unknown`` for what has no type in this language."""
        if not isinstance(schema, dict):
            return self.unknown
        if "$ref" in schema:
            return self.name_of(target(schema["$ref"]))
        if "const" in schema:
            return self.literal([schema["const"]])
        if "enum" in schema:
            return self.literal(schema["enum"])
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        # An allOf of one is how some tools add a description to a reference.
        if alternatives or len(schema.get("allOf", ())) == 1:
            return self._union(self.expression(part, use) for part in alternatives or schema["allOf"])
        return self._by_type(schema, use)

    def _by_type(self, schema: dict[str, Any], use: Use) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union(self.expression(schema | {"type": one}, use) for one in kind)
        if kind == "array":
            return self.array(self.expression(schema.get("items"), use), use)
        if kind == "object":
            return self.mapping(self.expression(schema.get("additionalProperties"), use), use)
        return self.plain(str(kind), schema.get("format", ""), use)

    def _union(self, parts: Iterator[str]) -> str:
        different = dict.fromkeys(alternative for part in parts for alternative in self.alternatives(part))
        return self.unknown if self.unknown in different else " | ".join(different)

    @abstractmethod
    def is_taken(self, name: str) -> bool:
        """Return whether a name cannot be that of a type."""

    @abstractmethod
    def literal(self, values: list[Any]) -> str:
        """Return the type that has only these values."""

    @abstractmethod
    def array(self, item: str, use: Use) -> str:
        """Return the type of lists of ``item``."""

    @abstractmethod
    def mapping(self, value: str, use: Use) -> str:
        """Return the type of objects with any member names and values of one type."""

    @abstractmethod
    def plain(self, kind: str, form: str, use: Use) -> str:
        """Return the type of a ``kind`` that has no parts. ``form`` is the schema's format."""

    @abstractmethod
    def alternatives(self, part: str) -> list[str]:
        """Return the types of which a part of a union consists."""


def target(reference: str) -> str:
    """Return the name of the schema to which a ``$ref`` points."""
    return reference.removeprefix(_REF)


def references(schema: Any) -> Iterator[str]:
    """Yield the name of each schema that a part of the document refers to, in their order."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield target(schema["$ref"])
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)
