"""Find what is wrong with the declaration of a task type, and say what to write instead."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_type_hints

from pydantic import BaseModel

from app.core import suggestions
from app.tasks.definition.context import TaskContext

_LOST: Final = "leave it out: a task whose worker is lost always runs again, and that attempt does not count"
_RESULT: Final = "leave it out: results are kept for the retention_days of the tenant's plan"
_PLACE: Final = "leave it out: each tenant has a queue of its own, and pool= chooses the kind of worker"
_AT_SUBMIT: Final = "leave it out: the client sends {option} with each submit"

# Options of Celery, and of RQ and Dramatiq, with what takes their place here.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "max_retries": "write max_attempts, which counts the first attempt too: max_retries=3 is max_attempts=4",
    "retries": "write max_attempts, which counts the first attempt too",
    "retry": "write max_attempts, which counts the first attempt too",
    "retry_kwargs": "write max_attempts, which counts the first attempt too: max_retries=3 is max_attempts=4",
    "default_retry_delay": "write retry_backoff, the seconds before the second attempt, with retry_jitter=False",
    "countdown": "raise TaskRetry(after=seconds) in the function, or let the client send delay_seconds with the submit",
    "min_backoff": "write retry_backoff, in seconds",
    "max_backoff": "write retry_backoff_max, in seconds",
    "dont_autoretry_for": "list only the errors that are worth another attempt in autoretry_for",
    "throws": "raise TaskFailure in the function to end the task at once",
    "bind": "leave it out: the second argument of every function is its context (context.attempt, context.log)",
    "acks_late": _LOST,
    "acks_on_failure_or_timeout": _LOST,
    "reject_on_worker_lost": _LOST,
    "ignore_result": _RESULT,
    "store_results": _RESULT,
    "result_ttl": _RESULT,
    "track_started": "leave it out: the status STARTED is always shown",
    "queue": _PLACE,
    "queue_name": _PLACE,
    "routing_key": _PLACE,
    "rate_limit": "leave it out: a tenant's limit running bounds its tasks (scripts/admin tenant set-limit)",
    "eta": _AT_SUBMIT.format(option="scheduled_at"),
    "expires": _AT_SUBMIT.format(option="expires_seconds"),
    "priority": _AT_SUBMIT.format(option="priority"),
    "timeout": "write time_limit, in seconds",
    "job_timeout": "write time_limit, in seconds",
    "base": "leave it out: a task type is a plain function",
    "serializer": "leave it out: payloads and results are JSON",
    "pydantic": "leave it out: the payload is always a pydantic model",
}
_FORM: Final = "def {name}(payload: MyPayload, context: TaskContext) -> MyResult"
_MODEL: Final = "where MyPayload is a class of yours that inherits from pydantic.BaseModel"


def without_parentheses(function: Any) -> str:
    """Return the message for ``@task`` without parentheses, or with something else than a name in them."""
    name = getattr(function, "__name__", "my_function")
    return f'@task needs the name that clients submit: write @task("{name}") above def {name}.'


def option_faults(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return a line for each option that does not exist."""
    names = list(known)
    return [f"{name}: {_advice(name, names)}" for name in given]


def _advice(name: str, known: list[str]) -> str:
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    return f"there is no such option.{suggestions.did_you_mean(name, known)} The options are {', '.join(known)}"


def models(function: Callable[..., Any]) -> tuple[type[BaseModel], Any] | str:
    """Return the payload's model and the annotation of the result, or a line that says what is wrong."""
    fault = _kind_fault(function) or _parameters_fault(function)
    if fault:
        return fault
    try:
        hints = get_type_hints(function)
    except NameError as error:
        return f"an annotation names {error.name}, which the module does not define: import it above the function"
    first, second = inspect.signature(function).parameters
    payload = hints.get(first)
    if not (isinstance(payload, type) and issubclass(payload, BaseModel)):
        return f"{first} needs the annotation of a pydantic model: {_form(function)}"
    if hints.get(second, TaskContext) not in {TaskContext, Any, object}:
        return f"{second} is the TaskContext of app.tasks: {_form(function)}"
    if "return" not in hints:
        return "say what it returns, with -> and a type that JSON can show, or -> None"
    return payload, hints["return"]


def _kind_fault(function: Any) -> str | None:
    if not inspect.isroutine(function):
        return f"@task stands above a function: {_form(function)}"
    # Calling it would return a generator at once, and none of its code would run.
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "it must return its result, not yield: report how far it is with context.progress"
    return None


def _parameters_fault(function: Callable[..., Any]) -> str | None:
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters]
    if names[:1] == ["self"]:
        return f"leave self out, the context takes its place: {_form(function)}"
    is_by_place = all(one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD} for one in parameters)
    if is_by_place and len(names) == 2:  # noqa: PLR2004 payload and context
        return None
    advice = f" Make {', '.join(names)} fields of the model." if len(names) > 1 else ""
    return f"it takes two arguments, the payload and the context: {_form(function)}, {_MODEL}.{advice}"


def _form(function: Any) -> str:
    return _FORM.format(name=getattr(function, "__name__", "my_function"))


def type_faults(options: Mapping[str, Any]) -> list[str]:
    """Return a line for each option whose value has a wrong type."""
    errors = options["autoretry_for"]
    faults = []
    if not isinstance(errors, tuple) or not all(isinstance(one, type) and issubclass(one, Exception) for one in errors):
        faults.append("autoretry_for: a tuple of exception classes, such as (OSError,)")
    faults += [f"{name}: a whole number" for name in ("max_attempts",) if not _is_number(options[name], int)]
    seconds = ("retry_backoff_max", "time_limit", *(() if options["soft_time_limit"] is None else ("soft_time_limit",)))
    faults += [f"{name}: a number of seconds" for name in seconds if not _is_number(options[name], int | float)]
    if not isinstance(options["retry_backoff"], int | float):
        faults.append("retry_backoff: True, False or a number of seconds")
    if options["pool"] not in {"prefork", "asyncio", "http"}:
        faults.append("pool: 'prefork' or 'asyncio'")
    return faults


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
