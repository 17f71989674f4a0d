"""Task types: the decorator that declares one, and the registry that has them all."""

import importlib
import importlib.util
import inspect
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, Never, TypeAlias

from pydantic import BaseModel, TypeAdapter

from app.core.config import get_settings
from app.tasks.definition import declaration, unknown_members

if TYPE_CHECKING:
    from pydantic.plugin._schema_validator import PluggableSchemaValidator
    from pydantic_core import SchemaValidator

NAME: Final = r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*"
"""The regular expression for the name of a task type."""
Pool: TypeAlias = Literal["prefork", "asyncio", "http"]
"""The workers that run a type. ``http`` is a process without the operator's code, for ``http_request`` alone."""
HTTP_REQUEST: Final = "app.http_requests.task_type"
"""The module that declares ``http_request``."""
_FORMER_NAME: Final = "app"
_SHIPPED: Final = ("app.worker.tasks", HTTP_REQUEST)
# By name. Global, because the decorators run while modules are imported.
_registry: "dict[str, TaskType]" = {}


@dataclass(frozen=True, slots=True)
class TaskType:
    """A function that tasks run, with its options. Option names and meanings are Celery's; times are seconds."""

    name: str
    function: Callable[..., Any]
    payload: type[BaseModel]
    validator: "SchemaValidator | PluggableSchemaValidator"
    """Validates a stored payload. The model's own method takes twice the time, because it checks its options first."""
    submit_validator: "SchemaValidator"
    """Validates the payload of a submit: unknown members are refused, unless a model says otherwise."""
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
    pool: Pool

    @property
    def is_async(self) -> bool:
        """Return whether the function is an ``async def``."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def is_shipped(self) -> bool:
        """Return whether the type is the service's own: the texts of its model's validators repeat no input."""
        return self.function.__module__ in _SHIPPED


def task(
    name: str = "",
    *,
    autoretry_for: tuple[type[Exception], ...] = (Exception,),
    max_attempts: int = 3,
    retry_backoff: bool | float = True,
    retry_backoff_max: float = 600,
    retry_jitter: bool = True,
    soft_time_limit: float | None = None,
    time_limit: float = 900,
    pool: Pool = "prefork",
    **others: Never,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a task type: ``def function(payload: Model, context: TaskContext) -> Result``, sync or async.

    The payload is a pydantic model, the result any type that pydantic can serialise. openapi.yaml publishes both. Times
    are seconds. ``others`` are options of other libraries: the error says what takes their place here. Raises
    ``TypeError`` or ``ValueError`` at import if the declaration is not valid.
    """
    if not isinstance(name, str):
        raise TypeError(declaration.without_parentheses(name))
    options: dict[str, Any] = {
        "autoretry_for": autoretry_for,
        "max_attempts": max_attempts,
        "retry_backoff": retry_backoff,
        "retry_backoff_max": retry_backoff_max,
        "retry_jitter": retry_jitter,
        "soft_time_limit": soft_time_limit,
        "time_limit": time_limit,
        "pool": pool,
    }

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        _declare(name, function, options, others)
        return function

    return declare


def _declare(name: str, function: Callable[..., Any], options: dict[str, Any], others: dict[str, Never]) -> None:
    payload, result = _models(name, function, options, others)
    _register(
        TaskType(
            name=name,
            function=function,
            payload=payload,
            validator=TypeAdapter(payload).validator,
            submit_validator=unknown_members.validator(payload),
            result=TypeAdapter(result),
            summary=(inspect.getdoc(function) or name).partition("\n")[0],
            **{**options, "retry_backoff": float(options["retry_backoff"])},
        )
    )


def _models(
    name: str, function: Callable[..., Any], options: dict[str, Any], others: dict[str, Never]
) -> tuple[type[BaseModel], Any]:
    """Return the models of the payload and the result. Raises ``TypeError`` with all that is wrong."""
    if not name:
        raise TypeError(declaration.without_parentheses(function))
    found = declaration.models(function)
    faults = declaration.option_faults(others, options) + declaration.type_faults(options)
    if isinstance(found, str):
        faults.append(found)
    if faults or isinstance(found, str):
        raise TypeError(f"task type {name!r}: " + "; ".join(faults))
    return found


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
        "pool: 'asyncio' runs an `async def`": task_type.pool != "prefork" and not task_type.is_async,
        "pool: 'http' runs http_request alone": task_type.pool == "http"
        and task_type.function.__module__ != HTTP_REQUEST,
    }
    faults = [rule for rule, is_broken in wrong.items() if is_broken]
    if faults:
        message = f"task type {task_type.name!r}: " + "; ".join(faults)
        raise ValueError(message)


class _Loading:
    """The process's choice of modules."""

    only: str | None = None


@cache
def _load() -> None:
    if _Loading.only is not None:
        importlib.import_module(_Loading.only)
        return
    settings = get_settings()
    # At the end of sys.path, unlike PYTHONPATH: an email.py next to an operator's task types must not replace Python's.
    if settings.task_modules_folder is not None:
        sys.path.append(str(settings.task_modules_folder.absolute()))
    _offer_names()
    for module in (*_SHIPPED, *settings.task_modules):
        importlib.import_module(module)


def _offer_names() -> None:
    """Let task modules import ``taskqueue``, and ``app.tasks`` too where their project has no ``app`` of its own."""
    public = sys.modules[__name__.rpartition(".definition")[0]]
    # In the wheel there is a package of this name already.
    sys.modules.setdefault("taskqueue", public)
    if importlib.util.find_spec(_FORMER_NAME) is None:
        sys.modules[_FORMER_NAME] = ModuleType(_FORMER_NAME)
        sys.modules[f"{_FORMER_NAME}.tasks"] = public


def load_only(module: str) -> None:
    """Import the task types of one module, and never those of ``TASK_MODULES``, for the rest of the process."""
    _Loading.only = module
    _load()


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
