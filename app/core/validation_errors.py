"""Describe validation errors without repeating any of the input, which may be secret and appears in logs.

Messages of pydantic that only describe the schema are passed on. Every other message, such as the text of a validator
in an operator's model, is replaced by a message of ours for its type.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import quote

from pydantic_core.core_schema import ErrorType

from app.core import suggestions

_DATE: Final = "Input should be a date, such as 2027-01-31"
_TIME: Final = "Input should be a date-time with its UTC offset, such as 2027-01-31T09:00:00Z"
_OBJECT: Final = "Input should be an object"
# Error types whose message speaks of Python, with the message that is given instead.
_IN_OUR_WORDS: Final = {
    "dataclass_type": _OBJECT,
    "dict_type": _OBJECT,
    "extra_forbidden": "There is no such member. Correct its name, or leave it out.",
    "list_type": "Input should be a list",
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "timezone_aware": _TIME,
}
# The end of a message about the size of a list, which speaks of how the schema is checked.
_COUNTED: Final = re.compile(r" after validation, not (more|[0-9]+)$")
# Error types whose message contains a part of the input, or a text that somebody else's code made of it, with the
# message that is given instead.
_REPEATING: Final = {
    "assertion_error": "Input is not what this field takes",
    "bytes_invalid_encoding": "Data should be of the field's encoding",
    "date_from_datetime_parsing": _DATE,
    "date_parsing": _DATE,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_parsing": _TIME,
    "get_attribute_error": "Input should be a valid object",
    "iteration_error": "Input should be a valid array",
    "json_invalid": "Input should be valid JSON",
    "mapping_type": "Input should be a valid object",
    "no_such_attribute": "Input should be a valid object",
    "time_delta_parsing": "Input should be a valid duration",
    "time_parsing": "Input should be in a valid time format",
    "timezone_offset": "Input should have another UTC offset",
    "union_tag_invalid": "Input is of an unknown kind",
    "url_parsing": "Input should be a valid URL",
    "url_syntax_violation": "Input should be a valid URL",
    "uuid_parsing": "Input should be a valid UUID",
    "value_error": "Input is not what this field takes",
}
# What is allowed is listed: a type that a later pydantic adds is not passed on before somebody has read its text.
_TELLING_OF_THE_SCHEMA: Final = frozenset(get_args(ErrorType)) - _REPEATING.keys()
_OF_ANOTHER_TYPE: Final = "Input is not what this field takes"
_BY_VALIDATOR: Final = "Value error, "
MAX_TOKEN: Final = 64
"""The most characters of one name in a pointer."""


def detail(fault: Mapping[str, Any], *, is_by_us: bool = False) -> str:
    """Return the message for one of pydantic's errors (an item of ``ValidationError.errors()``).

    ``is_by_us`` is true for models of this product: their validators raise texts that name only the rule. An error that
    our own code has found, and no validator, has an empty type.
    """
    kind, message = fault["type"], str(fault["msg"])
    if is_by_us and kind in {"", "value_error"}:
        return message.removeprefix(_BY_VALIDATOR)
    if kind in _IN_OUR_WORDS:
        return _IN_OUR_WORDS[kind]
    return _COUNTED.sub("", message) if kind in _TELLING_OF_THE_SCHEMA else _REPEATING.get(kind, _OF_ANOTHER_TYPE)


def hint(fault: Mapping[str, Any], path: Iterable[object], members: Iterable[str]) -> str:
    """Return `` Did you mean …?`` for an unknown member of the outermost object, which has these ``members``."""
    steps = list(path)
    is_unknown = fault["type"] == "extra_forbidden" and len(steps) == 1
    return suggestions.did_you_mean(str(steps[0]), members) if is_unknown else ""


def pointer(*steps: object) -> str:
    """Return the JSON pointer to a place in the body, as a URI fragment."""
    return "#" + "".join(f"/{_token(step)}" for step in steps)


def _token(step: object) -> str:
    # The caller may have chosen the name, so it is cut and percent-encoded.
    return quote(str(step)[:MAX_TOKEN].replace("~", "~0").replace("/", "~1"), safe="~")
