"""Write the modules of the client that follow from the API document."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from scripts.sdk_generator import definitions
from scripts.sdk_generator.expressions import expression, name_of
from scripts.sdk_generator.schema_types import Use, references, target

RESULT: Final = "x-result"
"""The member of a task type's submit in which the document names its result."""

_HEAD: Final = '''"""{about}"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NewType, NotRequired, Required, TypeAlias, TypedDict
from uuid import UUID

__all__ = [{names}]
'''
QUERIES: Final = {
    "AuditFilter": "list_audit_events",
    "DeliveryFilter": "list_deliveries",
    "ErrorFilter": "list_errors",
    "EventFilter": "list_events",
    "TaskFilter": "list_tasks",
}
_NOT_FILTERS: Final = frozenset({"limit", "cursor", "after", "wait", "access_token"})
_SEVERAL: Final = re.compile(r"\^\(([\w|.]+)\)\(,\(\1\)\)\*\$")
"""The pattern of a parameter that takes several of some values, with commas between them."""
_OF_SUBMITS: Final = frozenset({"SubmitRequest", "BatchRequest"})
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


def _several(schema: dict[str, Any]) -> dict[str, Any]:
    text = next((part for part in schema.get("anyOf", [schema]) if "pattern" in part), {"pattern": ""})
    values = _SEVERAL.fullmatch(text["pattern"])
    if not values:
        return schema
    one = {"enum": values[1].split("|")}
    return {"anyOf": [one, {"type": "array", "items": one}]}


class Document:
    """An API document, and which of its schemas belong together."""

    def __init__(self, document: Mapping[str, Any], *, with_task_types: bool = True) -> None:
        """Without task types, the client takes the name of any."""
        self.version: str = document["info"]["version"]
        self._webhooks: Mapping[str, Any] = document.get("webhooks", {})
        self.schemas: dict[str, Any] = document["components"]["schemas"]
        self.operations: dict[str, tuple[str, str, dict[str, Any]]] = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method in _METHODS
        }
        described = self.schemas["SubmitRequest"]["discriminator"]["mapping"]
        self._submits = {name: target(reference) for name, reference in described.items()}
        self.task_types = self._submits if with_task_types else {}
        of_types = definitions.reachable(self.schemas, self._submits.values())
        results = definitions.reachable(self.schemas, references([self.result_schema(name) for name in self._submits]))
        requests = definitions.reachable(self.schemas, self._bodies()) - of_types - _OF_SUBMITS
        self.use = {
            name: Use.JSON if name in results else Use.REQUEST if name in of_types or name in requests else Use.ANSWER
            for name in self.schemas
        }
        shared = definitions.reachable(self.schemas, self._answers())
        self.in_types = (of_types | results) - shared - set(self._submits.values())
        self.in_models = self.schemas.keys() - self.in_types - set(self._submits.values()) - _OF_SUBMITS

    def _bodies(self) -> Iterator[str]:
        for _, _, operation in self.operations.values():
            yield from references(operation.get("requestBody", {}))

    def _answers(self) -> Iterator[str]:
        for _, _, operation in self.operations.values():
            yield from references(operation["responses"])

    def result_schema(self, task: str) -> Any:
        """Return the schema of a task's result; None if the document names none."""
        return self.schemas[self._submits[task]].get(RESULT)

    def webhook_events(self) -> list[str]:
        """Return the names of the schemas of what webhooks are sent."""
        bodies = [
            hook["post"]["requestBody"]["content"]["application/json"]["schema"] for hook in self._webhooks.values()
        ]
        # Of each body the union itself, and not what its discriminator says once more.
        return list(dict.fromkeys(name for body in bodies for name in references(body.get("oneOf", []))))

    def models(self) -> str:
        """Return the module of everything that the API takes and answers, whatever its task types."""
        kept = {name: self.schemas[name] for name in sorted(self.in_models)}
        queries = {name: self.query(operation) for name, operation in QUERIES.items()}
        lines = [*self._definitions(kept)]
        for name, schema in queries.items():
            lines += ["", "", *definitions.typed_dict(name, schema, Use.REQUEST)]
        lines += ["", "", *definitions.aliases(kept, self.use)]
        return _module("What the API takes and answers.", [*map(name_of, kept), *queries], lines)

    def query(self, operation: str) -> dict[str, Any]:
        """Return the parameters by which a call chooses, as the schema of an object."""
        parameters = [
            parameter
            for parameter in self.operations[operation][2]["parameters"]
            if parameter["in"] == "query" and parameter["name"] not in _NOT_FILTERS
        ]
        return {
            "description": f"The filters of {operation}.",
            "properties": {
                parameter["name"]: {"description": parameter.get("description")} | _several(parameter["schema"])
                for parameter in parameters
            },
        }

    def _definitions(self, kept: Mapping[str, Any]) -> Iterator[str]:
        for name, schema in kept.items():
            if definitions.is_object(schema):
                yield from ("", "")
                answer = self.use[name] is Use.ANSWER
                yield from (
                    definitions.dataclass(name_of(name), schema)
                    if answer
                    else definitions.typed_dict(name_of(name), schema, self.use[name])
                )

    def types(self) -> str:
        """Return the module of the task types: payloads, results, and what a submit of each may say."""
        kept = self.kept_types()
        lines = [*self._definitions(kept), "", "", *definitions.typed_dict("TaskOptions", self.options(), Use.REQUEST)]
        lines += _OTHER if self.task_types else _ANY
        for task, model in self.task_types.items():
            lines += ["", "", *self._new_task(task, model)]
        lines += ["", "", *definitions.aliases(kept, self.use)]
        for task, model in self.task_types.items():
            lines += [f"{name_of(model)}Payload: TypeAlias = {self.payload(model)}"]
            lines += [f"{name_of(model)}Result: TypeAlias = {self.result(task)}"]
        union = " | ".join([*map(name_of, self.task_types.values()), "OtherTask"])
        lines += [f"NewTask: TypeAlias = {union}", *definitions.docstring("A task to submit, with its options.", "")]
        aliases = [f"{model}{part}" for model in self.task_types.values() for part in ("Payload", "Result")]
        names = [
            *map(name_of, [*kept, *aliases, *self.task_types.values()]),
            "TaskOptions",
            "TaskName",
            "OtherTask",
            "NewTask",
        ]
        return _module(
            "The task types of the service, and the options of a submit.",
            names,
            lines,
            [name_of(name) for name in self.shared(kept)],
        )

    def kept_types(self) -> dict[str, Any]:
        """Return the schemas of the module of the task types; without task types those of the options alone."""
        wanted = self.in_types
        if not self.task_types:
            wanted = wanted & definitions.reachable(self.schemas, references(self.options()))
        return {name: self.schemas[name] for name in sorted(wanted)}

    def shared(self, kept: Mapping[str, Any]) -> list[str]:
        """Return the names of the schemas of the API that task types refer to."""
        used = {name for model in self.task_types.values() for name in references(self.schemas[model])}
        used |= {name for schema in kept.values() for name in references(schema)}
        return sorted(used & self.in_models)

    def options(self) -> dict[str, Any]:
        """Return what a submit may say in addition to its task and payload, as the schema of an object."""
        # Every task type takes the same options.
        described = self.schemas[next(iter(self._submits.values()))]["properties"]
        options = {name: schema for name, schema in described.items() if name not in {"task", "payload"}}
        return {"description": "The options of every task.", "properties": options}

    def _new_task(self, task: str, model: str) -> Iterator[str]:
        described = self.schemas[model]
        needed = "payload" in described.get("required", ())
        payload = self.payload(model)
        yield f"class {name_of(model)}(TaskOptions):"
        yield from definitions.docstring(described.get("description") or f"{model}.")
        yield ""
        yield f"    task: Required[Literal[{task!r}]]"
        yield f"    payload: {'Required' if needed else 'NotRequired'}[{payload}]"

    def payload(self, model: str) -> str:
        """Return the type of the payload that a submit takes."""
        return expression(self.schemas[model]["properties"]["payload"], Use.REQUEST)

    def result(self, task: str) -> str:
        """Return the type of the task's result."""
        return expression(self.result_schema(task), Use.JSON)

    def takes_nothing(self, model: str) -> bool:
        """Return whether the task can be submitted without a payload."""
        return "payload" not in self.schemas[model].get("required", ())


