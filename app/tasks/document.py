"""Describe the task types in the API document: the body of a submit is a union discriminated by ``task``."""

from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError, create_model

from app.tasks.definition import types
from app.tasks.definition.types import TaskType
from app.tasks.schemas import DEFAULT_TASK, BatchRequest, SubmitOptions, SubmitRequest

_REF: Final = "#/components/schemas/{model}"


def with_task_types(document: dict[str, Any]) -> dict[str, Any]:
    """Describe the submit, payload and result of each task type, so that generated clients have types for them.

    Changes the OpenAPI document, and returns it.
    """
    schemas = document["components"]["schemas"]
    submits = {name: _submit_model(task_type) for name, task_type in types.all_types().items()}
    _, definitions = TypeAdapter.json_schemas(
        [
            *((name, "validation", TypeAdapter(model)) for name, model in submits.items()),
            *((name, "serialization", task_type.result) for name, task_type in types.all_types().items()),
        ],
        ref_template=_REF,
    )
    # A model that FastAPI has described already keeps its description.
    for name, schema in definitions.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    schemas[SubmitRequest.__name__] = {
        "title": SubmitRequest.__name__,
        "description": f"`task` names the task type; the default is {DEFAULT_TASK}. `GET /api/task-types` lists all.",
        "oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in submits.values()],
        "discriminator": {
            "propertyName": "task",
            "mapping": {name: _REF.format(model=model.__name__) for name, model in submits.items()},
        },
    }
    schemas[BatchRequest.__name__]["properties"]["tasks"]["items"] = {"$ref": _REF.format(model=SubmitRequest.__name__)}
    return document


def _submit_model(task_type: TaskType) -> type[SubmitOptions]:
    name = "Submit" + "".join(part.capitalize() for part in task_type.name.replace("_", ".").split("."))
    literal: Any = Literal[task_type.name]
    payload: Any = task_type.payload
    fields: dict[str, Any] = {
        "task": (literal | None, DEFAULT_TASK) if task_type.name == DEFAULT_TASK else (literal, ...),
        "payload": (payload | None, Field(default_factory=dict)) if _takes_nothing(task_type) else (payload, ...),
    }
    return create_model(name, __base__=SubmitOptions, __doc__=task_type.summary, **fields)


def _takes_nothing(task_type: TaskType) -> bool:
    # Then a submit without a payload is valid, so the document must not require the member.
    try:
        task_type.payload.model_validate({}, strict=True)
    except ValidationError:
        return False
    return True
