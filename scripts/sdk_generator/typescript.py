"""Write the files of the TypeScript client that follow from the API document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scripts.sdk_generator.definitions import is_object
from scripts.sdk_generator.modules import QUERIES, Document
from scripts.sdk_generator.schema_types import Use
from scripts.sdk_generator.typescript_expressions import expression, member, name_of

_HEAD: Final = "/** {about} Written by scripts/sdk from the API document. */\n"
_MORE_QUERIES: Final = {
    "MetricFilter": "get_delivery_metrics",
    "StatsFilter": "get_stats",
    "UsageFilter": "get_usage",
}
"""Further calls whose parameters are an interface: in Python they are arguments."""


def files(document: Document) -> dict[str, str]:
    """Return the content of each file by its name."""
    addresses = {name: [method, path] for name, (method, path, _) in sorted(document.operations.items())}
    table = "".join(f"  {json.dumps(name)}: {json.dumps(address)},\n" for name, address in addresses.items())
    names = "".join(f"\n  | {json.dumps(name)}" for name in addresses)
    head = _HEAD.format(about="The address of each call, by the name that the API document gives it.")
    return {
        "models.d.ts": _models(document),
        "task_types.d.ts": _task_types(document),
        "operations.js": f"{head}export const OPERATIONS = {{\n{table}}};\n",
        "operations.d.ts": f"{head}export type OperationId ={names};\n"
        "export declare const OPERATIONS: Readonly<Record<OperationId, readonly [method: string, path: string]>>;\n",
        "version.js": f"export const VERSION = {json.dumps(document.version)};\n",
        "version.d.ts": "/** That of the API document. */\nexport declare const VERSION: string;\n",
    }


def _models(document: Document) -> str:
    kept = {name: document.schemas[name] for name in sorted(document.in_models)}
    lines = [_HEAD.format(about="What the API takes and answers.")]
    for name, schema in kept.items():
        lines += _definition(name, schema, document.use[name])
    for name, operation in (QUERIES | _MORE_QUERIES).items():
        lines += _interface(name, document.query(operation), Use.REQUEST)
    events = " | ".join(name_of(name) for name in document.webhook_events())
    lines += ["/** What a webhook tells. */", f"export type WebhookEvent = {events or 'unknown'};"]
    return "\n".join(lines) + "\n"


def _task_types(document: Document) -> str:
    types = document.task_types
    kept = document.kept_types()
    lines = [_HEAD.format(about="The task types of the service, and the options of a submit.")]
    if shared := document.shared(kept):
        lines += [f'import type {{ {", ".join(map(name_of, shared))} }} from "./models.js";', ""]
    for name, schema in kept.items():
        lines += _definition(name, schema, document.use[name])
    lines += _interface("TaskOptions", document.options(), Use.REQUEST)
    for task, model in types.items():
        lines += _new_task(document, task, model)
    lines += _table(document) if types else [_ANY]
    union = "".join(f"\n  | {name}" for name in [*map(name_of, types.values()), "OtherTask"])
    lines += [_NAMES, "/** A task to submit, with its options. */", f"export type NewTask ={union};"]
    return "\n".join(lines) + "\n"


def _definition(name: str, schema: Mapping[str, Any], use: Use) -> Iterator[str]:
    if is_object(schema):
        yield from _interface(name_of(name), schema, use)
        return
    yield from _comment(schema.get("description"))
    yield f"export type {name_of(name)} = {expression(schema, use)};"
    yield ""


def _interface(name: str, schema: Mapping[str, Any], use: Use, base: str = "") -> Iterator[str]:
    required = frozenset(schema.get("required", ()))
    yield from _comment(schema.get("description"))
    yield f"export interface {name}{base} {{"
    for field, described in schema.get("properties", {}).items():
        yield from _comment(described.get("description"), "  ")
        # A constant is in each answer, whatever the document says about its default.
        is_there = field in required or (use is Use.ANSWER and "const" in described)
        # A program that computes its options has undefined for those that it does not use.
        missing = " | undefined" if use is Use.REQUEST and not is_there else ""
        yield f"  {member(field)}{'' if is_there else '?'}: {expression(described, use)}{missing};"
    yield "}"
    yield ""


def _new_task(document: Document, task: str, model: str) -> Iterator[str]:
    properties = {"task": {"const": task}, "payload": document.schemas[model]["properties"]["payload"]}
    needed = ["task"] if document.takes_nothing(model) else ["task", "payload"]
    about = document.schemas[model].get("description")
    schema = {"description": about, "properties": properties, "required": needed}
    yield from _interface(name_of(model), schema, Use.REQUEST, " extends TaskOptions")


def _table(document: Document) -> Iterator[str]:
    yield "/** The payload and the result of each task type. */"
    yield "export interface TaskTypes {"
    for task, model in document.task_types.items():
        yield f"  {member(task)}: {{"
        yield f"    payload: {expression(document.schemas[model]['properties']['payload'], Use.REQUEST)};"
        yield f"    result: {expression(document.result_schema(task), Use.JSON)};"
        yield f"    isOptional: {'true' if document.takes_nothing(model) else 'false'};"
        yield "  };"
    yield from ("}", "", _KNOWN)


_KNOWN: Final = """\
/** The name of a task type that this client knows. */
export type KnownTask = keyof TaskTypes & string;
"""
_ANY: Final = """\
/** The payload and the result of each task type: this client takes any name. */
export interface TaskTypes {
  [name: string]: { payload: unknown; result: unknown; isOptional: true };
}

export type KnownTask = string;
"""
_NAMES: Final = """\
export type PayloadOf<N extends KnownTask> = TaskTypes[N]["payload"];
export type ResultOf<N extends KnownTask> = TaskTypes[N]["result"];

declare const unknownTask: unique symbol;

/** The name of a task type that this client does not know: `taskName("…")` makes one. */
export type TaskName = string & { readonly [unknownTask]: true };

/** A task of a type that this client does not know. */
export interface OtherTask extends TaskOptions {
  task: TaskName;
  payload?: unknown;
}
"""


def _comment(text: str | None, indent: str = "") -> Iterator[str]:
    if not text:
        return
    # What the document says must not end the comment.
    lines = text.strip().replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    yield from (f"{indent} * {line}".rstrip() for line in lines)
    yield f"{indent} */"
