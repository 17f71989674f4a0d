"""Check values by the JSON Schemas of tenants (2020-12), whose cost is bounded before they are compiled (pure).

A schema comes from a tenant, so it may be hostile. Patterns run in a linear-time engine. References lead only to
``#/$defs``, are no cycle, and are counted as if each were replaced by what it names.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from app.core import validation_errors

MAX_BYTES: Final = 64 * 1024
"""Bytes of one schema, as compact JSON."""
MAX_NODES: Final = 1_000
"""Schemas within one schema, counted with each reference replaced by what it names."""
MAX_PATTERNS: Final = 50
"""Patterns in one schema, ``pattern`` and the names of ``patternProperties``."""
MAX_PATTERN: Final = 256
"""Characters of a pattern."""
MAX_CHECKS: Final = 2_000_000
"""The schema's nodes times the values that it checks: about 20 ms of work."""
MAX_FAULTS: Final = 20
"""Faults of a value that are described."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEFS: Final = "#/$defs/"
_REFUSED: Final = frozenset(
    {"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary"}
)
_ONE: Final = (
    "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "not",
    "if", "then", "else", "contentSchema",
)  # fmt: skip
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "dependentSchemas", "$defs")
_REGEX: Final = jsonschema_rs.RegexOptions(size_limit=50_000, dfa_size_limit=100_000)


class UnusableSchema(ValueError):  # noqa: N818 callers report it as the fault of a request
    """The schema cannot be used. ``pointer`` (a JSON pointer into it) says where, ``detail`` why."""

    def __init__(self, pointer: str, detail: str) -> None:
        """``detail`` repeats nothing of the schema."""
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class Schema:
    """A compiled JSON Schema."""

    def __init__(self, document: Any) -> None:
        """Compile a schema, a parsed JSON value. Raises ``UnusableSchema``."""
        self._nodes = _bounded(document)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(document, pattern_options=_REGEX, offline=True)
        except jsonschema_rs.ValidationError as error:
            raise UnusableSchema(
                _pointer(error.instance_path), "This is not what JSON Schema 2020-12 allows."
            ) from None
        except (jsonschema_rs.ReferencingError, ValueError):
            raise UnusableSchema("", "A reference leads nowhere, or a pattern is too complex.") from None

    def faults(self, value: Any, root: str) -> list[dict[str, str]]:
        """Return the first faults of a value, each with a ``pointer`` that begins with ``root``, and a ``detail``."""
        if self._nodes * _count(value, MAX_CHECKS // self._nodes) > MAX_CHECKS:
            return [{"pointer": f"#/{root}", "detail": "It has too many values for a schema of this size."}]
        if self._validator.is_valid(value):
            return []
        return list(self._described(value, root))

    def _described(self, value: Any, root: str) -> Iterator[dict[str, str]]:
        for number, error in enumerate(self._validator.iter_errors(value)):
            if number == MAX_FAULTS:
                return
            rule = _pointer(error.schema_path)
            yield {
                "pointer": validation_errors.pointer(root, *error.instance_path),
                "detail": f"It does not fit #{rule} of the schema.",
            }


def _bounded(document: Any) -> int:
    """Return the number of nodes of a schema. Raises ``UnusableSchema`` if it is over a bound."""
    if type(document) not in {dict, bool}:
        raise UnusableSchema("", "A schema is an object, true or false.")
    if len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BYTES:
        raise UnusableSchema("", f"A schema has at most {MAX_BYTES} bytes.")
    return _Walk(document).nodes()


class _Walk:
    """Counts the nodes of a schema. The JSON is at most 32 levels deep, because a request's body is."""

    def __init__(self, document: Any) -> None:
        self._document = document
        definitions = document.get("$defs") if isinstance(document, dict) else None
        self._definitions: dict[str, Any] = definitions if isinstance(definitions, dict) else {}
        self._known: dict[str, int] = {}
        self._open: set[str] = set()
        self._patterns = 0

    def nodes(self) -> int:
        return self._count(self._document, "")

    def _count(self, node: Any, at: str) -> int:
        if not isinstance(node, dict):
            # true, false, or a value that the compiler refuses.
            return 1
        self._check(node, at)
        nodes = 1 + sum(self._count(child, place) for child, place in _children(node, at))
        if "$ref" in node:
            nodes += self._referred(node["$ref"], f"{at}/$ref")
        if nodes > MAX_NODES:
            raise UnusableSchema(at, f"It has more than {MAX_NODES} schemas, with each reference counted in full.")
        return nodes

    def _check(self, node: Mapping[str, Any], at: str) -> None:
        if refused := _REFUSED & node.keys():
            name = min(refused)
            raise UnusableSchema(f"{at}/{name}", f"{name} is not supported. Use $ref to #/$defs.")
        if node.get("$schema", _DIALECT) != _DIALECT:
            raise UnusableSchema(f"{at}/$schema", f"Only {_DIALECT} is supported.")
        if at and "$defs" in node:
            raise UnusableSchema(f"{at}/$defs", "Put $defs at the top of the schema.")
        patterns = [node["pattern"]] if "pattern" in node else []
        named = node.get("patternProperties")
        patterns += list(named) if isinstance(named, dict) else []
        self._patterns += len(patterns)
        if self._patterns > MAX_PATTERNS or any(isinstance(one, str) and len(one) > MAX_PATTERN for one in patterns):
            raise UnusableSchema(at, f"A schema has at most {MAX_PATTERNS} patterns of {MAX_PATTERN} characters.")

    def _referred(self, reference: Any, at: str) -> int:
        name = reference.removeprefix(_DEFS) if isinstance(reference, str) else ""
        if not isinstance(reference, str) or not reference.startswith(_DEFS) or name not in self._definitions:
            raise UnusableSchema(at, "A reference leads to a name in #/$defs, without escapes.")
        if name in self._open:
            raise UnusableSchema(at, "A reference leads back to itself. Recursive schemas are not supported.")
        if name not in self._known:
            self._open.add(name)
            patterns = self._patterns
            self._known[name] = self._count(self._definitions[name], _child("/$defs", name))
            # They are counted where they stand.
            self._patterns = patterns
            self._open.remove(name)
        return self._known[name]


def _children(node: Mapping[str, Any], at: str) -> Iterator[tuple[Any, str]]:
    for keyword in _ONE:
        if keyword in node:
            yield node[keyword], f"{at}/{keyword}"
    for keyword in _LISTS:
        if isinstance(found := node.get(keyword), list):
            yield from ((child, f"{at}/{keyword}/{place}") for place, child in enumerate(found))
    for keyword in _MAPS:
        if isinstance(found := node.get(keyword), dict):
            yield from ((child, _child(f"{at}/{keyword}", name)) for name, child in found.items())


def _child(at: str, name: str) -> str:
    return at + _pointer([name])


def _pointer(path: Any) -> str:
    return validation_errors.pointer(*path).removeprefix("#")


def _count(value: Any, most: int) -> int:
    """Return how many values a JSON value has, at least ``most`` + 1 if it has more."""
    count, level = 1, [value]
    while level and count <= most:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        count += len(inner)
        level = inner
    return count
