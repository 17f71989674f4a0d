"""Write classes and aliases for the schemas of the document."""

import keyword
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from scripts.sdk_generator.expressions import expression, name_of
from scripts.sdk_generator.schema_types import Use, references

_WIDTH: Final = 116


def docstring(text: str | None, indent: str = "    ") -> Iterator[str]:
    """Yield the lines of a docstring; none without a text."""
    if not text:
        return
    safe = text.strip().replace("\\", "\\\\").replace('"', '\\"')
    lines = [line for part in safe.splitlines() for line in textwrap.wrap(part, _WIDTH - len(indent)) or [""]]
    quote = '"""'
    if len(lines) == 1:
        yield f"{indent}{quote}{lines[0]}{quote}"
        return
    yield f"{indent}{quote}{lines[0]}"
    yield from (f"{indent}{line}".rstrip() for line in lines[1:])
    yield f"{indent}{quote}"


def is_object(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema becomes a class of its own."""
    return bool(schema.get("properties")) and "oneOf" not in schema and "anyOf" not in schema


def dataclass(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a class for an answer of the API."""
    required = frozenset(schema.get("required", ()))
    yield "@dataclass(frozen=True, slots=True, kw_only=True)"
    yield f"class {name}:"
    yield from docstring(schema.get("description") or f"{name}.")
    yield ""
    for field, described in schema["properties"].items():
        kind = expression(described, Use.ANSWER)
        # A constant is in each answer, whatever the document says about its default.
        if field in required or "const" in described:
            yield f"    {field}: {kind}{_hidden(field)}"
        else:
            yield f"    {field}: {optional(kind)} = None"
        yield from docstring(described.get("description"))


def _hidden(field: str) -> str:
    # A secret is readable by its name alone: it is in no repr, and so in no log.
    return " = field(repr=False)" if field in {"api_key", "access_token", "secret", "initial_password"} else ""


def optional(kind: str) -> str:
    """Return a type that has None, too."""
    return kind if kind in {"Any", "None"} or kind.endswith("| None") else f"{kind} | None"


def typed_dict(name: str, schema: Mapping[str, Any], use: Use, base: str = "TypedDict") -> Iterator[str]:
    """Yield the lines of a TypedDict for a request, or for JSON of a task."""
    required = frozenset(schema.get("required", ()))
    fields = {
        field: f"{'Required' if field in required else 'NotRequired'}[{expression(described, use)}]"
        for field, described in schema.get("properties", {}).items()
    }
    if not all(field.isidentifier() and not keyword.iskeyword(field) for field in fields):
        quoted = ", ".join(f"{field!r}: {kind!r}" for field, kind in fields.items())
        yield f'{name} = TypedDict("{name}", {{{quoted}}})'
        yield from docstring(schema.get("description"), "")
        return
    yield f"class {name}({base}):"
    yield from docstring(schema.get("description") or f"{name}.")
    for field, kind in fields.items():
        yield ""
        yield f"    {field}: {kind}"
        yield from docstring(schema["properties"][field].get("description"))


def aliases(schemas: Mapping[str, Mapping[str, Any]], use: Mapping[str, Use]) -> Iterator[str]:
    """Yield a line for each schema that is no class, so that each stands behind those that it names."""
    left = {name: schema for name, schema in schemas.items() if not is_object(schema)}
    while left:
        ready = [name for name, schema in left.items() if not left.keys() & set(references(schema))]
        # Aliases cannot refer to each other in a circle, as trees do: one of them is Any, which breaks it.
        for name in ready or [next(iter(left))]:
            schema = left.pop(name)
            kind = expression(schema, use[name]) if ready else "Any"
            yield f"{name_of(name)}: TypeAlias = {kind}"


def reachable(schemas: Mapping[str, Any], roots: Iterable[str]) -> set[str]:
    """Return the names of schemas that these lead to, and these themselves."""
    found: set[str] = set()
    left = list(roots)
    while left:
        name = left.pop()
        if name not in found and name in schemas:
            found.add(name)
            left.extend(references(schemas[name]))
    return found
