"""Write what the caller gives as JSON and as parameters of a URL."""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID


def body(value: Any) -> bytes:
    """Return a request's body; raises ValueError for what JSON cannot say."""
    return json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a URL; those that are None are left out."""
    return {name: _parameter(value) for name, value in values.items() if value is not None}


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list | tuple | AbstractSet):
        return ",".join(map(_parameter, value))
    return str(plain(value))


def plain(value: Any) -> Any:
    """Return what stands for a value in JSON."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a datetime needs a time zone, such as datetime.now(UTC)")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet | tuple):
        return list(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
