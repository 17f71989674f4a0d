"""Turn the JSON schema of a payload into fields of a form, and the fields into a payload (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from app.console import json_view
from app.core.errors import InvalidRequest

Kind: TypeAlias = Literal["text", "number", "integer", "boolean", "choice", "json"]

_KINDS: Final[Mapping[str, Kind]] = {
    "string": "text", "integer": "integer", "number": "number", "boolean": "boolean",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a payload, as a field of a form."""

    name: str
    kind: Kind
    is_required: bool
    value: str
    description: str = ""
    choices: tuple[str, ...] = ()
    bounds: str = ""
    """The range of values that the schema allows, for people."""


def fields(schema: Mapping[str, Any], payload: str) -> list[Field]:
    """Return a field for each member of an object's schema, with its value in ``payload``.

    A schema of another kind has no fields: its payload is written as JSON.
    """
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        return []
    try:
        values = json_view.read(payload)
    except ValueError:
        values = {}
    known = values if isinstance(values, dict) else {}
    required = schema.get("required", ())
    return [_field(name, part, schema, name in required, known) for name, part in schema["properties"].items()]


def _field(
    name: str, part: Mapping[str, Any], root: Mapping[str, Any], is_required: bool, known: Mapping[str, Any]
) -> Field:
    resolved = _resolved(part, root)
    kind = _kind(resolved)
    value = known.get(name, resolved.get("default"))
    if value is None:
        text = ""
    elif kind == "json":
        text = indented(_dumps(value))
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = str(value)
    choices = tuple(str(each) for each in resolved.get("enum", ()))
    return Field(name, kind, is_required, text, resolved.get("description", ""), choices, _bounds(resolved))


def _resolved(part: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a member: what it refers to, and the one choice beside null."""
    found = dict(part)
    if isinstance(reference := found.pop("$ref", None), str):
        target: Any = root
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step, {})
        found = {**target, **found}
    choices = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        found = {**_resolved(choices[0], root), **{key: value for key, value in found.items() if key != "anyOf"}}
    return found


def _kind(part: Mapping[str, Any]) -> Kind:
    if all(isinstance(each, str) for each in part.get("enum", (0,))):
        return "choice"
    kind = part.get("type")
    return _KINDS.get(kind, "json") if isinstance(kind, str) else "json"


_RULES: Final = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
)


def _bounds(part: Mapping[str, Any]) -> str:
    return ", ".join(text.format(part[name]) for name, text in _RULES if name in part)


def filled(schema: Mapping[str, Any], sent: Mapping[str, str]) -> str:
    """Return the payload of a form as JSON text. A field that is left empty is left out.

    Numbers are copied as they were typed. Raises ``InvalidRequest`` for a field that cannot be read.
    """
    parts = []
    for field in fields(schema, "{}"):
        text = sent.get(field.name, "")
        # An empty text is a value, and only a required text field can mean it.
        if text.strip() == "" and not (field.kind == "text" and field.is_required):
            continue
        parts.append(f"{_dumps(field.name)}: {_value(field, text)}")
    return "{\n  " + ",\n  ".join(parts) + "\n}" if parts else "{}"


def _value(field: Field, text: str) -> str:
    if field.kind in {"text", "choice"}:
        return _dumps(text)
    try:
        # Only checked: converted to a float, a large number would lose digits.
        json_view.read(text)
    except ValueError:
        fault = {
            "pointer": f"#/payload/{field.name}",
            "detail": "this is not JSON" if field.kind == "json" else "this is not a number",
        }
        raise InvalidRequest("Correct each place that is named below.", errors=[fault]) from None
    return text.strip()


def example(schema: Mapping[str, Any]) -> str:
    """Return a payload to begin with: the first example of the schema, or the defaults of its members."""
    for declared in schema.get("examples", ()):
        return json.dumps(declared, indent=2, ensure_ascii=False)
    defaults = {
        name: _resolved(part, schema)["default"]
        for name, part in schema.get("properties", {}).items()
        if _resolved(part, schema).get("default") is not None
    }
    return json.dumps(defaults, indent=2, ensure_ascii=False)


def indented(text: str) -> str:
    """Return a JSON text with line breaks, and every number as it was."""
    try:
        return _dumps_pretty(json_view.read(text), "")
    except (ValueError, RecursionError):
        return text


def _dumps_pretty(value: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{_dumps(key)}: {_dumps_pretty(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _dumps_pretty(each, inner) for each in value) + f"\n{indent}]"
    return _dumps(value)


def _dumps(value: Any) -> str:
    if json_view.is_number(value):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_dumps(key)}: {_dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
