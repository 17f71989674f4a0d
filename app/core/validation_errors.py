"""Describe validation errors without repeating any of the input, which may be secret and appears in logs.

Messages of pydantic that only describe the schema are passed on. Every other message, such as the text of a validator
in an operator's model, is replaced by a message of ours for its type.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import quote

from pydantic_core.core_schema import ErrorType

# Error types whose message contains a part of the input, or a text that somebody else's code made of it, with the
# message that is given instead.
_REPEATING: Final = {
    "assertion_error": "Input is not what this field takes",
    "bytes_invalid_encoding": "Data should be of the field's encoding",
    "date_from_datetime_parsing": "Input should be a valid date",
    "date_parsing": "Input should be a valid date in the format YYYY-MM-DD",
    "datetime_from_date_parsing": "Input should be a valid datetime",
    "datetime_object_invalid": "Input should be a valid datetime",
    "datetime_parsing": "Input should be a valid datetime",
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
    return message if kind in _TELLING_OF_THE_SCHEMA else _REPEATING.get(kind, _OF_ANOTHER_TYPE)


def pointer(*steps: object) -> str:
    """Return the JSON pointer to a place in the body, as a URI fragment."""
    return "#" + "".join(f"/{_token(step)}" for step in steps)


def _token(step: object) -> str:
    # The caller may have chosen the name, so it is cut and percent-encoded.
    return quote(str(step)[:MAX_TOKEN].replace("~", "~0").replace("/", "~1"), safe="~")
