"""Describe the task types in the API document: the body of a submit is a union discriminated by ``task``."""

from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, create_model

from app.tasks.definition import types
from app.tasks.definition.types import TaskType
from app.tasks.definition.unknown_members import SubmitJsonSchema
from app.tasks.schemas import DEFAULT_TASK, BatchRequest, SubmitOptions, SubmitRequest

_REF: Final = "#/components/schemas/{model}"
_FOLLOWING: Final = {"status": "get_task_status", "result": "get_task_result", "cancel": "cancel_task"}


def with_task_types(document: dict[str, Any]) -> dict[str, Any]:
    """Describe the submit, payload and result of each task type, so that generated clients have types for them.

    Changes the OpenAPI document, and returns it.
    """
    schemas = document["components"]["schemas"]
    submits = {name: _submit_model(task_type) for name, task_type in types.all_types().items()}
    described, definitions = TypeAdapter.json_schemas(
        [
            *((name, "validation", TypeAdapter(model)) for name, model in submits.items()),
            *((name, "serialization", task_type.result) for name, task_type in types.all_types().items()),
        ],
        ref_template=_REF,
        schema_generator=SubmitJsonSchema,
    )
    # A model that FastAPI has described already keeps its description.
    for name, schema in definitions.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    for name, model in submits.items():
        # Not a word of OpenAPI: generators of clients read it to give the task's result a type.
        schemas[model.__name__]["x-result"] = described[name, "serialization"]
    schemas[SubmitRequest.__name__] = {
        "title": SubmitRequest.__name__,
        "description": f"`task` names the task type, and decides the payload. `GET /api/task-types` lists all. "
        f"Without `task` it is {DEFAULT_TASK}.",
        "oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in submits.values()],
        "discriminator": {
            "propertyName": "task",
            "mapping": {name: _REF.format(model=model.__name__) for name, model in submits.items()},
        },
    }
    schemas[BatchRequest.__name__]["properties"]["tasks"]["items"] = {"$ref": _REF.format(model=SubmitRequest.__name__)}
    _link(document)
    return document


def _link(document: dict[str, Any]) -> None:
    """Say with which calls one follows a task that was accepted."""
    linked = {
        name: {"operationId": call, "parameters": {"task_id": "$response.body#/task_id"}}
        for name, call in _FOLLOWING.items()
    }
    for path in ("/api/tasks/submit", "/api/tasks/{task_id}/retry"):
        for status in ("200", "202"):
            document["paths"][path]["post"]["responses"][status]["links"] = linked


def _submit_model(task_type: TaskType) -> type[SubmitOptions]:
    name = "Submit" + "".join(part.capitalize() for part in task_type.name.replace("_", ".").split("."))
    literal: Any = Literal[task_type.name]
    payload: Any = task_type.payload
    fields: dict[str, Any] = {
        # Required, although a submit without it is one of DEFAULT_TASK: a discriminator that may be missing is none.
        "task": (literal, Field(description="The name of the task type.")),
        "payload": (payload, _described_payload(task_type)),
    }
    return create_model(name, __base__=SubmitOptions, __doc__=task_type.summary, **fields)


def _described_payload(task_type: TaskType) -> Any:
    if _takes_nothing(task_type):
        return Field(default_factory=dict, description="The input of the task. Default: an empty object.")
    return Field(description="The input of the task.")


def _takes_nothing(task_type: TaskType) -> bool:
    # Then a submit without a payload is valid, so the document must not require the member.
    try:
        task_type.payload.model_validate({}, strict=True)
    except ValidationError:
        return False
    return True
