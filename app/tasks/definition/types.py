"""Task types: the decorator that declares one, and the registry that has them all."""

import importlib
import inspect
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_type_hints

from pydantic import BaseModel, TypeAdapter

from app.core.config import get_settings

if TYPE_CHECKING:
    from pydantic.plugin._schema_validator import PluggableSchemaValidator
    from pydantic_core import SchemaValidator

NAME: Final = r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*"
"""The regular expression for the name of a task type."""
_SHIPPED: Final = "app.worker.tasks"
# By name. Global, because the decorators run while modules are imported.
_registry: "dict[str, TaskType]" = {}


@dataclass(frozen=True, slots=True)
class TaskType:
    """A function that tasks run, with its options. Option names and meanings are Celery's; times are seconds."""

    name: str
    function: Callable[..., Any]
    payload: type[BaseModel]
    validator: "SchemaValidator | PluggableSchemaValidator"
    """Validates the payload. The model's own method takes twice the time, because it checks its options first."""
    result: TypeAdapter[Any]
    """Validates and serialises the function's return value."""
    summary: str
    autoretry_for: tuple[type[Exception], ...]
    """Errors after which the task is retried. Any other error ends it at once."""
    max_attempts: int
    retry_backoff: float
    """Delay before the second attempt. It doubles with each further attempt. 0 means no delay."""
    retry_backoff_max: float
    retry_jitter: bool
    """If true, each delay is a random value between 0 and the computed delay."""
    soft_time_limit: float | None
    time_limit: float
    pool: Literal["prefork", "asyncio"]

    @property
    def is_async(self) -> bool:
        """Return whether the function is an ``async def``."""
        return inspect.iscoroutinefunction(self.function)


def task(
    name: str,
    *,
    autoretry_for: tuple[type[Exception], ...] = (Exception,),
    max_attempts: int = 3,
    retry_backoff: bool | float = True,
    retry_backoff_max: float = 600,
    retry_jitter: bool = True,
    soft_time_limit: float | None = None,
    time_limit: float = 900,
    pool: Literal["prefork", "asyncio"] = "prefork",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a task type: ``def function(payload: Model, context: TaskContext) -> Result``, sync or async.

    The payload is a pydantic model, the result any type that pydantic can serialise. openapi.yaml publishes both. Times
    are seconds. Raises ``TypeError`` or ``ValueError`` at import if the declaration is not valid.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        payload, result = _models(name, function)
        _register(
            TaskType(
                name=name,
                function=function,
                payload=payload,
                validator=TypeAdapter(payload).validator,
                result=TypeAdapter(result),
                summary=(inspect.getdoc(function) or name).partition("\n")[0],
                autoretry_for=autoretry_for,
                max_attempts=max_attempts,
                retry_backoff=float(retry_backoff),
                retry_backoff_max=retry_backoff_max,
                retry_jitter=retry_jitter,
                soft_time_limit=soft_time_limit,
                time_limit=time_limit,
                pool=pool,
            )
        )
        return function

    return declare


def _models(name: str, function: Callable[..., Any]) -> tuple[type[BaseModel], Any]:
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    payload = hints.get(parameters[0]) if len(parameters) == 2 else None  # noqa: PLR2004 payload and context
    if not (isinstance(payload, type) and issubclass(payload, BaseModel)) or "return" not in hints:
        message = f"task type {name!r}: declare it as `def f(payload: PydanticModel, context: TaskContext) -> Result`"
        raise TypeError(message)
    return payload, hints["return"]


def _register(task_type: TaskType) -> None:
    _refuse_unusable(task_type)
    known = _registry.get(task_type.name)
    # The same module may be imported again, for example under a reload; two modules with one name are a mistake.
    if known is not None and known.function.__module__ != task_type.function.__module__:
        message = f"task type {task_type.name!r} is declared in {known.function.__module__} already"
        raise ValueError(message)
    _registry[task_type.name] = task_type


def _refuse_unusable(task_type: TaskType) -> None:
    soft = task_type.soft_time_limit
    wrong = {
        "name: lower-case words joined by dots, at most 64 characters": not re.fullmatch(NAME, task_type.name)
        or len(task_type.name) > 64,  # noqa: PLR2004
        "max_attempts: 1 to 25": not 1 <= task_type.max_attempts <= 25,  # noqa: PLR2004
        "time_limit: more than 0, at most 86400": not 0 < task_type.time_limit <= 86_400,  # noqa: PLR2004
        "soft_time_limit: more than 0 and less than time_limit": soft is not None
        and not 0 < soft < task_type.time_limit,
        "retry_backoff: not negative": task_type.retry_backoff < 0,
        "pool: 'asyncio' runs an `async def`": task_type.pool == "asyncio" and not task_type.is_async,
    }
    faults = [rule for rule, is_broken in wrong.items() if is_broken]
    if faults:
        message = f"task type {task_type.name!r}: " + "; ".join(faults)
        raise ValueError(message)


@cache
def _load() -> None:
    settings = get_settings()
    # At the end of sys.path, unlike PYTHONPATH: an email.py next to an operator's task types must not replace Python's.
    if settings.task_modules_folder is not None:
        sys.path.append(str(settings.task_modules_folder.absolute()))
    for module in (_SHIPPED, *settings.task_modules):
        importlib.import_module(module)


def load_or_exit() -> None:
    """Import all task types when a process starts. If one cannot be imported or declared, exit with a message."""
    try:
        _load()
    except Exception as error:
        logging.getLogger(__name__).critical("task types cannot be loaded", exc_info=error)
        sys.exit(f"TASK_MODULES cannot be loaded ({type(error).__name__}: {error}). Fix or remove it.")


def all_types() -> dict[str, TaskType]:
    """Return all task types by name: the shipped ones and those of ``TASK_MODULES``. The first call imports them."""
    _load()
    return dict(sorted(_registry.items()))


def find(name: str) -> TaskType | None:
    """Return the task type with this name, or None. The first call imports all task types."""
    _load()
    return _registry.get(name)