_NAME: Final = [
    "",
    "",
    'TaskName = NewType("TaskName", str)',
    *definitions.docstring("The name of a task type that this client does not know: its payload is not checked.", ""),
    "",
    "",
    "class OtherTask(TaskOptions):",
]
_OTHER: Final = [
    *_NAME,
    *definitions.docstring("A task of a type that this client does not know."),
    "",
    "    task: Required[TaskName]",
    "    payload: NotRequired[Any]",
]
_ANY: Final = [
    *_NAME,
    *definitions.docstring("A task of any type."),
    "",
    "    task: Required[str]",
    "    payload: NotRequired[Any]",
]


def _module(about: str, names: Iterable[str], lines: Iterable[str], imported: Iterable[str] = ()) -> str:
    listed = "".join(f'\n    "{name}",' for name in sorted(names))
    head = _HEAD.format(about=about, names=f"{listed}\n")
    imports = f"\nfrom .models import {', '.join(imported)}\n" if imported else ""
    return head.replace("\n__all__", f"{imports}\n__all__") + "\n".join(lines) + "\n"


def overloads(document: Document) -> str:
    """Return the typed signatures of ``submit``, to stand in front of its definition."""
    if not document.task_types:
        return ""
    lines: list[str] = []
    for task, model in document.task_types.items():
        default = " = ..." if document.takes_nothing(model) else ""
        name = f"task_types.{name_of(model)}"
        lines += _overload(f"Literal[{task!r}]", f"{name}Payload{default}", f"{name}Result")
    lines += _overload("task_types.TaskName", "Any = ...", "Any")
    return "\n".join(f"    {line}" if line else "" for line in lines)


def _overload(task: str, payload: str, result: str) -> list[str]:
    parameters = f"self, task: {task}, payload: {payload}, **options: Unpack[SubmitOptions]"
    return ["@overload", f"async def submit({parameters}) -> AsyncTaskHandle[{result}]: ..."]


def operations(document: Document) -> str:
    """Return the module that knows the address of each call."""
    lines = ['"""The address of each call, by the name that the API document gives it."""', "", "OPERATIONS = {"]
    for name, (method, path, _) in sorted(document.operations.items()):
        lines.append(f'    "{name}": ("{method}", "{path}"),')
    return "\n".join([*lines, "}", ""])
